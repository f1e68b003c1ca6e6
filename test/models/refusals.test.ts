import { afterAll, beforeAll, expect, test } from 'vitest';
import { SingleStreamNetwork } from '../../src/amr/action-network.ts';
import { amr } from '../../src/amr/amr.ts';
import { late } from '../../src/amr/heads.ts';
import { NetworkStream } from '../../src/amr/network-stream.ts';
import { twoStream } from '../../src/amr/two-stream.ts';
import { ShapeError } from '../../src/errors.ts';
import { CtrGcn } from '../../src/models/ctr-gcn.ts';
import { Hcn } from '../../src/models/hcn.ts';
import { ResNet } from '../../src/models/resnet.ts';
import { StGcn18 } from '../../src/models/st-gcn-18.ts';
import { TimeSformer } from '../../src/models/timesformer.ts';
import { VideoResNet } from '../../src/models/video-resnet.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import { nullGpu } from '../../src/node/gpu.ts';
import { type Device, openDevice } from '../../src/tensor/device.ts';
import { input } from './network.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice({ gpu: await nullGpu() });
});
afterAll(() => device.dispose());

const init = () => new Initialiser(device, 1);
/** What the types forbid. */
const untyped = (value: unknown) => value as never;
const image = (classes?: number) => new ResNet(init(), { width: 2, ...(classes && { classes }) });
const motion = (classes?: number) =>
  new Hcn(init(), { width: 4, joints: 4, frames: 16, ...(classes && { classes }) });
const inputs = () => ({ rgb: input(device, [1, 32, 32, 3], 1), skeleton: input(device, [1, 16, 4, 3], 1) });

test.each<[string, () => unknown, string]>([
  ['depth', () => new ResNet(init(), { depth: untyped(19) }), 'ResNet: depth must be 18, 34, 50; got 19'],
  ['width', () => new ResNet(init(), { width: 0 }), 'ResNet: width must be a multiple of 1, above 0; got 0'],
  ['odd width', () => new Hcn(init(), { width: 3 }), 'Hcn: width must be a multiple of 2, above 0; got 3'],
  ['no width', () => new StGcn18(init(), { width: Number.NaN }), 'StGcn18: width must be a multiple of 1'],
  ['width of branches', () => new CtrGcn(init(), { width: 6 }), 'CtrGcn: width must be a multiple of 4'],
  [
    'partition',
    () => new StGcn18(init(), { partition: untyped('x') }),
    'skeletonPartition: strategy must be',
  ],
  [
    'kind',
    () => VideoResNet.published(init(), untyped('x3d'), { width: 2 }),
    'VideoResNet: kind must be r3d, mc3, r2plus1d; got x3d',
  ],
  ['width of clips', () => VideoResNet.published(init(), 'r3d', { width: 0 }), 'VideoResNet: width must be'],
  ['size', () => new TimeSformer(init(), { size: untyped('huge') }), 'TimeSformer: size must be'],
  ['stage', () => image().features(inputs().rgb, EVALUATION, 9), 'features: there are stages 0 … 3; got 9'],
  [
    'classes',
    () => twoStream({ rgb: image(), skeleton: motion(), classes: 0 }),
    'TwoStreamNetwork: classes must be a count; got 0',
  ],
  [
    'one backbone twice',
    () => {
      const both = image();
      return twoStream({ rgb: both, skeleton: both, classes: 3 });
    },
    'TwoStreamNetwork: needs two backbones; got the same one twice',
  ],
  [
    'heads',
    () => twoStream({ rgb: image(), skeleton: motion(), classes: 3, fusion: amr({ heads: 0 }) }),
    'AMR: heads must be a count; got 0',
  ],
  [
    'a fusion that was not called',
    () => twoStream({ rgb: image(), skeleton: motion(), classes: 3, fusion: untyped(amr) }),
    'TwoStreamNetwork: needs a fusion such as amr(); got Function',
  ],
  [
    'the name of a fusion',
    () => twoStream({ rgb: image(), skeleton: motion(), classes: 3, fusion: untyped('amr') }),
    'TwoStreamNetwork: needs a fusion such as amr(); got the text "amr"',
  ],
  [
    'a slip in the name of a backbone',
    () => twoStream(untyped({ rgb: image(), skelton: motion(), classes: 3 })),
    "twoStream: options have no 'skelton'; 'skeleton' is meant",
  ],
  [
    'one backbone',
    () => twoStream(untyped({ rgb: image(), classes: 3 })),
    'TwoStreamNetwork: needs skeleton, a backbone; got undefined',
  ],
  [
    'no backbone',
    () => twoStream(untyped({ classes: 3 })),
    'twoStream: needs rgb, a backbone; got undefined',
  ],
  [
    'a modality that is none',
    () => new NetworkStream(untyped('rbg'), image(2)),
    "NetworkStream: needs 'rgb' or 'skeleton'; got the text \"rbg\"",
  ],
  ['no network', () => new NetworkStream('rgb', untyped(3)), 'NetworkStream: needs a network; got 3'],
  [
    'a stream of no modality',
    () => new SingleStreamNetwork(init(), untyped('depth'), image(), { classes: 2 }),
    "SingleStreamNetwork: needs 'rgb' or 'skeleton'",
  ],
  [
    'backbones of other classes',
    () =>
      twoStream({ rgb: image(5), skeleton: motion(3), classes: 3, fusion: late() }).forward(
        inputs(),
        EVALUATION,
      ),
    'late: the rgb backbone has 5 classes of 3',
  ],
])('a network refuses: %s', (_, make, message) => {
  expect(make).toThrow(message);
  expect(make).toThrow(ShapeError);
});
