import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { grad, stopGradient } from '../../src/autograd/grad.ts';
import { DisposedError, KernelError, ShapeError } from '../../src/errors.ts';
import { mul } from '../../src/kernels/elementwise.ts';
import { reshape } from '../../src/kernels/layout.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { adamwUpdate, emaUpdate, sgdUpdate } from '../../src/kernels/update.ts';
import type { Device } from '../../src/tensor/device.ts';
import { POISON } from '../../src/tensor/pool.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { random } from './nd.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const SIZES = [1, 3, 64, 1001];
const STEPS = 6;

function numbers(size: number, seed: number): Float64Array {
  const next = random(seed);
  return Float64Array.from({ length: size }, () => Math.fround(next() * 2 - 1));
}

function upload(data: Float64Array): Tensor {
  return device.tensor(Float32Array.from(data));
}

async function expectClose(tensor: Tensor, expected: Float64Array): Promise<void> {
  const got = await tensor.read();
  const worst = expected.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - (got[i] ?? Number.NaN))),
    0,
  );
  expect(worst).toBeLessThan(2e-6);
  const { buffer } = tensor.storage('guard');
  const words = new Uint32Array(await device.queue.read(buffer, buffer.bytes));
  expect(words.subarray(Math.ceil(tensor.size / 4) * 4).every((word) => word === POISON)).toBe(true);
}

const sgdOptions = [
  { learningRate: 0.1 },
  { learningRate: 0.1, weightDecay: 0.05 },
  { learningRate: 0.1, momentum: 0.9, weightDecay: 0.05 },
  { learningRate: 0.1, momentum: 0.9, weightDecay: 0.05, nesterov: true },
];

describe.each(sgdOptions)('sgdUpdate %o', (options) => {
  test.each(SIZES)('%i elements', async (size) => {
    const {
      learningRate,
      momentum = 0,
      weightDecay = 0,
      nesterov = false,
    } = options as Required<(typeof sgdOptions)[3]>;
    const [p, v] = [numbers(size, 1), new Float64Array(size)];
    const param = upload(p);
    const velocity = momentum > 0 ? upload(v) : undefined;
    for (let step = 0; step < STEPS; step++) {
      const g = numbers(size, 10 + step);
      sgdUpdate(param, upload(g), velocity, options);
      for (let i = 0; i < size; i++) {
        const d = (g[i] ?? 0) + weightDecay * (p[i] ?? 0);
        v[i] = momentum * (v[i] ?? 0) + d;
        p[i] = (p[i] ?? 0) - learningRate * (nesterov ? d + momentum * (v[i] ?? 0) : (v[i] ?? 0));
      }
    }
    await expectClose(param, p);
    if (velocity) await expectClose(velocity, v);
  });
});

