import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Attack } from '../../src/attacks/attack.ts';
import { fitted } from '../../src/attacks/loop.ts';
import type { Norm } from '../../src/attacks/norms.ts';
import { makeProblem } from '../../src/attacks/problem.ts';
import { squareAttack } from '../../src/attacks/square.ts';
import { layoutOf, schedule, sidesOf } from '../../src/attacks/square-window.ts';
import type { Track } from '../../src/attacks/track.ts';
import { add, mul, sub } from '../../src/kernels/elementwise.ts';
import { full } from '../../src/kernels/fill.ts';
import { reshape } from '../../src/kernels/layout.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { length64, minus } from './balls64.ts';
import { margin64 } from './losses64.ts';
import { nearestProposal, share64, square64 } from './square64.ts';
import { tanhNet } from './tanh-net.ts';
import { pointsOf, walk } from './walk.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

/** Queries around the published breakpoints. */
const QUERIES = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000].flatMap((at) => [at - 1, at, at + 1]);

describe('the share p', () => {
  test('halves after 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000 queries, whatever their number', async () => {
    const layout = layoutOf([1, 32, 32, 3]);
    const clock = device.tensor([0, 1, ...QUERIES].map((it) => it + 1));
    for (const p of [0.8, 0.05]) {
      const { side } = schedule(clock, layout, p, false);
      const expected = [0, 1, ...QUERIES].map((it) =>
        Math.max(Math.round(Math.sqrt(share64(p, it) * 32 * 32)), 1),
      );
      expect(await values(side)).toEqual(expected);
    }
  });

  test('gives the sides of CIFAR and ImageNet windows: of odd sides, 3 at least, where mass moves', () => {
    const [cifar, imagenet] = [layoutOf([1, 32, 32, 3]), layoutOf([1, 224, 224, 3])];
    expect(sidesOf(cifar, 0.8, false)).toEqual([29, 20, 14, 10, 7, 5, 4, 3, 2, 1]);
    expect(sidesOf(cifar, 0.8, true)).toEqual([29, 21, 15, 11, 7, 5, 5, 3, 3, 3]);
    expect(sidesOf(imagenet, 0.05, false)).toEqual([50, 35, 25, 18, 13, 9, 6, 4, 3, 2]);
    expect(sidesOf(imagenet, 0.05, true)).toEqual([51, 35, 25, 19, 13, 9, 7, 5, 3, 3]);
  });
});

type State = Track & { readonly margin: Tensor };

/** An attack on images [n, size, size, channels] without a range, whose proposals are all taken. */
function proposing(norm: Norm, epsilon: number, n: number, size: number, channels: number) {
  const net = tanhNet(device, { n, size: size * size * channels, hidden: 3, classes: 3 });
  const x = reshape(net.x, [n, size, size, channels]);
  const budgets = { x: { epsilon, norm } };
  const recipe = squareAttack({ budgets }) as Attack<State>;
  const problem = fitted(recipe, makeProblem(net.model, { x }, net, budgets).problem);
  const propose = (state: State, seed: number, clock = 1) =>
    recipe.step(
      { ...state, margin: full(device, [n], -1e30), clock: full(device, [n], clock) },
      problem,
      seed,
    );
  const changes = async (state: State) =>
    (await pointsOf(state)).map((row, i) => minus(row, net.rows[i] ?? []));
  return { problem, start: (seed: number) => recipe.start(problem, 0, seed), propose, changes };
}

describe('ℓ∞', () => {
  const [epsilon, size, channels, n] = [0.25, 16, 3, 6];

  test('starts from vertical stripes of ±ε in each channel', async () => {
    const { start, changes } = proposing('linf', epsilon, n, size, channels);
    const signs: number[] = [];
    for (const change of await changes(start(1)))
      for (const [k, value] of change.entries()) {
        expect(Math.abs(value)).toBeCloseTo(epsilon, 5);
        expect(Math.sign(value)).toBe(Math.sign(change[k % (size * channels)] ?? 0));
        if (k < size * channels) signs.push(Math.sign(value));
      }
    expect(new Set(signs).size).toBe(2);
    expect(Math.abs(signs.reduce((a, b) => a + b, 0))).toBeLessThan(signs.length / 4);
  });

  test('changes a square of side √(p h w) by one sign in each channel', async () => {
    const { problem, start, propose, changes } = proposing('linf', epsilon, n, size, channels);
    const still = { ...start(1), points: problem.origins };
    for (const [k, it] of [0, 10, 11, 50, 51, 201, 501, 1001, 2001, 4001, 6001, 8001].entries()) {
      const side = Math.max(Math.round(Math.sqrt(share64(0.8, it) * size * size)), 1);
      for (const change of await changes(propose(still, k, it + 1))) {
        const moved = change.flatMap((value, i) => (value === 0 ? [] : [i]));
        const [rows, columns] = [
          moved.map((i) => Math.floor(i / (size * channels))),
          moved.map((i) => Math.floor(i / channels) % size),
        ];
        const extent = (list: readonly number[]) => Math.max(...list) - Math.min(...list) + 1;
        expect([it, extent(rows), extent(columns)]).toEqual([it, side, side]);
        expect(moved).toHaveLength(side * side * channels);
        for (const i of moved)
          expect(change[i]).toBeCloseTo(Math.sign(change[moved[i % channels] ?? 0] ?? 0) * epsilon, 5);
      }
    }
  });
});

