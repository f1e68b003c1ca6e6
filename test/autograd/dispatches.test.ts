// An attack asks for the gradient of the input alone: it must not pay for the gradients of the weights.
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { conv2d } from '../../src/kernels/conv.ts';
import { relu } from '../../src/kernels/elementwise.ts';
import { reshape } from '../../src/kernels/layout.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { layerNorm } from '../../src/kernels/norm.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());
afterEach(() => vi.restoreAllMocks());

function network() {
  const data = (size: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i));
  const x = device.tensor(data(2 * 6 * 6 * 8), [2, 6, 6, 8]);
  const kernel = device.tensor(data(3 * 3 * 8 * 8), [3, 3, 8, 8]);
  const weight = device.tensor(data(6 * 6 * 8 * 5), [6 * 6 * 8, 5]);
  const labels = device.tensor(Int32Array.of(1, 3));
  const loss = () => {
    const features = relu(conv2d(x, kernel, { padding: 1 }));
    return crossEntropy(matmul(reshape(features, [2, 6 * 6 * 8]), weight), labels);
  };
  return { x, kernel, weight, loss };
}

/** Labels `file:entry` of what `action` launches. */
function launched(action: () => unknown): string[] {
  const dispatch = vi.spyOn(device.queue, 'dispatch');
  device.scope(() => void action());
  const labels = dispatch.mock.calls.map(([{ label }]) => label);
  dispatch.mockRestore();
  return labels;
}

const count = (labels: readonly string[], pattern: RegExp) =>
  labels.filter((label) => pattern.test(label)).length;
const CONV = /^conv(-subgroup|-depthwise)?\.wgsl:/;
const CONV_WEIGHT = /^conv-weight/;
const MATMUL = /^matmul(-subgroup)?\.wgsl:/;

test('the gradient of the input launches no weight gradient', () => {
  const { x, kernel, weight, loss } = network();
  const forward = launched(loss);
  const attack = launched(() => grad(loss, [x]));
  const training = launched(() => grad(loss, [kernel, weight]));
  const all = launched(() => grad(loss, [x, kernel, weight]));

  const counts = (labels: readonly string[]) => [
    count(labels, CONV),
    count(labels, CONV_WEIGHT),
    count(labels, MATMUL),
  ];
  const [convs, , matmuls] = counts(forward) as [number, number, number];
  expect(counts(forward)).toEqual([1, 0, 1]);
  expect(counts(attack)).toEqual([convs + 1, 0, matmuls + 1]);
  expect(counts(training)[0]).toBe(convs);
  expect(counts(training)[1]).toBeGreaterThanOrEqual(1);
  expect(counts(training)[2]).toBe(matmuls + 2);
  expect(attack.length).toBeLessThan(all.length);
  expect(attack.slice(0, forward.length)).toEqual(forward);
});

test('the gradient of the last weight launches nothing of the layers below', () => {
  const { weight, loss } = network();
  const labels = launched(() => grad(loss, [weight]));
  expect(count(labels, CONV)).toBe(1);
  expect(count(labels, CONV_WEIGHT)).toBe(0);
  expect(count(labels, MATMUL)).toBe(2);
});

test('frozen branches launch nothing backward', () => {
  const { x, loss } = network();
  const other = device.tensor([1, 2]);
  const forward = launched(loss);
  const labels = launched(() => grad(() => loss() as Tensor, [other]));
  expect(labels.length).toBe(forward.length + 1); // the zeros
  expect(x.disposed).toBe(false);
});

test('layer norm forms sums over rows only where gamma or beta is wanted, and together with dx only where x is', () => {
  const x = device.tensor(new Float32Array(64 * 8).fill(1), [64, 8]);
  const [gamma, beta] = [device.tensor(new Float32Array(8)), device.tensor(new Float32Array(8))];
  const launches = (wrt: readonly Tensor[]) => {
    device.variants.forced.set('groupNorm', 'pair');
    const labels = launched(() => grad(() => sum(layerNorm(x, gamma, beta)), wrt));
    device.variants.forced.clear();
    return ['gradRows', 'gradColumns', 'channelSums4', 'combineSums'].map((entry) =>
      count(labels, new RegExp(`:${entry}$`)),
    );
  };
  expect(launches([x])).toEqual([1, 1, 0, 0]);
  expect(launches([gamma])).toEqual([0, 0, 1, 1]);
  expect(launches([x, gamma, beta])).toEqual([1, 1, 0, 1]);
});
