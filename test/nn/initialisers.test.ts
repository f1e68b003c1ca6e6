import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Initialiser } from '../../src/nn/initialisers.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { bits, values } from './tools.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const SHAPE = [200, 100];

async function statistics(tensor: Tensor) {
  const data = await values(tensor);
  const mean = data.reduce((a, b) => a + b, 0) / data.length;
  const variance = data.reduce((a, b) => a + (b - mean) ** 2, 0) / data.length;
  return { mean, std: Math.sqrt(variance), largest: data.reduce((a, b) => Math.max(a, Math.abs(b)), 0) };
}

// With 20,000 draws the deviation of the mean is std / 141 and that of the standard deviation std / 200.
describe.each([
  ['kaimingNormal', (init: Initialiser) => init.kaimingNormal(SHAPE, 50), Math.sqrt(2 / 50), Infinity],
  [
    'kaimingUniform',
    (init: Initialiser) => init.kaimingUniform(SHAPE, 50),
    Math.sqrt(2 / 50),
    Math.sqrt(6 / 50),
  ],
  ['xavierNormal', (init: Initialiser) => init.xavierNormal(SHAPE, 50, 30), Math.sqrt(2 / 80), Infinity],
  [
    'xavierUniform',
    (init: Initialiser) => init.xavierUniform(SHAPE, 50, 30),
    Math.sqrt(2 / 80),
    Math.sqrt(6 / 80),
  ],
] as const)('%s', (_, make, std, bound) => {
  test('has mean 0, the published deviation and bound', async () => {
    const found = await statistics(make(new Initialiser(device, 3)));
    expect(Math.abs(found.mean)).toBeLessThan((4 * std) / 141);
    expect(Math.abs(found.std / std - 1)).toBeLessThan(4 / 200);
    expect(found.largest).toBeLessThanOrEqual(Math.fround(bound));
    expect(found.largest).toBeGreaterThan(Math.min(bound, 3 * std) * 0.99);
  });
});

test('one seed gives one sequence of different tensors, another seed others', async () => {
  const draw = async (seed: number) => {
    const init = new Initialiser(device, seed);
    return [await bits(init.normal([64], 1)), await bits(init.normal([64], 1))] as const;
  };
  const [first, second] = await draw(7);
  expect(await draw(7)).toEqual([first, second]);
  expect(second).not.toEqual(first);
  expect((await draw(8))[0]).not.toEqual(first);
});

test('a constant takes no random stream', async () => {
  const [plain, mixed] = [new Initialiser(device, 1), new Initialiser(device, 1)];
  mixed.zeros([4]);
  mixed.ones([4]);
  mixed.values(Float32Array.of(1), [1]);
  expect(await bits(mixed.uniform([16], 2))).toEqual(await bits(plain.uniform([16], 2)));
});

test('zeros, ones and values hold what they say and outlive the scope they are made in', async () => {
  const init = new Initialiser(device, 1);
  const made = device.scope(() => ({
    all: [init.zeros([2]), init.ones([2]), init.values(Float32Array.of(5, 6), [2])],
  }));
  expect(await Promise.all(made.all.map(async (tensor) => await values(tensor)))).toEqual([
    [0, 0],
    [1, 1],
    [5, 6],
  ]);
  let inner: Tensor | undefined;
  device.scope(() => {
    inner = init.ones([1]);
  });
  expect(inner?.disposed).toBe(false);
});
