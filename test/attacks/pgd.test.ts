import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fgsm } from '../../src/attacks/fgsm.ts';
import { pgd, pgdJoint } from '../../src/attacks/pgd.ts';
import { ShapeError } from '../../src/errors.ts';
import { mul } from '../../src/kernels/elementwise.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { bits, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { extent, type Normed, normed, SHAPE } from './normed-network.ts';

let device: Device;
let network: Normed['network'];
let x: Tensor;
let loss: Normed['loss'];
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  ({ network, x, loss } = normed(device));
});
afterAll(() => device.dispose());

describe('the perturbation stays within ε and the range', () => {
  test.each([0.01, 8 / 255, 0.5, 1])('ε = %f', async (epsilon) => {
    const budget = { epsilon, range: [0, 1] as const };
    for (const moved of [
      fgsm(loss, x, budget),
      pgd(loss, x, { ...budget, steps: 4 }),
      pgd(loss, x, { ...budget, steps: 3, stepSize: 10 * epsilon }),
      pgd(loss, x, { ...budget, steps: 0 }),
    ]) {
      const found = await extent(moved, x);
      expect(found.distance).toBeLessThanOrEqual(epsilon + 2 ** -23);
      expect(found.distance).toBeGreaterThan(Math.min(epsilon, 0.5) / 2);
      expect([found.low >= 0, found.high <= 1]).toEqual([true, true]);
    }
  });

  test('metres far from the origin: to the rounding of f32', async () => {
    const far = device.tensor(
      (await values(x)).map((value) => value * 4 - 7),
      SHAPE,
    );
    const moved = pgd((input) => sum(mul(input, input)), far, { epsilon: 0.01, steps: 3 });
    expect((await extent(moved, far)).distance).toBeLessThanOrEqual(0.01 + 2 ** -21);
  });
});

describe('the random start', () => {
  const start = (seed: number, randomStart?: boolean) =>
    pgd(loss, x, { epsilon: 0.1, steps: 0, seed, ...(randomStart !== undefined && { randomStart }) });

  test('differs by seed and is taken by default', async () => {
    expect(await bits(start(1))).toEqual(await bits(start(1)));
    expect(await bits(start(1))).not.toEqual(await bits(start(2)));
    expect(await bits(start(1))).not.toEqual(await bits(x));
  });

  test('is the input when switched off, and can be disposed of without it', async () => {
    const moved = start(1, false);
    expect(await bits(moved)).toEqual(await bits(x));
    moved.dispose();
    expect(x.disposed).toBe(false);
  });

  test('differs between the inputs of a joint attack', async () => {
    const attacked = [0, 1].map(() => ({ x, epsilon: 0.1 }));
    const [a, b] = pgdJoint(([first]) => loss(first as Tensor), attacked, { steps: 0 });
    expect(await bits(a as Tensor)).not.toEqual(await bits(b as Tensor));
  });
});

test('ε = 0 returns the input unchanged', async () => {
  for (const moved of [fgsm(loss, x, { epsilon: 0 }), pgd(loss, x, { epsilon: 0, steps: 5, range: [0, 1] })])
    expect(await bits(moved)).toEqual(await bits(x));
});

test.each([
  [{ epsilon: -0.1, steps: 2 }, 'epsilon must be a number of at least 0; got -0.1'],
  [{ epsilon: Number.NaN, steps: 2 }, 'epsilon must be a number of at least 0; got NaN'],
  [{ epsilon: 0.1, steps: -1 }, 'steps must be a count; got -1'],
  [{ epsilon: 0.1, steps: 1.5 }, 'steps must be a count; got 1.5'],
  [{ epsilon: 0.1, steps: 2, range: [1, 0] as const }, 'range must be [low, high]; got [1, 0]'],
  [{ epsilon: 0.1, steps: 1, stepSize: -1 }, 'stepSize must be a finite number of at least 0; got -1'],
])('%o is a ShapeError', (options, message) => {
  expect(() => pgd(loss, x, options)).toThrow(ShapeError);
  expect(() => pgd(loss, x, options)).toThrow(message);
  if (options.steps === 2) expect(() => fgsm(loss, x, options)).toThrow(ShapeError);
});

