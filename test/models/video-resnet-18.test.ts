import { afterAll, beforeAll, expect, test } from 'vitest';
import { VideoResNet, type VideoResNetKind } from '../../src/models/video-resnet.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { atFullWidth, input, inputGradientHolds, isReproducible, learns, stageShapes } from './network.ts';
import { settle } from './settle.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const PUBLISHED = [
  ['r3d', 33_371_472],
  ['mc3', 11_695_440],
  ['r2plus1d', 31_505_325],
] as const;

test.each(PUBLISHED)('%s-18 has the %i parameters of torchvision at 400 classes', async (kind, expected) => {
  const { count } = await atFullWidth((init) => VideoResNet.published(init, kind, { classes: 400 }));
  expect(count).toBe(expected);
});

test.each([
  ['r3d', ['stem.0', 'layer1.0.conv1.0', 'layer2.0.downsample.0'], ['stem.1', 'layer4.1.conv2.1']],
  ['mc3', ['stem.0', 'layer1.1.conv2.0', 'layer4.0.downsample.0'], ['stem.1', 'layer2.0.conv1.1']],
  [
    'r2plus1d',
    ['stem.0', 'stem.3', 'layer1.0.conv1.0.0', 'layer1.0.conv1.0.3'],
    ['stem.1', 'stem.4', 'layer1.0.conv1.0.1', 'layer1.0.conv1.1', 'layer3.0.downsample.1'],
  ],
] as const)('%s: children have the names of torchvision', async (kind, convolutions, norms) => {
  const { names } = await atFullWidth((init) => VideoResNet.published(init, kind, { classes: 4, width: 4 }));
  const of = (module: string) =>
    names.filter((name) => name.startsWith(`${module}.`) && !/\d/.test(name.slice(module.length))).length;
  expect(convolutions.map(of)).toEqual(convolutions.map(() => 1));
  expect(norms.map(of)).toEqual(norms.map(() => 4));
  expect([of('fc'), of('layer1.0.downsample.0')]).toEqual([2, 0]);
});

const tiny = (kind: VideoResNetKind, seed = 1) => {
  const made = VideoResNet.published(new Initialiser(device, seed), kind, { classes: 3, width: 3 });
  settle(made, 20);
  return made;
};

test.each([
  ['r3d', [5, 3, 2, 1]],
  ['mc3', [5, 5, 5, 5]],
  ['r2plus1d', [5, 3, 2, 1]],
] as const)('%s: no pool in the stem, then half of space and time (mc3: space only)', (kind, frames) => {
  const shapes = stageShapes(tiny(kind), input(device, [1, 5, 32, 16, 3], 1));
  const size = [
    [16, 8],
    [8, 4],
    [4, 2],
    [2, 1],
  ];
  expect(shapes).toEqual(size.map((space, i) => [1, frames[i], ...space, 3 * 2 ** i]));
});

test('the published size, 16×112²: 16×56² → 8×28² → 4×14² → 2×7²', () => {
  const shapes = stageShapes(tiny('r3d'), input(device, [1, 16, 112, 112, 3], 1));
  expect(shapes.map((shape) => shape.slice(1, 4))).toEqual([
    [16, 56, 56],
    [8, 28, 28],
    [4, 14, 14],
    [2, 7, 7],
  ]);
});

test.each(PUBLISHED)('%s-18 learns, and its input gradient is the difference quotient', async (kind) => {
  const x = input(device, [4, 3, 16, 16, 3], 2);
  await inputGradientHolds(tiny(kind), x, { probes: 4 });
  await learns(tiny(kind), x);
  await isReproducible((seed) => tiny(kind, seed), x);
});
