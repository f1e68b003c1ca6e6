import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { mul } from '../../src/kernels/elementwise.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import { BatchNorm, LayerNorm } from '../../src/nn/norms.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { expectClose, numbers, values } from './tools.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const TRAINING = { training: true, seed: 0 };
const [ROWS, C] = [10, 3];

function channel(data: ArrayLike<number>, c: number): { mean: number; variance: number } {
  const own = Array.from(data).filter((_, i) => i % C === c);
  const mean = own.reduce((a, b) => a + b, 0) / own.length;
  return { mean, variance: own.reduce((a, b) => a + (b - mean) ** 2, 0) / own.length };
}

describe('BatchNorm', () => {
  test("normalises by the batch and moves the running averages as PyTorch's does", async () => {
    const norm = new BatchNorm(new Initialiser(device, 1), C, { momentum: 0.3 });
    const expected = { mean: [0, 0, 0], variance: [1, 1, 1] };
    for (let step = 0; step < 3; step++) {
      const data = numbers(ROWS * C, step).map((value, i) => value * (1 + (i % C)) + step);
      const y = norm.forward(device.tensor(data, [2, 5, C]), TRAINING);
      const stats = [0, 1, 2].map((c) => channel(data, c));
      await expectClose(
        y,
        data.map((value, i) => {
          const { mean, variance } = stats[i % C] as (typeof stats)[0];
          return (value - mean) / Math.sqrt(variance + 1e-5);
        }),
      );
      for (const [c, { mean, variance }] of stats.entries()) {
        expected.mean[c] = 0.7 * (expected.mean[c] ?? 0) + 0.3 * mean;
        expected.variance[c] = 0.7 * (expected.variance[c] ?? 0) + (0.3 * variance * ROWS) / (ROWS - 1);
      }
    }
    await expectClose(norm.mean, expected.mean);
    await expectClose(norm.variance, expected.variance);
  });

  test('takes no channels, and one row', async () => {
    const none = new BatchNorm(new Initialiser(device, 1), 0).forward(device.tensor([], [2, 0]), TRAINING);
    expect(none.shape).toEqual([2, 0]);
    const norm = new BatchNorm(new Initialiser(device, 1), 2, { momentum: 0.5 });
    norm.forward(device.tensor([3, 4], [1, 2]), TRAINING);
    await expectClose(norm.mean, [1.5, 2]);
    await expectClose(norm.variance, [0.5, 0.5]);
  });

  test('evaluates by the running averages, which stay', async () => {
    const norm = new BatchNorm(new Initialiser(device, 1), C, { epsilon: 0.5 });
    const [mean, variance] = [Float32Array.of(1, -2, 3), Float32Array.of(4, 0.25, 1)];
    const [gamma, beta] = [Float32Array.of(2, 1, -1), Float32Array.of(0, 5, 1)];
    device.write(norm.mean, mean);
    device.write(norm.variance, variance);
    device.write(norm.gamma, gamma);
    device.write(norm.beta, beta);
    const data = numbers(ROWS * C, 9);
    const value = (x: number, c: number) =>
      ((x - (mean[c] ?? 0)) / Math.sqrt((variance[c] ?? 0) + 0.5)) * (gamma[c] ?? 0) + (beta[c] ?? 0);
    await expectClose(
      norm.forward(device.tensor(data, [ROWS, C]), EVALUATION),
      data.map((x, i) => value(x, i % C)),
    );
    expect(await values(norm.mean)).toEqual([...mean]);
    expect(await values(norm.variance)).toEqual([...variance]);
  });

  test('one element a channel moves the running variance to 0 by the momentum', async () => {
    const norm = new BatchNorm(new Initialiser(device, 1), C);
    norm.forward(device.tensor([1, 2, 3], [1, C]), TRAINING);
    await expectClose(norm.mean, [0.1, 0.2, 0.3]);
    await expectClose(norm.variance, [0.9, 0.9, 0.9]);
  });

  test('trains under a gradient tape: gamma and beta have gradients, running averages move', async () => {
    const norm = new BatchNorm(new Initialiser(device, 1), C);
    const x = device.tensor(numbers(ROWS * C, 2), [ROWS, C]);
    const weights = device.tensor(numbers(ROWS * C, 3), [ROWS, C]);
    const grads = grad(() => sum(mul(norm.forward(x, TRAINING), weights)), norm.parameters());
    const sums = [0, 1, 2].map((c) => numbers(ROWS * C, 3).reduce((s, w, i) => s + (i % C === c ? w : 0), 0));
    await expectClose(grads[1] as Tensor, sums);
    expect((await values(norm.mean)).every((value) => value !== 0)).toBe(true);
  });

  test('a training step in a scope leaves no memory behind', () => {
    const norm = new BatchNorm(new Initialiser(device, 1), C);
    const x = device.tensor(numbers(ROWS * C, 2), [ROWS, C]);
    const before = device.memory().live;
    device.scope(() => {
      grad(() => sum(norm.forward(x, TRAINING)), norm.parameters());
    });
    expect(device.memory().live).toBe(before);
  });
});

test('LayerNorm normalises each row by itself', async () => {
  const norm = new LayerNorm(new Initialiser(device, 1), 2, { epsilon: 0 });
  device.write(norm.gamma, Float32Array.of(3, 5));
  device.write(norm.beta, Float32Array.of(1, 2));
  // A row of two different numbers always becomes −1, 1.
  await expectClose(norm.forward(device.tensor([1, 3, 10, -20], [2, 1, 2])), [-2, 7, 4, -3]);
});
