import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ActionOutput } from '../../src/amr/action-network.ts';
import { amr } from '../../src/amr/amr.ts';
import { fim } from '../../src/amr/fim.ts';
import type { Fusion, Pair } from '../../src/amr/fusion.ts';
import { concatenation, gated, late } from '../../src/amr/heads.ts';
import { mmtm } from '../../src/amr/mmtm.ts';
import { simMin } from '../../src/amr/sim-min.ts';
import { type TwoStreamNetwork, twoStream } from '../../src/amr/two-stream.ts';
import { grad } from '../../src/autograd/grad.ts';
import { add, square } from '../../src/kernels/elementwise.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Network } from '../../src/models/backbone.ts';
import { CifarResNet } from '../../src/models/cifar-resnet.ts';
import { CtrGcn } from '../../src/models/ctr-gcn.ts';
import { Hcn } from '../../src/models/hcn.ts';
import { InflatedResNet } from '../../src/models/inflated-resnet.ts';
import { Mlp } from '../../src/models/mlp.ts';
import { ResNet } from '../../src/models/resnet.ts';
import { SkeletonTransformer } from '../../src/models/skeleton-transformer.ts';
import { StGcn18 } from '../../src/models/st-gcn-18.ts';
import { TimeSformer } from '../../src/models/timesformer.ts';
import { VideoResNet } from '../../src/models/video-resnet.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import { nullGpu } from '../../src/node/gpu.ts';
import { type Device, openDevice } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { bits, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';

const CLASSES = 3;
const PARENTS = [-1, 0, 1, 1];
const [CLIP, SKELETON] = [
  [1, 2, 16, 16, 3],
  [1, 2, 16, PARENTS.length, 3],
] as const;

type Make = (init: Initialiser) => Network;
const video = (kind: 'r3d' | 'mc3' | 'r2plus1d'): Make => {
  return (init) => VideoResNet.published(init, kind, { classes: CLASSES, width: 2 });
};
const small = { classes: CLASSES, width: 8, heads: 2, depth: 4, dropPath: 0 };
const skeleton = { classes: CLASSES, dropout: 0, width: 4 };

const RGB: Readonly<Record<string, Make>> = {
  'R3D-18': video('r3d'),
  'MC3-18': video('mc3'),
  'R(2+1)D-18': video('r2plus1d'),
  'inflated ResNet': (init) => new InflatedResNet(init, { classes: CLASSES, width: 2 }),
  TimeSformer: (init) => new TimeSformer(init, { ...small, image: 16, patch: 8, frames: 2 }),
};

const SKELETONS: Readonly<Record<string, Make>> = {
  HCN: (init) => new Hcn(init, { ...skeleton, frames: 16, joints: PARENTS.length }),
  'ST-GCN': (init) => new StGcn18(init, { ...skeleton, parents: PARENTS }),
  'CTR-GCN': (init) => new CtrGcn(init, { ...skeleton, parents: PARENTS, persons: 2 }),
  'skeleton transformer': (init) =>
    new SkeletonTransformer(init, { ...small, joints: PARENTS.length, frames: 16, span: 4 }),
};

const IMAGE = [1, 16, 16, 3] as const;

/** Networks for one frame, and one with a single tap. */
const IMAGES: Readonly<Record<string, Make>> = {
  'CIFAR ResNet-20': (init) => new CifarResNet(init, { classes: CLASSES, width: 2 }),
  'ResNet-18': (init) => new ResNet(init, { classes: CLASSES, width: 2 }),
  MLP: (init) => new Mlp(init, { in: 16 * 16 * 3, classes: CLASSES, width: 8 }),
};

const FUSIONS: Readonly<Record<string, () => Fusion>> = {
  late,
  concatenation,
  gated,
  mmtm,
  simMin,
  fim,
  amr,
};

const input = (device: Device, shape: readonly number[], seed: number) =>
  device.tensor(
    numbers(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ).map((value) => (value + 1) / 2),
    shape,
  );

const inputs = (device: Device) => ({ rgb: input(device, CLIP, 1), skeleton: input(device, SKELETON, 2) });

/** What a fusion of two backbones gives, with the shapes it must have. */
function outputOf(net: TwoStreamNetwork, given: Pair<Tensor>, taps: number): ActionOutput {
  const output = net.forward(given, EVALUATION);
  expect(output.logits.shape).toEqual([1, CLASSES]);
  expect([output.weights.length, output.auxiliary.length]).toEqual([taps, 2 * taps]);
  return output;
}

/** A backbone, and what fusions see of it: the maps after its taps, and its end. */
function alone(network: Network, x: Tensor) {
  const maps = network.taps.map((tap) => network.features(x, EVALUATION, tap));
  const features = network.pool(network.features(x, EVALUATION), EVALUATION);
  return { network, maps, end: { features, logits: () => network.classify(features, EVALUATION) } };
}

type Alone = ReturnType<typeof alone>;

/** All parts of a fusion of two backbones, which keep the shapes of what they exchange. */
function join(rgb: Alone, skeleton: Alone, fusion: Fusion): void {
  const net = twoStream({ rgb: rgb.network, skeleton: skeleton.network, classes: CLASSES, fusion });
  const count = Math.min(rgb.maps.length, skeleton.maps.length);
  expect(net.fusion.length).toBe(fusion.stage ? count : 0);
  for (const [i, stage] of net.fusion.entries()) {
    const [r, s] = [rgb.maps.at(i - count), skeleton.maps.at(i - count)] as [Tensor, Tensor];
    const out = stage.forward(r, s, EVALUATION);
    expect([out.rgb.shape, out.skeleton.shape]).toEqual([r.shape, s.shape]);
  }
  const { logits } = net.head.forward({ rgb: rgb.end, skeleton: skeleton.end }, EVALUATION);
  expect(logits.shape).toEqual([1, CLASSES]);
  for (const part of [net.head, ...net.fusion]) part.dispose();
}

// A device that computes nothing is enough for shapes.
test('every fusion joins every two backbones', async () => {
  const device = await openDevice({ gpu: await nullGpu() });
  const given = inputs(device);
  const made = (makers: Readonly<Record<string, Make>>, x: Tensor) =>
    Object.values(makers).map((make) => alone(make(new Initialiser(device, 1)), x));
  const videos = [...made(RGB, given.rgb), ...made(IMAGES, input(device, IMAGE, 3))];
  expect(videos.map(({ maps }) => maps.length)).toEqual([3, 3, 3, 3, 3, 2, 3, 1]);
  const skeletons = made(SKELETONS, given.skeleton);
  for (const rgb of videos)
    for (const skeleton of skeletons)
      for (const fusion of Object.values(FUSIONS)) device.scope(() => join(rgb, skeleton, fusion()));
  await device.dispose();
});

test('taps of one’s own must be as many of each, and ascend', async () => {
  const device = await openDevice({ gpu: await nullGpu() });
  const [rgb, skeleton] = [RGB['R3D-18'], SKELETONS.HCN].map((make) =>
    (make as Make)(new Initialiser(device, 1)),
  );
  const join = (taps: Pair<readonly number[]>) =>
    twoStream({ rgb: rgb as Network, skeleton: skeleton as Network, classes: CLASSES, fusion: amr(), taps });
  expect(join({ rgb: [2], skeleton: [1] }).fusion).toHaveLength(1);
  const message = /as many ascending taps of both backbones; got stages/;
  expect(() => join({ rgb: [1, 2], skeleton: [1] })).toThrow(message);
  expect(() => join({ rgb: [2, 1], skeleton: [1, 2] })).toThrow(message);
  await device.dispose();
});

describe('on a device that computes', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openTestDevice({ poison: true });
  });
  afterAll(() => device.dispose());

  // The gradient of each network alone is a test of its own.
  test.each(Object.entries(FUSIONS))('%s: gradients of both inputs are finite', async (name, fusion) => {
    const net = twoStream({
      rgb: (RGB['inflated ResNet'] as Make)(new Initialiser(device, 1)),
      skeleton: (SKELETONS.HCN as Make)(new Initialiser(device, 1)),
      classes: CLASSES,
      fusion: fusion(),
    });
    const given = inputs(device);
    const slopes = grad(() => {
      const { logits, penalty } = outputOf(net, given, name === 'amr' ? 3 : 0);
      const loss = sum(square(logits));
      return penalty ? add(loss, sum(penalty)) : loss;
    }, [given.rgb, given.skeleton]);
    for (const slope of slopes) {
      const found = await values(slope);
      expect(found.every(Number.isFinite)).toBe(true);
      expect(found.some((value) => value !== 0)).toBe(true);
    }
  });

  test.each([
    ['R3D-18', 'HCN'],
    ['inflated ResNet', 'CTR-GCN'],
    ['TimeSformer', 'skeleton transformer'],
  ] as const)('AMR and FIM plugged into %s and %s change no logit, bit for bit', async (video, bones) => {
    const [rgb, skeleton] = [RGB[video], SKELETONS[bones]] as [Make, Make];
    const backbones = {
      rgb: rgb(new Initialiser(device, 5)),
      skeleton: skeleton(new Initialiser(device, 6)),
    };
    const given = inputs(device);
    const logits = (fusion: Fusion) =>
      bits(twoStream({ ...backbones, classes: CLASSES, fusion }).forward(given, EVALUATION).logits);
    const apart = await logits(late());
    expect(await logits(amr({ head: 'late' }))).toEqual(apart);
    expect(await logits(fim({ head: 'late' }))).toEqual(apart);
  });
});
