import { afterAll, beforeAll, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { accumulateUpdate } from '../../src/kernels/update.ts';
import { GradientSum } from '../../src/nn/gradient-sum.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Linear, Sequential } from '../../src/nn/layers.ts';
import { BatchNorm } from '../../src/nn/norms.ts';
import { WeightAverage } from '../../src/nn/weight-average.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { allBits, expectClose, numbers, values } from './tools.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const network = () => {
  const init = new Initialiser(device, 1);
  return new Sequential(new Linear(init, { in: 3, out: 2 }), new BatchNorm(init, 2));
};

test('follows its formula from the weights it began with, and copies the buffers', async () => {
  const made = network();
  const average = new WeightAverage(made, { decay: 0.9 });
  const weight = made.namedParameters().get('layers.0.weight') as Tensor;
  const mean = [...made.namedBuffers().values()][0] as Tensor;
  let expected = await values(weight);
  for (let step = 0; step < 5; step++) {
    const now = numbers(6, step);
    device.write(weight, now);
    device.write(mean, numbers(2, step));
    average.update();
    expected = expected.map((value, i) => 0.9 * value + 0.1 * (now[i] ?? 0));
  }
  const state = average.namedState();
  await expectClose(state.get('average.layers.0.weight') as Tensor, expected, 1e-6);
  const name = [...made.namedBuffers().keys()][0];
  await expectClose(state.get(`average.${name}`) as Tensor, numbers(2, 4), 1e-9);
});

test('swaps with the weights and back, bit for bit, and leaves no memory behind', async () => {
  const made = network();
  const before = device.memory().live;
  const average = new WeightAverage(made, { decay: 0.5 });
  const first = await allBits(made.namedState());
  for (const tensor of made.namedState().values()) device.write(tensor, numbers(tensor.size, tensor.size));
  const second = await allBits(made.namedState());
  average.swap();
  expect(await allBits(made.namedState())).toEqual(first);
  average.swap();
  expect(await allBits(made.namedState())).toEqual(second);
  average.dispose();
  expect(device.memory().live).toBe(before);
});

test.each([1, -0.1, Number.NaN])('refuses a decay of %f', (decay) => {
  expect(() => new WeightAverage(network(), { decay })).toThrow(ShapeError);
});

test('gradients of the parts of a batch add up to that of the whole', async () => {
  const named = new Map([['w', device.tensor(numbers(5, 0))]]);
  const before = device.memory().live;
  const total = new GradientSum(named);
  // What the sum held before, even NaN, is gone when it starts anew.
  accumulateUpdate(total.sums[0] as Tensor, device.tensor(new Array(5).fill(Number.NaN)));
  const [a, b] = [numbers(5, 1), numbers(5, 2)];
  total.prepare(0.75, true);
  total.add([device.tensor(a)]);
  total.prepare(0.25, false);
  total.add([device.tensor(b)]);
  await expectClose(
    total.sums[0] as Tensor,
    a.map((value, i) => 0.75 * value + 0.25 * (b[i] ?? 0)),
    1e-6,
  );
  expect(() => total.add([])).toThrow('GradientSum: needs 1 gradients, one per parameter; got 0');
  total.dispose();
  expect(device.memory().live).toBeLessThanOrEqual(before + 5 * 256);
});
