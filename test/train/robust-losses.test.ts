import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { valueAndGrad } from '../../src/autograd/grad.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import {
  boostedCrossEntropy,
  martLoss,
  predictionDivergence,
  tradesLoss,
} from '../../src/train/robust-losses.ts';
import { expectClose, numbers } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const [N, C] = [5, 4];
const LABELS = [0, 3, 1, 2, 2];
const CLEAN = numbers(N * C, 1).map((value) => 3 * value);
const MOVED = numbers(N * C, 2).map((value) => 3 * value);

type Row = readonly number[];

function softmax(row: Row): number[] {
  const powers = row.map((value) => Math.exp(value - Math.max(...row)));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}

const crossEntropy = (row: Row, y: number, smoothing = 0) =>
  -softmax(row).reduce((all, p, k) => {
    const target = (k === y ? 1 - smoothing : 0) + smoothing / row.length;
    return all + target * Math.log(p);
  }, 0);

function divergence(clean: Row, moved: Row): number {
  const [p, q] = [softmax(clean), softmax(moved)];
  return p.reduce((all, value, k) => all + value * Math.log(value / (q[k] ?? 0)), 0);
}

function boosted(moved: Row, y: number, smoothing = 0): number {
  const rival = Math.max(...softmax(moved).filter((_, k) => k !== y));
  return crossEntropy(moved, y, smoothing) - Math.log(1.0001 - rival);
}

const trades = (clean: Row, moved: Row, y: number) =>
  crossEntropy(clean, y, 0.1) + 6 * divergence(clean, moved);
const mart = (clean: Row, moved: Row, y: number) =>
  boosted(moved, y) + 5 * divergence(clean, moved) * (1 - (softmax(clean)[y] ?? 0));

/** The mean over the rows, for data of several rows. */
function meanOf(f: (clean: Row, moved: Row, y: number) => number, clean: Row, moved: Row): number {
  const row = (data: Row, i: number) => data.slice(i * C, (i + 1) * C);
  return LABELS.reduce((all, y, i) => all + f(row(clean, i), row(moved, i), y), 0) / N;
}

function differences(f: (data: Row) => number, data: Row): number[] {
  const h = 1e-5;
  return data.map((value, k) => {
    const at = (shifted: number) => f([...data.slice(0, k), shifted, ...data.slice(k + 1)]);
    return (at(value + h) - at(value - h)) / (2 * h);
  });
}

describe.each([
  [
    'tradesLoss',
    trades,
    (clean: Tensor, moved: Tensor, y: Tensor) => tradesLoss(clean, moved, y, { labelSmoothing: 0.1 }),
  ],
  ['martLoss', mart, (clean: Tensor, moved: Tensor, y: Tensor) => martLoss(clean, moved, y, { beta: 5 })],
] as const)('%s', (_, reference, loss) => {
  test('is its formula, and so are its gradients by both logits', async () => {
    const [clean, moved] = [device.tensor(CLEAN, [N, C]), device.tensor(MOVED, [N, C])];
    const labels = device.tensor(Int32Array.from(LABELS));
    const { value, grads } = valueAndGrad(() => loss(clean, moved, labels), [clean, moved]);
    expect(await value.item()).toBeCloseTo(meanOf(reference, [...CLEAN], [...MOVED]), 4);
    const byClean = differences((data) => meanOf(reference, data, [...MOVED]), [...CLEAN]);
    const byMoved = differences((data) => meanOf(reference, [...CLEAN], data), [...MOVED]);
    await expectClose(grads[0] as Tensor, byClean, 2e-4);
    await expectClose(grads[1] as Tensor, byMoved, 2e-4);
  });
});

test('the divergence is zero where nothing moved, and so is its gradient', async () => {
  const [clean, moved] = [device.tensor(CLEAN, [N, C]), device.tensor(CLEAN, [N, C])];
  await expectClose(predictionDivergence(clean, moved), new Array(N).fill(0), 1e-6);
  const { grads } = valueAndGrad(() => sum(predictionDivergence(clean, moved)), [moved]);
  await expectClose(grads[0] as Tensor, new Array(N * C).fill(0), 1e-6);
});

test('boosted cross-entropy stays finite where a rival is certain', async () => {
  const logits = device.tensor([80, 0, -80, 80], [2, 2]);
  const found = boostedCrossEntropy(logits, device.tensor(Int32Array.of(1, 1)));
  await expectClose(found, [80 - Math.log(1e-4), -Math.log(1.0001)], 2e-2);
});

test('boosted cross-entropy needs a rival', () => {
  const logits = device.tensor([1, 2], [2, 1]);
  expect(() => boostedCrossEntropy(logits, device.tensor(Int32Array.of(0, 0)))).toThrow(
    'boostedCrossEntropy: needs at least 2 classes; got 1',
  );
});
