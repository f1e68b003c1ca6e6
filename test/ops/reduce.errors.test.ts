import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ones } from '../../src/kernels/fill.ts';
import { argmax, logSumExp, max, mean, sum, sumTo, variance } from '../../src/kernels/reduce.ts';
import { chunksOf, collapseReduction, reduceVariants } from '../../src/kernels/reduce-pass.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
let x: Tensor;
beforeAll(async () => {
  device = await openTestDevice();
  x = device.tensor([1, 2, 3, 4, 5, 6], [2, 3]);
});
afterAll(() => device.dispose());

describe('reduction errors', () => {
  test('axes', () => {
    expect(() => sum(x, { axes: 2 })).toThrow('sum: axis must be in [-2, 1] for rank 2; got 2');
    expect(() => max(x, { axes: [0, -2] })).toThrow('max: an axis is named twice');
    expect(() => mean(x, { axes: 0.5 })).toThrow('mean: axis must be in');
  });

  test('element types', () => {
    const ints = device.tensor(Int32Array.of(1, 2));
    for (const op of [sum, mean, max, argmax, logSumExp, variance])
      expect(() => op(ints)).toThrow('x must be f32');
  });

  test('nothing to find', () => {
    expect(() => argmax(device.tensor([], [2, 0]), { axes: 1 })).toThrow(
      'argmax: there is no element to find',
    );
  });

  test('axes that alternate too often', () => {
    const deep = ones(device, [2, 2, 2, 2, 2, 2, 2, 2]);
    expect(() => sum(deep, { axes: [0, 2, 4, 6] })).toThrow(
      'sum: axes [0, 2, 4, 6] of [2, 2, 2, 2, 2, 2, 2, 2]',
    );
  });

  test('sumTo', () => {
    expect(() => sumTo(x, [2])).toThrow('sumTo: shapes [2] and [2, 3] do not broadcast');
    expect(() => sumTo(x, [4, 2, 3])).toThrow('sumTo: [4, 2, 3] does not broadcast to [2, 3]');
    expect(sumTo(x, [2, 3])).toBe(x);
  });
});

describe('reduction plans', () => {
  const variants = (shape: number[], axes: number[], software = false, subgroups = false) =>
    reduceVariants(collapseReduction('sum', shape, axes), { software, subgroups });

  test('choose vectors along rows or columns where addresses allow', () => {
    expect(variants([100001], [0])).toEqual(['rows', 'general']);
    expect(variants([8, 64], [1])).toEqual(['rows', 'general']);
    expect(variants([8, 63], [1])).toEqual(['general']);
    expect(variants([8, 56, 56, 64], [0, 1, 2])).toEqual(['columns', 'wide', 'general']);
    expect(variants([8, 56, 56, 64], [0, 1, 2], true)).toEqual(['wide', 'columns', 'general']);
    expect(variants([8, 12], [0], true)).toEqual(['columns', 'general']);
    expect(variants([8, 5], [0])).toEqual(['general']);
    expect(variants([2, 3, 4, 5], [0, 2])).toEqual(['general']);
  });

  test('give a chunk to a subgroup where rows are dense, on a GPU first of all', () => {
    expect(variants([100001], [0], false, true)).toEqual(['subgroup', 'rows', 'general']);
    expect(variants([1_000_000, 4], [1], false, true)).toEqual(['rows', 'general', 'subgroup']);
    expect(variants([4, 8, 64], [2], true, true)).toEqual(['rows', 'general', 'subgroup']);
    expect(variants([4, 8, 64], [0, 2], false, true)).toEqual(['rows', 'general']);
    expect(variants([8, 63], [1], false, true)).toEqual(['general']);
  });

  test('merge axes that are adjacent', () => {
    const { kept, reduced } = collapseReduction('sum', [2, 3, 1, 4, 5], [0, 1, 4]);
    expect(kept).toEqual([{ size: 4, stride: 5 }]);
    expect(reduced).toEqual([
      { size: 5, stride: 1 },
      { size: 6, stride: 20 },
    ]);
  });

  test('split long reductions only', () => {
    expect(chunksOf(1, 10_000_000, { software: true })).toBe(4096);
    expect(chunksOf(100_000, 1000, { software: true })).toBe(1);
    expect(chunksOf(1, 16, { software: false })).toBe(1);
    expect(chunksOf(1, 100, { software: false }) % 4).toBe(0);
  });
});
