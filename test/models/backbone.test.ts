import { afterAll, beforeAll, expect, test } from 'vitest';
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
