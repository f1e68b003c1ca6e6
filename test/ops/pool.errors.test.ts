import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { ShapeError } from '../../src/errors.ts';
import {
  avgPool1d,
  globalAvgPool,
  globalMaxPool,
  maxPool2d,
  maxPool3d,
  poolVariants,
} from '../../src/kernels/pool.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
let x: Tensor;
beforeAll(async () => {
  device = await openTestDevice();
  x = device.tensor(new Float32Array(32), [1, 4, 4, 2]);
});
afterAll(() => device.dispose());

const bad: readonly [string, (x: Tensor) => Tensor, RegExp][] = [
  [
    'another rank',
    (x) => maxPool3d(x, { size: 2 }),
    /maxPool3d: x must be \[N, D, H, W, C\]; got \[1, 4, 4, 2\]/,
  ],
  ['integers', () => avgPool1d(device.tensor(new Int32Array(4), [1, 4, 1]), { size: 2 }), /x must be f32/],
  ['a window that is too large', (x) => maxPool2d(x, { size: [2, 5] }), /a window of 5 does not fit/],
  [
    'too much padding',
    (x) => maxPool2d(x, { size: 3, padding: 2 }),
    /at most half the size; got 2 for size 3/,
  ],
  ['a stride of 0', (x) => maxPool2d(x, { size: 2, stride: 0 }), /stride must be 2 integers ≥ 1/],
  ['three sizes', (x) => maxPool2d(x, { size: [2, 2, 2] }), /size must be 2 integers/],
  [
    'global pooling without positions',
    () => globalAvgPool(device.tensor([1, 2], [1, 2])),
    /must be \[N, …, C\]/,
  ],
  [
    'an empty axis, padded or not',
    () => maxPool2d(device.tensor([], [1, 4, 0, 2]), { size: 2, padding: 1 }),
    /maxPool2d: a spatial axis of x must not be empty; got \[1, 4, 0, 2\]/,
  ],
  [
    'an empty axis to average',
    () => avgPool1d(device.tensor([], [1, 0, 4]), { size: 2, padding: 1 }),
    /must not be empty/,
  ],
  ['global maximum of nothing', () => globalMaxPool(device.tensor([], [1, 0, 2])), /no positions/],
];

describe('pooling refuses', () => {
  test.each(bad)('%s', (_, call, message) => {
    expect(() => call(x)).toThrow(ShapeError);
    expect(() => call(x)).toThrow(message);
  });
});

test('of equal elements the first gets the gradient', async () => {
  const flat = device.tensor(new Float32Array(18).fill(1), [1, 3, 3, 2]);
  const [g] = grad(() => sum(maxPool2d(flat, { size: 2, stride: 1 })), [flat]);
  const firsts = [1, 1, 0, 1, 1, 0, 0, 0, 0];
  expect([...(await (g as Tensor).read())]).toEqual(firsts.flatMap((v) => [v, v]));
});

test('four channels at a time where they divide', () => {
  expect(poolVariants(64)).toEqual(['vectors', 'scalars']);
  expect(poolVariants(3)).toEqual(['scalars']);
});
