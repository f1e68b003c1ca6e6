import { afterAll, beforeAll, expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { ShapeError } from '../../src/errors.ts';
import { chunksOf } from '../../src/kernels/channel-sums.ts';
import { add, mul } from '../../src/kernels/elementwise.ts';
import { normVariants } from '../../src/kernels/group-norm.ts';
import { batchNorm, batchNormInference, groupNorm, layerNorm } from '../../src/kernels/norm.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device, Traits } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const zeros = (shape: number[]) => device.tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);

test('batchNorm rejects wrong channels, nothing to average, and integers', () => {
  const c = zeros([4]);
  expect(() => batchNorm(zeros([2, 4]), zeros([3]), c)).toThrow(
    'batchNorm: gamma must be [4] for x [2, 4]; got [3]',
  );
  expect(() => batchNorm(zeros([2, 4]), c, zeros([4, 1]))).toThrow(/beta must be \[4\]/);
  expect(() => batchNorm(zeros([0, 4]), c, c)).toThrow(/at least one element per channel/);
  expect(() => batchNorm(zeros([]), c, c)).toThrow(ShapeError);
  expect(() => batchNorm(device.tensor(new Int32Array(4)), c, c)).toThrow(/x must be f32/);
  expect(() => batchNormInference(zeros([2, 4]), c, zeros([2]), c, c)).toThrow(
    /batchNormInference: variance must be \[4\]/,
  );
});

test('layerNorm and groupNorm reject wrong channels and groups', () => {
  expect(() => layerNorm(zeros([2, 4]), zeros([2]))).toThrow(
    'layerNorm: gamma must be [4] for x [2, 4]; got [2]',
  );
  expect(() => layerNorm(zeros([2, 4]), undefined, device.tensor(new Int32Array(4)))).toThrow(ShapeError);
  const options = { groups: 3 };
  expect(() => groupNorm(zeros([2, 4]), undefined, undefined, options)).toThrow(
    'groupNorm: groups must divide the channels of x [2, 4]; got 3',
  );
  expect(() => groupNorm(zeros([4]), undefined, undefined, { groups: 1 })).toThrow(/\[N, ..., C\]/);
  expect(() => groupNorm(zeros([2, 4]), zeros([2]), undefined, { groups: 2 })).toThrow(/gamma must be \[4\]/);
});

test('rows are split into chunks that cover them', () => {
  for (const software of [true, false]) {
    for (const [rows, channels] of [
      [1, 1],
      [1000, 8],
      [100_000, 64],
    ] as const) {
      const { chunkRows, chunks } = chunksOf(rows, channels, { software } as Traits);
      expect(chunkRows * chunks).toBeGreaterThanOrEqual(rows);
      expect(chunkRows * (chunks - 1)).toBeLessThan(rows);
    }
  }
});

test('a row may be its own gamma and beta', async () => {
  const [x, copy] = [device.tensor([1, 2, 3, 5]), device.tensor([1, 2, 3, 5])];
  const apart = layerNorm(x, copy, copy);
  expect(await layerNorm(x, x, x).read()).toEqual(await apart.read());
  const weights = device.tensor([1, -1, 2, 3]);
  const loss = (gamma: Tensor) => sum(mul(layerNorm(x, gamma), weights));
  const parts = grad(() => loss(copy), [x, copy]) as [Tensor, Tensor];
  const [whole] = grad(() => loss(x), [x]);
  expect(await whole?.read()).toEqual(await add(...parts).read());
});

test('pairs rows where an adapter without a GPU has many of them, in vectors', () => {
  const software = { software: true } as Traits;
  const rows = { samples: 4096, spatial: 1, groups: 1, width: 1024 };
  expect(normVariants(rows, software)[0]).toBe('pair');
  expect(normVariants(rows, { software: false } as Traits)).toEqual(['workgroup', 'thread', 'pair']);
  expect(normVariants({ ...rows, samples: 8 }, software)).toContain('pair');
  expect(normVariants({ ...rows, width: 1023 }, software)).not.toContain('pair');
  expect(normVariants({ ...rows, groups: 2 }, software)).not.toContain('pair');
  const gpu = { software: false, subgroups: true } as Traits;
  expect(normVariants(rows, gpu)).toEqual(['subgroup', 'workgroup', 'thread', 'pair']);
  expect(normVariants({ ...rows, spatial: 2 }, gpu)).not.toContain('subgroup');
});

test('the gradient of huge and of tiny numbers is the same by every kernel', async () => {
  const rows = (scale: number) =>
    Array.from({ length: 64 }, () => [1, -1, 2, 0].map((v) => v * scale)).flat();
  const weights = device.tensor(
    Array.from({ length: 256 }, (_, i) => Number(i % 4 === 0)),
    [64, 4],
  );
  const gradients = async (scale: number, variant: string) => {
    device.variants.forced.set('groupNorm', variant);
    const x = device.tensor(rows(scale), [64, 4]);
    const [dx] = grad(() => sum(mul(layerNorm(x, undefined, undefined, { epsilon: 1e-35 }), weights)), [x]);
    device.variants.forced.clear();
    return [...(await (dx as Tensor).read())].slice(0, 4).map((v) => v * scale);
  };
  for (const scale of [1e16, 1, 1e-13]) {
    const expected = await gradients(scale, 'thread');
    expect(expected[0]).toBeGreaterThan(0.1);
    for (const variant of ['pair', 'workgroup', 'subgroup']) {
      const found = await gradients(scale, variant);
      for (const [i, value] of found.entries())
        expect(value, `${variant} ${scale}`).toBeCloseTo(expected[i] ?? 0, 4);
    }
  }
});