test('windows lie at all places, the last included', async () => {
  const [n, size] = [24, 5];
  const { problem, start, propose, changes } = proposing('linf', 1, n, size, 1);
  // A side of 3, once p has halved.
  const next = propose({ ...start(1), points: problem.origins }, 1, 12);
  const first = (await changes(next)).map((change) => change.findIndex((value) => value !== 0));
  expect(new Set(first.map((i) => Math.floor(i / size)))).toEqual(new Set([0, 1, 2]));
  expect(new Set(first.map((i) => i % size))).toEqual(new Set([0, 1, 2]));
});

describe.each(['l2', 'l1'] as const)('%s', (norm) => {
  const [epsilon, size, n] = [2, 7, 3];

  test('starts from 5 × 5 tiles of patterns with random signs', async () => {
    const wide = 11;
    const { start, changes } = proposing(norm, epsilon, n, wide, 1);
    const eta = square64(2, false, norm);
    const share = epsilon / (norm === 'l2' ? 5 : 25);
    for (const change of await changes(start(2)))
      for (const [i, value] of change.entries()) {
        const [row, column] = [Math.floor(i / wide), i % wide];
        const inGrid = row < 10 && column < 10;
        const at = (row % 2) * 2 + (column % 2);
        expect(Math.abs(value)).toBeCloseTo(inGrid ? share * Math.abs(eta[at] ?? 0) : 0, 5);
        const corner = (row - (row % 2)) * wide + column - (column % 2);
        if (inGrid)
          expect(Math.sign(value * (eta[at] ?? 0))).toBe(Math.sign((change[corner] ?? 0) * (eta[0] ?? 0)));
      }
  });

  test('a window takes over the mass of another, as algorithm 3 says, and the change stays of length ε', async () => {
    const { problem, start, propose, changes } = proposing(norm, epsilon, n, size, 1);
    let state = start(3);
    // As where the range has cut the change off: what is missing to ε is given back.
    const shorter = (now: State): State => ({
      ...now,
      points: now.points.map((point, i) => {
        const origin = problem.origins[i] as Tensor;
        return add(origin, mul(sub(point, origin), 0.6));
      }),
    });
    for (const [k, [it, side]] of (
      [
        [0, 7],
        [11, 5],
        [51, 3],
        [52, 3],
        [9000, 3],
      ] as const
    ).entries()) {
      if (it === 52) state = shorter(state);
      const before = await changes(state);
      state = propose(state, 10 + k, it + 1);
      for (const [i, change] of (await changes(state)).entries()) {
        expect(length64(change, norm)).toBeCloseTo(epsilon, 4);
        expect(nearestProposal(before[i] ?? [], change, size, side, epsilon, norm)).toBeLessThan(1e-5);
      }
    }
  });
});

test.each(['linf', 'l2', 'l1'] as const)(
  '%s: the margin is that of the points, and only rises',
  async (norm) => {
    const net = tanhNet(device, { n: 16, size: 25, hidden: 6, classes: 4, range: [0, 1], seed: 51 });
    const epsilon = { linf: 0.15, l2: 0.5, l1: 1.5 }[norm];
    const recipe = squareAttack({ budgets: { x: { epsilon, norm } }, queries: 40 }) as Attack<State>;
    const look = async (state: State) => ({
      points: await pointsOf(state),
      margin: await values(state.margin),
    });
    const seen = await walk(recipe, { ...net, x: reshape(net.x, [16, 5, 5, 1]) }, look);
    for (const [k, { points, margin }] of seen.entries())
      for (const [i, point] of points.entries()) {
        const expected = margin64.value(net.logits(point), net.classes[i] as number);
        expect(Math.abs((margin[i] ?? 0) - expected)).toBeLessThan(1e-4);
        // Once a sample is fooled any point that fools is taken.
        const last = seen[k - 1]?.margin[i] ?? -9e9;
        expect(last <= 0 ? (margin[i] ?? 0) >= last : (margin[i] ?? 0) > 0).toBe(true);
      }
    const [first, last] = [seen[0]?.margin ?? [], seen.at(-1)?.margin ?? []];
    expect(last.filter((value, i) => value > (first[i] ?? 0)).length).toBeGreaterThan(8);
  },
);
