import { afterAll, beforeAll, expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { ShapeError } from '../../src/errors.ts';
import { attention, attentionVariants } from '../../src/kernels/attention.ts';
import { stripsOf } from '../../src/kernels/attention-strips.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const zeros = (shape: number[]) => device.tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);

test('rejects shapes that do not fit', () => {
  const q = zeros([2, 3, 2, 4]);
  const k = zeros([2, 5, 2, 4]);
  expect(() => attention(q, k, zeros([2, 4, 2, 4]))).toThrow(
    'attention: k and v must be [2, Lk, 2, 4] for q [2, 3, 2, 4]; got [2, 5, 2, 4] and [2, 4, 2, 4]',
  );
  expect(() => attention(q, zeros([1, 5, 2, 4]), zeros([1, 5, 2, 4]))).toThrow(ShapeError);
  expect(() => attention(q, zeros([2, 5, 2]), k)).toThrow(/k must be \[B, L, H, D\]; got \[2, 5, 2\]/);
  expect(() => attention(device.tensor(new Int32Array(4), [1, 1, 1, 4]), k, k)).toThrow(/q must be f32/);
  const empty = zeros([1, 1, 1, 0]);
  expect(() => attention(empty, empty, empty)).toThrow(/D must be at least 1; got \[1, 1, 1, 0\]/);
});

test('rejects masks that do not fit', () => {
  const q = zeros([2, 3, 2, 4]);
  const k = zeros([2, 5, 2, 4]);
  for (const shape of [
    [5, 3],
    [3, 3, 5],
    [3, 1, 3, 5],
    [2, 3, 3, 5],
  ])
    expect(() => attention(q, k, k, { mask: zeros(shape) })).toThrow(
      /mask must be \[3, 5\] or \[1 or 2, 1 or 2, 3, 5\]/,
    );
  const integers = device.tensor(new Int32Array(15), [3, 5]);
  expect(() => attention(q, k, k, { mask: integers })).toThrow(/mask must be f32/);
});

test('products of matrices come first on software adapters, and are all there is for wide heads', () => {
  expect(attentionVariants(64, { software: true })).toEqual(['strips', 'tile']);
  expect(attentionVariants(64, { software: false })).toEqual(['tile', 'strips']);
  for (const software of [true, false]) expect(attentionVariants(129, { software })).toEqual(['strips']);
});

test('strips hold a bounded number of rows, all of them once, and the keys they can see', () => {
  expect(stripsOf([2, 300, 8], 1000, false)).toEqual([
    { from: 0, to: 128, keys: 1000 },
    { from: 128, to: 256, keys: 1000 },
    { from: 256, to: 300, keys: 1000 },
  ]);
  expect(stripsOf([2, 256, 8], 256, false)).toEqual([{ from: 0, to: 256, keys: 256 }]);
  expect(stripsOf([2, 300, 8], 256, false).map(({ to }) => to)).toEqual([256, 300]);
  expect(stripsOf([1, 200, 1], 150, true)).toEqual([
    { from: 0, to: 128, keys: 128 },
    { from: 128, to: 200, keys: 150 },
  ]);
  expect(stripsOf([8, 64, 64], 512, false).map(({ to }) => to)).toEqual([16, 32, 48, 64]);
  expect(stripsOf([1, 0, 1], 5, false)).toEqual([]);
});

test.each(['strips', 'tile'])('%s: memory grows with the length, not with its square', (variant) => {
  const peakOf = (length: number) => {
    device.variants.forced.set('attention', variant);
    const x = device.tensor(new Float32Array(4 * length), [1, length, 1, 4]);
    const attended = () => sum(attention(x, x, x, { causal: true }));
    const before = device.memory().live;
    device.pool.memory.peak = before;
    for (const tensor of grad(attended, [x])) tensor.dispose();
    x.dispose();
    device.variants.forced.clear();
    return device.memory().peak - before;
  };
  expect(peakOf(4096)).toBeLessThan(4.5 * peakOf(1024));
});