describe.each([
  { learningRate: 0.01, weightDecay: 0 },
  { learningRate: 0.05, weightDecay: 0.1, beta1: 0.8, beta2: 0.95, epsilon: 1e-6 },
  { learningRate: 0.001 },
])('adamwUpdate %o', (options) => {
  test.each(SIZES)('%i elements', async (size) => {
    const { learningRate: rate, weightDecay = 0.01, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
    const [p, m, v] = [numbers(size, 2), new Float64Array(size), new Float64Array(size)];
    const tensors = [p, m, v].map(upload) as [Tensor, Tensor, Tensor];
    for (let step = 1; step <= STEPS; step++) {
      const g = numbers(size, 20 + step);
      adamwUpdate(tensors[0], upload(g), tensors[1], tensors[2], { ...options, step });
      for (let i = 0; i < size; i++) {
        m[i] = beta1 * (m[i] ?? 0) + (1 - beta1) * (g[i] ?? 0);
        v[i] = beta2 * (v[i] ?? 0) + (1 - beta2) * (g[i] ?? 0) ** 2;
        const mean = (m[i] ?? 0) / (1 - beta1 ** step);
        const root = Math.sqrt((v[i] ?? 0) / (1 - beta2 ** step));
        p[i] = (p[i] ?? 0) * (1 - rate * weightDecay) - (rate * mean) / (root + epsilon);
      }
    }
    await expectClose(tensors[0], p);
    await expectClose(tensors[1], m);
    await expectClose(tensors[2], v);
  });
});

test.each(
  SIZES.flatMap((size) => [
    [size, 1],
    [size, 2.5],
  ]),
)('emaUpdate of %i elements, scale %d', async (size, scale) => {
  const t = numbers(size, 3);
  const target = upload(t);
  for (let step = 0; step < STEPS; step++) {
    const value = numbers(size, 30 + step);
    emaUpdate(target, upload(value), { momentum: 0.1, scale });
    for (let i = 0; i < size; i++) t[i] = 0.9 * (t[i] ?? 0) + 0.1 * scale * (value[i] ?? 0);
  }
  await expectClose(target, t);
});

test('a gradient that is not a number shows in the parameter, and only there', async () => {
  const param = device.tensor([1, 2, 3, 4, 5]);
  sgdUpdate(param, device.tensor([0, Number.NaN, 0, Number.POSITIVE_INFINITY, 0]), undefined, {
    learningRate: 1,
  });
  expect([...(await param.read())]).toEqual([1, Number.NaN, 3, Number.NEGATIVE_INFINITY, 5]);
});

test('more than 65,535 workgroups', async () => {
  const size = 65_536 * 256 + 4;
  const target = device.tensor(new Float32Array(size).fill(1));
  emaUpdate(target, device.tensor(new Float32Array(size).fill(3)), { momentum: 0.5 });
  const data = await target.read();
  expect(data.every((value) => value === 2)).toBe(true);
});

describe('in-place updates refuse', () => {
  test('shapes and dtypes that differ', () => {
    const param = device.tensor([1, 2]);
    const options = { learningRate: 1, step: 1 };
    expect(() => sgdUpdate(param, device.tensor([1]), undefined, options)).toThrow(ShapeError);
    expect(() => emaUpdate(param, device.tensor(new Int32Array(2)), { momentum: 1 })).toThrow(
      /value must be f32/,
    );
    const [m, v] = [device.tensor([1, 2]), device.tensor([1, 2, 3])];
    expect(() => adamwUpdate(param, device.tensor([1, 2]), m, v, options)).toThrow(/v must be like .*\[2\]/);
  });

  test('options that make no sense', () => {
    const [param, g] = [device.tensor([1]), device.tensor([1])];
    expect(() => sgdUpdate(param, g, undefined, { learningRate: 1, momentum: 0.9 })).toThrow(
      /need a velocity/,
    );
    expect(() => sgdUpdate(param, g, undefined, { learningRate: 1, nesterov: true })).toThrow(ShapeError);
    expect(() => emaUpdate(param, g, {} as { momentum: number })).toThrow(
      /momentum and scale must be .* got undefined, 1/,
    );
    expect(() => emaUpdate(param, g, { momentum: 0.1, scale: Number.POSITIVE_INFINITY })).toThrow(ShapeError);
    const state = [device.tensor([0]), device.tensor([0])] as const;
    expect(() => sgdUpdate(param, g, undefined, { learningRate: Number.NaN })).toThrow(
      /learningRate must be a finite number; got NaN/,
    );
    expect(() => adamwUpdate(param, g, ...state, { learningRate: { value: Number.NaN }, step: 1 })).toThrow(
      ShapeError,
    );
    expect(() => adamwUpdate(param, g, ...state, { learningRate: 1, step: 0 })).toThrow(
      /step counts from 1; got 0/,
    );
  });

  test('disposed tensors', () => {
    const [param, g] = [device.tensor([1]), device.tensor([1])];
    g.dispose();
    expect(() => emaUpdate(param, g, { momentum: 0.5 })).toThrow(DisposedError);
    expect(() => sgdUpdate(g, param, undefined, { learningRate: 1 })).toThrow(DisposedError);
  });

  test('shared memory', () => {
    const param = device.tensor([1, 2]);
    expect(() => emaUpdate(param, reshape(param, [2]), { momentum: 0.5 })).toThrow(KernelError);
  });

  test('another view of what an open tape follows or will read', () => {
    const [w, x, other] = [device.tensor([1, 2]), device.tensor([3, 4]), device.tensor([0, 0])];
    const [row, beside] = [reshape(w, [1, 2]), stopGradient(x)];
    grad(() => {
      const loss = sum(mul(row, reshape(x, [1, 2])));
      for (const target of [w, beside, reshape(x, [2])])
        expect(() => emaUpdate(target, other, { momentum: 0.5 })).toThrow(/open gradient tape needs target/);
      return loss;
    }, [row]);
    emaUpdate(w, other, { momentum: 0.5 });
  });

  test('what an open tape follows or will read', () => {
    const [w, x, other] = [device.tensor([1, 2]), device.tensor([3, 4]), device.tensor([0, 0])];
    grad(() => {
      const loss = sum(mul(w, x));
      const options = { learningRate: 1 };
      expect(() => sgdUpdate(w, other, undefined, options)).toThrow(/open gradient tape needs param/);
      expect(() => emaUpdate(x, other, { momentum: 0.5 })).toThrow(KernelError);
      emaUpdate(other, x, { momentum: 0.5 });
      return loss;
    }, [w]);
  });
});
