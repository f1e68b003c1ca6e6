import { afterAll, beforeAll, expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { DeviceError } from '../../src/errors.ts';
import { cast, mul } from '../../src/kernels/elementwise.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from '../../src/nn/conv-transpose.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import {
  Conv1d,
  Conv2d,
  Conv3d,
  Dropout,
  GraphConv,
  Linear,
  MultiHeadAttention,
  Sequential,
} from '../../src/nn/layers.ts';
import type { Layer } from '../../src/nn/module.ts';
import { BatchNorm, LayerNorm } from '../../src/nn/norms.ts';
import { MaxPool } from '../../src/nn/pooling.ts';
import { inTypeOf, toF32 } from '../../src/nn/precision.ts';
import { StructuredDropout } from '../../src/nn/structured-dropout.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { numbers, values } from './tools.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const ends = { in: 4, out: 6, bias: true };
const adjacency = Float32Array.from(numbers(18, 9));

type Make = (init: Initialiser) => Layer;
const LAYERS: Readonly<Record<string, readonly [readonly number[], Make]>> = {
  Linear: [[2, 3, 4], (init) => new Linear(init, ends)],
  Conv1d: [[2, 7, 4], (init) => new Conv1d(init, { ...ends, kernel: [3] })],
  Conv2d: [[2, 5, 5, 4], (init) => new Conv2d(init, { ...ends, kernel: [3, 3], groups: 2 })],
  Conv3d: [[2, 3, 4, 4, 4], (init) => new Conv3d(init, { ...ends, kernel: [3, 3, 3], stride: [1, 2, 2] })],
  ConvTranspose1d: [[2, 7, 4], (init) => new ConvTranspose1d(init, { ...ends, kernel: [3] })],
  ConvTranspose2d: [
    [2, 3, 3, 4],
    (init) => new ConvTranspose2d(init, { ...ends, kernel: [2, 2], stride: [2, 2] }),
  ],
  ConvTranspose3d: [[1, 2, 3, 3, 4], (init) => new ConvTranspose3d(init, { ...ends, kernel: [2, 2, 2] })],
  GraphConv: [[2, 3, 3, 4], (init) => new GraphConv(init, { ...ends, adjacency, joints: 3 })],
  MultiHeadAttention: [[2, 5, 8], (init) => new MultiHeadAttention(init, { width: 8, heads: 2 })],
  BatchNorm: [[8, 4], (init) => new BatchNorm(init, 4)],
  LayerNorm: [[8, 4], (init) => new LayerNorm(init, 4)],
  'pool and dropout': [
    [2, 4, 4, 4],
    (init) =>
      new Sequential(
        new MaxPool({ size: 2 }),
        new Conv2d(init, { ...ends, kernel: [1, 1] }),
        new Dropout(0.5, 1),
        new StructuredDropout('channel', 0.5, 2),
      ),
  ],
};

/** Largest difference, relative to the largest of `expected`; the bias of keys, say, has gradient 0. */
function error(found: readonly number[], expected: readonly number[]): number {
  const worst = Math.max(...found.map((value, i) => Math.abs(value - (expected[i] ?? Number.NaN))));
  return worst / Math.max(...expected.map(Math.abs), 0.1);
}

test.each(Object.entries(LAYERS))(
  '%s computes in the type of its input, with f32 weights',
  async (_, given) => {
    const [shape, make] = given;
    const layer = make(new Initialiser(device, 1));
    const size = shape.reduce((a, b) => a * b, 1);
    const mode = { training: true, seed: 3 };
    const run = async (dtype: 'f32' | 'f16') => {
      const x = cast(device.tensor(numbers(size, 5), shape), dtype);
      const y = layer.forward(x, mode);
      const cotangent = device.tensor(numbers(y.size, 6), y.shape);
      const loss = () => sum(mul(toF32(layer.forward(x, mode)), cotangent));
      const [slope, ...weights] = grad(loss, [x, ...layer.parameters()]);
      expect([y.dtype, slope?.dtype]).toEqual([dtype, dtype]);
      expect(weights.filter((weight) => weight.dtype !== 'f32')).toEqual([]);
      return Promise.all([y, slope, ...weights].map((tensor) => (tensor ? values(tensor) : [])));
    };
    if (!device.traits.f16) return expect(run('f16')).rejects.toThrow(DeviceError);
    const [narrow, wide] = [await run('f16'), await run('f32')];
    for (const [i, expected] of wide.entries()) expect(error(narrow[i] ?? [], expected)).toBeLessThan(1e-2);
  },
);

test('beside f32 a weight is itself: nothing is cast', () => {
  const [x, weight] = [device.tensor([1, 2]), device.tensor([3, 4])];
  expect(inTypeOf(x, weight)).toBe(weight);
  expect(inTypeOf(x, undefined)).toBeUndefined();
  expect(toF32(x)).toBe(x);
});
