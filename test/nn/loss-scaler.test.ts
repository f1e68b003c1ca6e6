import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { LossScaler } from '../../src/nn/loss-scaler.ts';
import { AdamW, Sgd } from '../../src/nn/optimisers.ts';
import { capture } from '../../src/tensor/capture.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { allBits, numbers, values } from './tools.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const tensors = (...rows: number[][]) => rows.map((row) => device.tensor(row));

test('scales the loss, and gives back its gradients', async () => {
  const scaler = new LossScaler(device, { initial: 1024 });
  expect(await scaler.scale(device.tensor([0.5], [])).item()).toBe(512);
  const [a, b] = scaler.unscale(tensors([1024, -2048], [512])) as [Tensor, Tensor];
  expect(await values(a)).toEqual([1, -2]);
  expect(await values(b)).toEqual([0.5]);
  scaler.dispose();
});

test('the scale falls with each overflow, and rises after enough good steps in a row', async () => {
  const scaler = new LossScaler(device, { initial: 8, growth: 4, backoff: 0.5, interval: 2 });
  const found: number[] = [];
  for (const last of [1, Infinity, 1, Number.NaN, 1, 1, 1, 1, -Infinity]) {
    scaler.unscale(tensors([1, 2], [3, last]));
    found.push(await scaler.value.item());
  }
  expect(found).toEqual([8, 4, 4, 2, 2, 8, 8, 32, 16]);
});

test('the scale ends at 2^24', async () => {
  const scaler = new LossScaler(device, { initial: 2 ** 23, interval: 1 });
  for (let step = 0; step < 3; step++) scaler.unscale(tensors([1]));
  expect(await scaler.value.item()).toBe(2 ** 24);
});

describe.each([
  ['AdamW', (named: Map<string, Tensor>) => new AdamW(named, { weightDecay: 0.1, skipNaN: true })],
  ['Sgd', (named: Map<string, Tensor>) => new Sgd(named, { weightDecay: 0.1, skipNaN: true })],
  [
    'Sgd with momentum',
    (named: Map<string, Tensor>) => new Sgd(named, { momentum: 0.9, nesterov: true, skipNaN: true }),
  ],
] as const)('%s', (_, make) => {
  test('leaves out a step with one infinite gradient, weights and state, bit for bit, captured too', async () => {
    const named = new Map([
      ['a', device.tensor(numbers(6, 1))],
      ['b', device.tensor(numbers(3, 2))],
    ]);
    const scaler = new LossScaler(device, { initial: 4 });
    const optimiser = make(named);
    const apply = capture((a: Tensor, b: Tensor) => {
      const grads = scaler.unscale([a, b]);
      optimiser.apply(grads);
      return grads;
    });
    const step = (last: number) => {
      optimiser.prepare(0.1);
      apply(device.tensor(numbers(6, 3)), device.tensor([1, 2, last]));
    };
    const state = () => allBits(new Map([...named, ...optimiser.namedState()]));
    const start = await state();
    step(3);
    const moved = await state();
    expect(moved).not.toEqual(start);
    for (const last of [Infinity, Number.NaN]) step(last);
    expect(await state()).toEqual(moved);
    step(3);
    expect(await state()).not.toEqual(moved);
  });
});

test('without skipNaN a gradient that is no number shows', async () => {
  const named = new Map([['a', device.tensor([1, 2])]]);
  new AdamW(named).step([device.tensor([0, Number.NaN])], 0.1);
  expect((await values(named.get('a') as Tensor))[1]).toBeNaN();
});

test.each([
  { initial: 0 },
  { initial: Infinity },
  { growth: 0.5 },
  { backoff: 0 },
  { backoff: 1 },
  { interval: 0.5 },
])('refuses %o', (options) => {
  expect(() => new LossScaler(device, options)).toThrow(ShapeError);
});
