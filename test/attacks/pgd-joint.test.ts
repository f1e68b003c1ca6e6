import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pgdJoint } from '../../src/attacks/pgd.ts';
import { add, mul, sub } from '../../src/kernels/elementwise.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { bits, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { extent, type Normed, normed, SHAPE, SIZE } from './normed-network.ts';

let device: Device;
let x: Tensor;
let loss: Normed['loss'];
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  ({ x, loss } = normed(device));
});
afterAll(() => device.dispose());

describe('a joint attack', () => {
  const joint = (epsilons: readonly [number, number], steps = 3) => {
    const other = device.tensor(numbers(SIZE, 9), SHAPE);
    const attacked = epsilons.map((epsilon, i) => ({ x: i === 0 ? x : other, epsilon }));
    const moved = pgdJoint(([a, b]) => loss(add(a as Tensor, b as Tensor)), attacked, { steps });
    return { other, moved: moved as [Tensor, Tensor] };
  };

  test('keeps each input within its own ε', async () => {
    const { moved, other } = joint([0.02, 0.3]);
    expect((await extent(moved[0], x)).distance).toBeCloseTo(0.02, 6);
    expect((await extent(moved[1], other)).distance).toBeCloseTo(0.3, 6);
  });

  test('with one ε = 0 leaves that input as it is and attacks the other', async () => {
    const { moved, other } = joint([0.1, 0]);
    expect(await bits(moved[1])).toEqual(await bits(other));
    expect((await extent(moved[0], x)).distance).toBeCloseTo(0.1, 6);
  });

  test('with every ε = 0 leaves all as they are', async () => {
    const { moved, other } = joint([0, 0]);
    expect(await Promise.all(moved.map(bits))).toEqual([await bits(x), await bits(other)]);
    for (const tensor of moved) tensor.dispose();
    expect([x.disposed, other.disposed]).toEqual([false, false]);
  });

  test('of one tensor given twice takes the gradient of each', async () => {
    const attacked = [0, 1].map(() => ({ x, epsilon: 0.1 }));
    const apart = ([a, b]: readonly Tensor[]) => sum(add(mul(a as Tensor, 2), mul(b as Tensor, -1)));
    const [up, down] = pgdJoint(apart, attacked, { steps: 1, randomStart: false }) as [Tensor, Tensor];
    const moves = async (tensor: Tensor) => new Set((await values(sub(tensor, x))).map(Math.sign));
    expect([await moves(up), await moves(down)]).toEqual([new Set([1]), new Set([-1])]);
  });
});
