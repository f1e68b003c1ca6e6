import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatScaling, measureScaling } from '../../bench/scaling.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const quick = { size: 'tiny', rounds: 1, roundTime: 0.01, batches: [2, 4], steps: [1, 3] } as const;

test('training steps by batch and PGD by steps, and nothing stays alive', async () => {
  await device.idle();
  const { live } = device.memory();
  const lines = await measureScaling(device, 'st-gcn', quick);
  expect(device.memory().live).toBe(live);
  expect(lines.map(({ axis, value }) => `${axis} ${value}`)).toEqual([
    'batch 2',
    'batch 4',
    'gradient 1',
    'steps 1',
    'steps 3',
  ]);
  const [, , , one, three] = lines.map(({ measured }) => measured.dispatches);
  // A step is one replay of forward pass, gradient and ascent; start and end of an attack are the same for any number.
  expect((three ?? 0) - (one ?? 0)).toBeGreaterThan(0);
  expect(((three ?? 0) - (one ?? 0)) % 2).toBe(0);
  for (const { relative, value, each, measured } of lines) {
    expect(relative).toBeGreaterThan(0);
    expect(each).toBeCloseTo(measured.wall.median / value, 9);
  }
  expect(lines[2]?.relative).toBe(1);
  expect(lines[4]?.relative).toBeCloseTo((lines[4]?.each ?? 0) / (lines[2]?.each ?? 0), 9);
  expect(formatScaling(lines)).toMatch(/input gradient, captured.*PGD-3/s);
});

test('a network of another name is refused', async () => {
  await expect(measureScaling(device, 'vgg', quick)).rejects.toThrow(/'vgg' is no network/);
});
