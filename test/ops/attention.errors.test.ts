import { afterAll, beforeAll, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { attention, attentionVariants } from '../../src/kernels/attention.ts';
import type { Device, Traits } from '../../src/tensor/device.ts';
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
  const wide = zeros([1, 1, 1, 132]);
  expect(() => attention(wide, wide, wide)).toThrow(/D must be in \[1, 128\]/);
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

test('registers come first on software adapters with subgroups', () => {
  const traits = { software: true, subgroups: true, subgroupMinSize: 4 } as Traits;
  expect(attentionVariants(64, traits)).toEqual(['quad', 'tile']);
  expect(attentionVariants(64, { ...traits, software: false })).toEqual(['tile', 'quad']);
  expect(attentionVariants(64, { ...traits, subgroups: false })).toEqual(['tile']);
  expect(attentionVariants(64, { ...traits, subgroupMinSize: 2 })).toEqual(['tile']);
  expect(attentionVariants(20, traits)).toEqual(['tile']);
  expect(attentionVariants(128, traits)).toEqual(['tile']);
});
