import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { ShapeError } from '../../src/errors.ts';
import {
  abs,
  add,
  clamp,
  div,
  equal,
  maximum,
  mul,
  neg,
  pow,
  relu,
  sqrt,
  where,
} from '../../src/kernels/elementwise.ts';
import {
  broadcastVariants,
  collapse,
  elementwiseVariants,
  oneElement,
} from '../../src/kernels/elementwise-broadcast.ts';
import { full, ones, onesLike, zeros, zerosLike } from '../../src/kernels/fill.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
let floats: Tensor;
let ints: Tensor;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  floats = device.tensor([1, 2, 3, 4, 5, 6], [2, 3]);
  ints = device.tensor(Int32Array.of(1, 2, 3));
});
afterAll(() => device.dispose());

function message(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof ShapeError) return error.message;
    throw error;
  }
  return 'no error';
}

describe('elementwise errors', () => {
  test('shapes that do not broadcast', () => {
    const other = device.tensor([1, 2], [2]);
    expect(message(() => add(floats, other))).toBe(
      'add: shapes [2, 3] and [2] do not broadcast (3 against 2)',
    );
    const mask = device.tensor(Uint32Array.of(1, 0));
    expect(message(() => where(mask, floats, 0))).toMatch(/^where: shapes \[2\] and \[2, 3\]/);
  });

  test('element types', () => {
    expect(message(() => mul(floats, ints))).toMatch(
      /^mul: element types must agree; got Tensor\(f32 \[2, 3\]\)/,
    );
    expect(message(() => div(ints, 2))).toMatch(
      /^div: only f32 and f16 have this op; got Tensor\(i32 \[3\]\) and 2/,
    );
    expect(message(() => relu(ints))).toBe('relu: x must be f32 or f16; got Tensor(i32 [3])');
    expect(message(() => where(floats, floats, 0))).toMatch(/^where: condition must be u32; got Tensor\(f32/);
  });

  test('numbers an integer type cannot hold', () => {
    expect(message(() => add(ints, 1.5))).toBe('add: 1.5 is no i32 number');
    expect(message(() => neg(device.tensor(Uint32Array.of(1))))).toBe('neg: -1 is no u32 number');
    expect(message(() => full(device, [2], -1, 'u32'))).toBe('full: -1 is no u32 number');
  });

  test('two numbers, bad limits, bad shapes', () => {
    expect(message(() => maximum(1, 2))).toBe('maximum: needs at least one tensor');
    expect(message(() => clamp(floats, 2, 1))).toBe('clamp: low must not be above high; got 2 and 1');
    expect(message(() => zeros(device, [-1]))).toMatch(/^full: dimensions must be non-negative/);
  });

  test('more than six axes after collapsing', () => {
    const a = ones(device, [2, 1, 2, 1, 2, 1, 2]);
    const b = ones(device, [1, 2, 1, 2, 1, 2, 1]);
    expect(message(() => equal(a, b))).toMatch(/^equal: broadcasting .* takes 7 axes; at most 6/);
  });
});

describe('collapsing', () => {
  test('merges what every operand walks alike', () => {
    const loops = collapse('add', [8, 56, 56, 64], [[8, 56, 56, 64], [64]]);
    expect(loops).toEqual({
      sizes: [64, 25088],
      strides: [
        [1, 64],
        [1, 0],
      ],
    });
    expect(collapse('add', [2, 3, 5], [[2, 3, 5], []])).toEqual({ sizes: [30], strides: [[1], [0]] });
  });

  test('offers vectors where the innermost axis allows', () => {
    expect(broadcastVariants({ sizes: [7], strides: [[1]] })).toEqual(['vectors', 'scalars']);
    expect(broadcastVariants({ sizes: [8, 3], strides: [[1, 8]] })).toEqual(['vectors', 'scalars']);
    expect(broadcastVariants({ sizes: [6, 3], strides: [[1, 6]] })).toEqual(['scalars']);
  });

  test('offers the flat kernel where nothing is repeated but numbers', () => {
    const dense = { sizes: [7], strides: [[1], [1]] };
    const scalar = { sizes: [7], strides: [[1], [0]] };
    expect(elementwiseVariants(dense)).toEqual(['flat', 'vectors', 'scalars']);
    expect(elementwiseVariants(scalar)).toEqual(['flat', 'vectors', 'scalars']);
    expect([oneElement(dense, 0), oneElement(scalar, 0), oneElement(scalar, 2)]).toEqual([0, 2, 0]);
    expect(oneElement(collapse('add', [1], [[1], []]), 0)).toBe(0);
  });
});

describe('fills', () => {
  test('of every element type', async () => {
    expect([...(await full(device, [2, 3], 2.5).read())]).toEqual([2.5, 2.5, 2.5, 2.5, 2.5, 2.5]);
    expect([...(await full(device, [3], -7, 'i32').read())]).toEqual([-7, -7, -7]);
    expect([...(await ones(device, [5], 'u32').read())]).toEqual([1, 1, 1, 1, 1]);
    expect([...(await zerosLike(ints).read())]).toEqual([0, 0, 0]);
    expect([...(await onesLike(floats).read())]).toEqual([1, 1, 1, 1, 1, 1]);
    expect(zerosLike(ints).dtype).toBe('i32');
    expect((await zeros(device, [0, 3]).read()).length).toBe(0);
  });
});

describe('gradients at special points', () => {
  const gradientAt = async (value: number, op: (x: Tensor) => Tensor) => {
    const x = device.tensor([value]);
    const [g] = grad(() => sum(op(x)), [x]);
    return g?.item();
  };

  test('are the documented ones', async () => {
    expect(await gradientAt(0, relu)).toBe(0);
    expect(await gradientAt(0, abs)).toBe(0);
    expect(await gradientAt(0, sqrt)).toBe(Number.POSITIVE_INFINITY);
    expect(await gradientAt(1, (x) => clamp(x, 1, 2))).toBe(1);
    expect(await gradientAt(2, (x) => clamp(x, 1, 2))).toBe(1);
    expect(await gradientAt(1, (x) => maximum(x, 1))).toBe(0.5);
    expect(await gradientAt(0, (x) => pow(x, 2))).toBe(0);
    expect(await gradientAt(0, (x) => pow(x, 1))).toBe(1);
    expect(await gradientAt(0, (x) => pow(x, 0))).toBe(0);
    expect(await gradientAt(0, (x) => pow(x, 0.5))).toBe(Number.POSITIVE_INFINITY);
    expect(await gradientAt(2, (x) => pow(0, x))).toBe(0);
    const zero = device.tensor([0]);
    expect(await gradientAt(0, (x) => pow(x, zero))).toBe(0);
    expect(await gradientAt(2, (x) => pow(zero, x))).toBe(0);
  });

  test('do not leak NaN through where', async () => {
    const mask = device.tensor(Uint32Array.of(0));
    expect(await gradientAt(-1, (x) => where(mask, sqrt(x), 1))).toBeNaN();
    expect(await gradientAt(Number.NaN, (x) => where(mask, x, 1))).toBe(0);
  });
});
