import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apgdAttack } from '../../src/attacks/apgd.ts';
import { type ApgdState, sparseDirection } from '../../src/attacks/apgd-l1.ts';
import type { Attack } from '../../src/attacks/attack.ts';
import { makeProblem } from '../../src/attacks/problem.ts';
import { div } from '../../src/kernels/elementwise.ts';
import type { Device } from '../../src/tensor/device.ts';
import { numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { type SparseVisit, sparseApgd64 } from './apgd-l1-64.ts';
import { type Ball64, length64 } from './balls64.ts';
import { crossEntropy64, objective64 } from './losses64.ts';
import { type Row, rows64, tanhNet } from './tanh-net.ts';
import { pointsOf, walk } from './walk.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const look = async (state: ApgdState) => ({
  points: await pointsOf(state),
  losses: await values(state.losses),
  eta: await values(state.eta),
  support: await values(state.support),
});
type Seen = Awaited<ReturnType<typeof look>>;

/** A sample is followed up to its first decision closer than this. */
const CLOSE = 1e-4;

function follow(visits: readonly SparseVisit[], seen: readonly Seen[], sample: number): SparseVisit[] {
  const sure = visits.filter(({ closest }) => closest > CLOSE);
  for (const [k, { x, loss, eta, support }] of sure.entries()) {
    const found = seen[k] as Seen;
    expect([k, found.support[sample]]).toEqual([k, support]);
    expect(found.eta[sample]).toBeCloseTo(eta, 5);
    const error = x.map((value, j) => Math.abs(value - (found.points[sample]?.[j] ?? Number.NaN)));
    expect(Math.max(...error, Math.abs(loss - (found.losses[sample] ?? Number.NaN)))).toBeLessThan(5e-5);
  }
  return sure;
}

describe('whole runs in ℓ1 on a tanh network are those of algorithm 1 of 2021 in float64', () => {
  test.each<[string, number, Ball64]>([
    ['a look at each step', 25, { norm: 'l1', epsilon: 2, range: [0, 1] }],
    ['at every other, without a range', 50, { norm: 'l1', epsilon: 2 }],
    ['at every third', 75, { norm: 'l1', epsilon: 1, range: [0, 1] }],
  ])('%s', async (_, steps, ball) => {
    // 24 elements: the first share is ⌊4.8⌋.
    const net = tanhNet(device, {
      ...{ n: 48, size: 24, hidden: 6, classes: 4, seed: 5, steep: 1.5 },
      ...(ball.range && { range: ball.range }),
    });
    const budgets = { x: { epsilon: ball.epsilon, norm: ball.norm } };
    const seen = await walk(apgdAttack({ budgets, steps }) as Attack<ApgdState>, net, look);
    const followed = net.rows.map((row, i) => {
      const f = objective64(net, crossEntropy64, net.classes[i] as number);
      return follow(sparseApgd64(f, row, seen[0]?.points[i] as Row, ball, steps), seen, i);
    });
    const visits = followed.flat();
    // Most are followed to the end, through both outcomes of a look and all step sizes down to ε/10.
    expect(followed.filter(({ length }) => length === steps + 1).length).toBeGreaterThan(15);
    for (const outcome of [true, false])
      expect(visits.filter(({ sparser }) => sparser === outcome).length).toBeGreaterThan(50);
    expect(new Set(visits.map(({ eta }) => eta)).size).toBe(7);
  });
});

/** A look at a best point of which `moved` of 60 elements are elsewhere, after one that found `before`; η is .5. */
async function lookAt(moved: number, before: number) {
  const net = tanhNet(device, { n: 1, size: 60, hidden: 3, classes: 3 });
  const recipe = apgdAttack({ budgets: { x: { epsilon: 9, norm: 'l1' } }, steps: 25 }) as Attack<ApgdState>;
  const { problem } = makeProblem(net.model, { x: net.x }, net, recipe.budgets);
  const state = recipe.start(problem, 0, 1);
  const best = (net.rows[0] as Row).map((value, j) => (j < moved ? value + 0.1 : value));
  const checkpoint = recipe.between?.(1);
  const next = checkpoint?.step(
    {
      ...state,
      ...{ best: [device.tensor(best, [1, 60])], support: device.tensor([before]) },
      eta: device.tensor([0.5]),
    },
    problem,
    1,
  ) as ApgdState;
  const [eta = Number.NaN] = await values(next.eta);
  return { eta, support: (await values(next.support))[0], restarted: (await pointsOf(next))[0], best };
}

describe('the rule of 5 %', () => {
  test.each([
    [38, 37, false],
    [40, 39, false],
    [40, 37, true],
    [60, 56, true],
    [60, 58, false],
    [10, 10, false],
    [10, 20, false],
  ])('from %i to %i moved elements: sparser %s', async (before, moved, sparser) => {
    const { eta, support, restarted, best } = await lookAt(moved, before);
    expect(support).toBe(moved);
    expect(eta).toBeCloseTo(sparser ? 1 : 0.5 / 1.5, 6);
    const off = best.map((value, j) => Math.abs(value - (restarted?.[j] ?? Number.NaN)));
    expect(Math.max(...off) < 1e-6).toBe(sparser);
  });
});

test('a step takes as many elements as the best point has moved, over 1.5, rounded down, one at least', async () => {
  // In f32 3 / (1.5 · 41) · 41 is less than 2.
  for (const size of [24, 41, 47, 60]) {
    const supports = Array.from({ length: size + 1 }, (_, i) => i);
    const grad = device.tensor(numbers(size * supports.length, 3), [supports.length, size]);
    // As a checkpoint finds it.
    const share = div(device.tensor(supports), 1.5 * size);
    const net = tanhNet(device, { n: supports.length, size, hidden: 3, classes: 3 });
    const recipe = apgdAttack({ budgets: { x: { epsilon: 9, norm: 'l1' } }, steps: 25 }) as Attack<ApgdState>;
    const { problem } = makeProblem(net.model, { x: net.x }, net, recipe.budgets);
    const state = { ...recipe.start(problem, 0, 1), grads: [grad], share };
    const directions = rows64(await values(sparseDirection(state, 0)), size);
    for (const [support, row] of directions.entries()) {
      const count = Math.max(Math.floor((2 * support) / 3), 1);
      expect([support, row.filter((value) => value !== 0).length]).toEqual([support, count]);
      expect(length64(row, 'l1')).toBeCloseTo(1, 5);
    }
  }
});
