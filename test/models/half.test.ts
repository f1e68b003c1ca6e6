import { afterAll, beforeAll, test } from 'vitest';
import type { ActionInputs } from '../../src/amr/action-network.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import type { Network } from '../../src/models/backbone.ts';
import { CifarResNet } from '../../src/models/cifar-resnet.ts';
import { Classifier } from '../../src/models/classifier.ts';
import { CtrGcn } from '../../src/models/ctr-gcn.ts';
import { Hcn } from '../../src/models/hcn.ts';
import { InflatedResNet } from '../../src/models/inflated-resnet.ts';
import { Mlp } from '../../src/models/mlp.ts';
import { ResNet } from '../../src/models/resnet.ts';
import { SkeletonTransformer } from '../../src/models/skeleton-transformer.ts';
import { StGcn } from '../../src/models/st-gcn.ts';
import { StGcn18 } from '../../src/models/st-gcn-18.ts';
import { TimeSformer } from '../../src/models/timesformer.ts';
import { VideoResNet } from '../../src/models/video-resnet.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import type { Mode } from '../../src/nn/module.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { holdsInHalf } from './half.ts';
import { input } from './network.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const CLASSES = 5;
const PARENTS = [-1, 0, 1, 1];
const [IMAGE, CLIP, SKELETON] = [
  [4, 32, 32, 3],
  [2, 4, 16, 16, 3],
  [4, 1, 16, PARENTS.length, 3],
] as const;

type Make = (init: Initialiser) => Network | Classifier;
const head = { classes: CLASSES };
const tokens = { ...head, width: 16, heads: 2, depth: 4 };
const stGcn = { parents: PARENTS, widths: [8, 16], strides: [1, 2], temporalKernel: 3 };
const streams = ['position', 'motion', 'bone'] as const;

const NETWORKS: Readonly<Record<string, readonly [readonly number[], Make]>> = {
  'CIFAR ResNet-20': [IMAGE, (init) => new CifarResNet(init, { ...head, width: 4 })],
  'ResNet-18': [IMAGE, (init) => new ResNet(init, { ...head, width: 4 })],
  'ResNet-50': [IMAGE, (init) => new ResNet(init, { ...head, depth: 50, width: 4 })],
  'inflated ResNet': [CLIP, (init) => new InflatedResNet(init, { ...head, width: 4 })],
  'R3D-18': [CLIP, (init) => VideoResNet.published(init, 'r3d', { ...head, width: 4 })],
  'MC3-18': [CLIP, (init) => VideoResNet.published(init, 'mc3', { ...head, width: 4 })],
  'R(2+1)D-18': [CLIP, (init) => VideoResNet.published(init, 'r2plus1d', { ...head, width: 4 })],
  TimeSformer: [CLIP, (init) => new TimeSformer(init, { ...tokens, image: 16, patch: 8, frames: 4 })],
  HCN: [SKELETON, (init) => new Hcn(init, { ...head, width: 8, frames: 16, joints: 4 })],
  'ST-GCN': [SKELETON, (init) => new StGcn18(init, { ...head, width: 4, parents: PARENTS })],
  'CTR-GCN': [SKELETON, (init) => new CtrGcn(init, { ...head, width: 8, parents: PARENTS, persons: 1 })],
  'skeleton transformer': [
    SKELETON,
    (init) => new SkeletonTransformer(init, { ...tokens, joints: 4, frames: 16 }),
  ],
  MLP: [[8, 6], (init) => new Mlp(init, { ...head, in: 6, width: 32 })],
  'ST-GCN, one block a stage': [
    [4, 16, 4, 3],
    (init) => new Classifier(init, new StGcn(init, { ...stGcn, streams }), head),
  ],
};

/** Without a ReLU. */
const SMOOTH = ['TimeSformer', 'skeleton transformer'];

test.each(Object.entries(NETWORKS))('%s takes f16 inputs', async (name, [shape, make]) => {
  const network = make(new Initialiser(device, 1));
  const labels = device.tensor(Int32Array.from({ length: shape[0] ?? 0 }, (_, i) => i % CLASSES));
  const forward = ({ rgb }: ActionInputs, mode: Mode) => {
    const logits = network.forward(rgb as Tensor, mode);
    return { logits, loss: crossEntropy(logits, labels, { reduction: 'sum' }) };
  };
  const given = { parameters: network.parameters(), inputs: { rgb: input(device, shape, 2) } };
  await holdsInHalf({ ...given, forward }, SMOOTH.includes(name) ? 5e-3 : 0.3);
});
