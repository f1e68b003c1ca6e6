import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apgdAttack } from '../../src/attacks/apgd.ts';
import type { Attack } from '../../src/attacks/attack.ts';
import { attack } from '../../src/attacks/attacker.ts';
import { cwL2Attack } from '../../src/attacks/cw.ts';
import { deepFoolAttack } from '../../src/attacks/deep-fool.ts';
import { fabAttack } from '../../src/attacks/fab.ts';
import {
  bimAttack,
  cwInfAttack,
  fgsmAttack,
  miFgsmAttack,
  pgdAttack,
} from '../../src/attacks/first-order.ts';
import { marginObjective } from '../../src/attacks/losses.ts';
import type { Norm } from '../../src/attacks/norms.ts';
import type { AttackBudgets } from '../../src/attacks/problem.ts';
import type { AttackOutcome } from '../../src/attacks/progress.ts';
import { squareAttack } from '../../src/attacks/square.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { type Linear, linear } from './linear.ts';

let device: Device;
let problem: Linear;
let labels: readonly number[];
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  problem = linear(device, { n: 5, size: 8, classes: 4, spread: 1 });
  labels = [...(await problem.labels.read('i32'))];
});
afterAll(() => device.dispose());

type Make = (budgets: AttackBudgets) => Attack;
const NORMS = ['linf', 'l2', 'l1'] as const;

const smallest: readonly (readonly [string, Norm, Make])[] = [
  ['DeepFool', 'linf', (budgets) => deepFoolAttack({ budgets, overshoot: 0.002, steps: 10 })],
  ['DeepFool', 'l2', (budgets) => deepFoolAttack({ budgets, overshoot: 0.002, steps: 10 })],
  ['CW', 'l2', (budgets) => cwL2Attack({ budgets, steps: 100, learningRate: 0.03 })],
  ...NORMS.map(
    (norm) => ['FAB-T', norm, (budgets: AttackBudgets) => fabAttack({ budgets, steps: 20 })] as const,
  ),
];

function expectDistances({ success, norms }: AttackOutcome, distances: readonly number[]): void {
  for (const [i, distance] of distances.entries()) {
    if (Number.isNaN(distance)) continue;
    expect(success[i]).toBe(true);
    expect((norms.x?.[i] ?? 0) / distance).toBeGreaterThan(0.9999);
    // DeepFool goes 10⁻⁴ beyond each boundary.
    expect(norms.x?.[i]).toBeLessThan(1.01 * (distance + 1e-4));
  }
}

test.each(smallest)(
  'the smallest change of %s in %s is the distance to the boundary',
  async (name, norm, make) => {
    const { model, x, distances } = problem;
    const budgets = { x: { epsilon: Number.POSITIVE_INFINITY, norm } };
    const found = await attack(model, make(budgets), { x }, problem);
    // CW goes to the likeliest other class, which is not the nearest for all.
    const nearest = (i: number) => problem.distanceTo(i, problem.likeliest[i] ?? 0, norm);
    const expected = distances[norm].map((distance, i) => (nearest(i) === distance ? distance : Number.NaN));
    expect(expected.filter((distance) => distance > 0).length).toBeGreaterThan(2);
    expectDistances(found, name === 'CW' ? expected : distances[norm]);
  },
);

/** For each sample the farthest class whose distance is that of the boundary between the label and it. */
function aims(norm: Norm) {
  const targets = labels.map((y, i) => {
    const known = [0, 1, 2, 3].filter((k) => k !== y && problem.reaches(i, k, norm));
    return known.toSorted((a, b) => problem.distanceTo(i, b, norm) - problem.distanceTo(i, a, norm))[0] ?? -1;
  });
  const distances = targets.map((target, i) => problem.distanceTo(i, target, norm));
  return { distances, truth: { labels: problem.labels, targets: device.tensor(Int32Array.from(targets)) } };
}

describe('towards a class given, it is the distance to that class', () => {
  test('which for some samples is not the nearest', () => {
    for (const norm of NORMS) {
      const others = aims(norm).distances.filter(
        (distance, i) => distance > (problem.distances[norm][i] ?? 0),
      );
      expect(others.length).toBeGreaterThan(0);
    }
  });

  test.each(smallest)('%s in %s', async (_name, norm, make) => {
    const { distances, truth } = aims(norm);
    const budgets = { x: { epsilon: Number.POSITIVE_INFINITY, norm } };
    const found = await attack(problem.model, make(budgets), { x: problem.x }, truth);
    expectDistances(found, distances);
  });

  const loss = marginObjective;
  const steps = (norm: Norm) => ({ linf: 10, l2: 20, l1: 40 })[norm];
  const within: readonly (readonly [string, Norm, Make])[] = NORMS.flatMap((norm) => [
    ['FGSM', norm, (budgets: AttackBudgets) => fgsmAttack({ budgets, loss })] as const,
    ['BIM', norm, (budgets: AttackBudgets) => bimAttack({ budgets, loss })] as const,
    ['MI-FGSM', norm, (budgets: AttackBudgets) => miFgsmAttack({ budgets, loss })] as const,
    ['PGD', norm, (budgets: AttackBudgets) => pgdAttack({ budgets, loss, steps: steps(norm) })] as const,
    ['CW∞', norm, (budgets: AttackBudgets) => cwInfAttack({ budgets, steps: steps(norm) })] as const,
    [
      'APGD',
      norm,
      (budgets: AttackBudgets) => apgdAttack({ budgets, loss, steps: norm === 'l1' ? 100 : 30 }),
    ] as const,
    ['FAB-T', norm, (budgets: AttackBudgets) => fabAttack({ budgets, steps: 20 })] as const,
  ]);
  test.each([
    ...within,
    ['Square', 'linf', (budgets: AttackBudgets) => squareAttack({ budgets, queries: 400 })] as const,
  ])('%s in %s', async (_name, norm, make) => {
    const { distances, truth } = aims(norm);
    // The sample whose target is farthest beyond the nearest class.
    const beyond = distances.map((distance, i) => distance / (problem.distances[norm][i] ?? 0));
    const one = beyond.indexOf(Math.max(...beyond));
    for (const [factor, reached] of [
      [0.99, false],
      [1.01, true],
    ] as const) {
      const recipe = make({ x: { epsilon: factor * (distances[one] ?? 0), norm } });
      const { success } = await attack(problem.model, recipe, { x: problem.x }, truth);
      expect([factor, success[one]]).toEqual([factor, reached]);
    }
  });
});