test('no input to attack is a ShapeError', () => {
  expect(() => pgdJoint(() => x, [], { steps: 1 })).toThrow(ShapeError);
});

test('the loss of a trained classifier rises with the steps, above that of FGSM', async () => {
  const byStep: Promise<number>[] = [];
  pgdJoint(([input]) => loss(input as Tensor), [{ x, epsilon: 0.15, range: [0, 1], stepSize: 0.03 }], {
    steps: 10,
    randomStart: false,
    observe: ({ value }) => byStep.push(value.item()),
  });
  const found = await Promise.all(byStep);
  expect(found.length).toBe(11);
  for (const [i, value] of found.slice(1, 6).entries()) expect(value).toBeGreaterThan(found[i] ?? Infinity);
  expect(found[0]).toBeLessThan(1);
  expect(found[10]).toBeGreaterThan(4 * (found[0] ?? Infinity));
  const one = await loss(fgsm(loss, x, { epsilon: 0.15, range: [0, 1] })).item();
  expect(found[10]).toBeGreaterThan(one);
  expect(one).toBeGreaterThan(found[0] ?? Infinity);
});

test('FGSM is one step of PGD of the size of ε', async () => {
  const budget = { epsilon: 0.03, range: [0, 1] as const };
  const step = pgd(loss, x, { ...budget, steps: 1, stepSize: 0.03, randomStart: false });
  expect(await bits(fgsm(loss, x, budget))).toEqual(await bits(step));
});

test('the same seed gives the same bits, another seed others', async () => {
  const run = (seed: number) => bits(pgd(loss, x, { epsilon: 0.05, steps: 3, seed, range: [0, 1] }));
  expect(await run(5)).toEqual(await run(5));
  expect(await run(5)).not.toEqual(await run(6));
});

test('the step size is 2.5 ε / steps when left out', async () => {
  const plain = { epsilon: 0.1, steps: 5, randomStart: false };
  const given = pgd(loss, x, { ...plain, stepSize: 0.05 });
  expect(await bits(pgd(loss, x, plain))).toEqual(await bits(given));
});

test('an attack changes no weight and no running average', async () => {
  const before = await Promise.all([...network.namedState().values()].map(bits));
  pgd(loss, x, { epsilon: 0.1, steps: 5 });
  expect(await Promise.all([...network.namedState().values()].map(bits))).toEqual(before);
});

test('observe may keep iterates', async () => {
  const kept: Tensor[] = [];
  pgdJoint(([input]) => loss(input as Tensor), [{ x, epsilon: 0.1 }], {
    steps: 2,
    observe: ({ inputs }) => void kept.push(device.keep(inputs[0] as Tensor)),
  });
  expect(kept.map((tensor) => tensor.disposed)).toEqual([false, false, false]);
  expect(new Set(await Promise.all(kept.map(async (tensor) => String(await bits(tensor))))).size).toBe(3);
  for (const tensor of kept) tensor.dispose();
});

test('observe sees every iterate with its gradients, the final one without', async () => {
  const seen: { step: number; grads: boolean; same: boolean }[] = [];
  let last: Tensor | undefined;
  const [moved] = pgdJoint(([input]) => loss(input as Tensor), [{ x, epsilon: 0.1 }], {
    steps: 2,
    observe: ({ step, grads, inputs }) => {
      seen.push({ step, grads: grads?.[0]?.shape.join() === SHAPE.join(), same: inputs[0] === last });
      last = inputs[0];
    },
  });
  expect(seen).toEqual([
    { step: 0, grads: true, same: false },
    { step: 1, grads: true, same: false },
    { step: 2, grads: false, same: false },
  ]);
  expect(last).toBe(moved);
});
