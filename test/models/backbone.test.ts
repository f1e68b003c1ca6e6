import { afterAll, beforeAll, expect, test } from 'vitest';
import { mmtm } from '../../src/amr/mmtm.ts';
import { twoStream } from '../../src/amr/two-stream.ts';
import { SkeletonTransformer } from '../../src/models/skeleton-transformer.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { input } from './network.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

test('what a stage makes is freed at its end, but for its output', () => {
  const net = new SkeletonTransformer(new Initialiser(device, 1), { frames: 8, joints: 25 });
  const x = input(device, [4, 8, 25, 3], 1);
  device.scope(() => {
    const before = device.memory().live;
    const y = net.features(x, EVALUATION);
    const outputs = net.stages.length * y.bytes;
    expect(device.memory().live - before).toBeLessThan(1.1 * outputs);
  });
});

test('and between the taps of two streams', () => {
  const [rgb, skeleton] = [1, 2].map(
    (seed) => new SkeletonTransformer(new Initialiser(device, seed), { frames: 8, joints: 25 }),
  ) as [SkeletonTransformer, SkeletonTransformer];
  const net = twoStream({ rgb, skeleton, classes: 3, fusion: mmtm() });
  const [x, y] = [input(device, [4, 8, 25, 3], 1), input(device, [4, 8, 25, 3], 2)];
  device.scope(() => {
    const before = device.memory().live;
    net.forward({ rgb: x, skeleton: y }, EVALUATION);
    // A block makes over twenty times its output.
    const outputs = 2 * rgb.stages.length * rgb.features(x, EVALUATION).bytes;
    expect(device.memory().live - before).toBeLessThan(3 * outputs);
  });
});
