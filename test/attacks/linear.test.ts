import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apgdAttack } from '../../src/attacks/apgd.ts';
import type { Attack } from '../../src/attacks/attack.ts';
import { attack } from '../../src/attacks/attacker.ts';
import { autoAttack } from '../../src/attacks/auto-attack.ts';
import { bonePgdAttack } from '../../src/attacks/bone-pgd.ts';
import { deepFoolAttack } from '../../src/attacks/deep-fool.ts';
import { fabAttack } from '../../src/attacks/fab.ts';
import {
  bimAttack,
  cwInfAttack,
  fgsmAttack,
  miFgsmAttack,
  pgdAttack,
} from '../../src/attacks/first-order.ts';
import { dlrObjective, marginObjective } from '../../src/attacks/losses.ts';
import type { Norm } from '../../src/attacks/norms.ts';
import type { AttackBudgets } from '../../src/attacks/problem.ts';
import { smartAttack } from '../../src/attacks/smart.ts';
import { squareAttack } from '../../src/attacks/square.ts';
import { reshape } from '../../src/kernels/layout.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { type Linear, linear } from './linear.ts';

let device: Device;
const problems = new Map<number, Linear>();
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  for (const classes of [2, 4]) problems.set(classes, linear(device, { n: 2, size: 8, classes }));
});
afterAll(() => device.dispose());

type Make = (budgets: AttackBudgets) => Attack | readonly Attack[];
type Case = readonly [string, number, Norm, Make];

const NORMS = ['linf', 'l2', 'l1'] as const;
const each = (name: string, classes: number, make: (norm: Norm) => Make): Case[] =>
  NORMS.map((norm) => [name, classes, norm, make(norm)] as const);
/** Steps of ε/4 or ε/5 after a random start. */
const steps = (norm: Norm) => ({ linf: 10, l2: 20, l1: 40 })[norm];

/** Whether a sample is fooled at `factor` times its distance, and how far it was moved. */
async function fooledAt(problem: Linear, [, , norm, make]: Case, i: number, factor: number) {
  const epsilon = factor * (problem.distances[norm][i] ?? 0);
  const found = await attack(problem.model, make({ x: { epsilon, norm } }), { x: problem.x }, problem);
  const size = found.norms.x?.[i] ?? Number.NaN;
  // Infinity where no smallest change was found.
  if (found.success[i] || size < Number.POSITIVE_INFINITY)
    expect(size).toBeLessThanOrEqual(epsilon * (1 + 1e-4));
  return found.success[i];
}

async function expectThreshold(problem: Linear, one: Case, samples: readonly number[], beyond = 1.01) {
  for (const i of samples) {
    expect([i, await fooledAt(problem, one, i, 0.99)]).toEqual([i, false]);
    expect([i, await fooledAt(problem, one, i, beyond)]).toEqual([i, true]);
  }
}

describe('a linear classifier falls just beyond its distance, and not below', () => {
  const cases: readonly Case[] = [
    ...each('FGSM', 2, () => (budgets) => fgsmAttack({ budgets })),
    ...each('BIM', 2, () => (budgets) => bimAttack({ budgets })),
    ...each('MI-FGSM', 2, () => (budgets) => miFgsmAttack({ budgets })),
    ...each('CW∞', 4, (norm) => (budgets) => cwInfAttack({ budgets, steps: steps(norm) })),
    ...each('PGD', 2, (norm) => (budgets) => pgdAttack({ budgets, steps: steps(norm) })),
    ...each('APGD', 2, (norm) => (budgets) => apgdAttack({ budgets, steps: norm === 'l1' ? 100 : 30 })),
    ...each(
      'APGD-T',
      4,
      (norm) => (budgets) =>
        apgdAttack({ budgets, steps: norm === 'l1' ? 100 : 30, loss: dlrObjective, targets: 9 }),
    ),
    ...each('FAB-T', 4, () => (budgets) => fabAttack({ budgets, steps: 20 })),
    ['DeepFool', 4, 'linf', (budgets) => deepFoolAttack({ budgets, overshoot: 0.002, steps: 10 })],
    ['DeepFool', 4, 'l2', (budgets) => deepFoolAttack({ budgets, overshoot: 0.002, steps: 10 })],
  ];
  test.each(cases)('%s, %i classes, %s', async (...one) => {
    // Three targets are enough for one sample.
    await expectThreshold(problems.get(one[1]) as Linear, one, one[0] === 'APGD-T' ? [0] : [0, 1]);
  });

  // Many queries of one sample are enough.
  test.each<Case>([
    ['Square', 4, 'linf', (budgets) => squareAttack({ budgets, queries: 200 })],
    ['Square', 2, 'l1', (budgets) => squareAttack({ budgets, queries: 400 })],
  ])('%s, %i classes, %s', async (...one) => {
    await expectThreshold(problems.get(one[1]) as Linear, one, [0]);
  });

  test('Square in l2, to 10 %: after 200 queries windows have one element and can only merge what is there', async () => {
    // So the shape of the change stays as larger windows have left it, at 90 to 98 % of the best, for any number of queries.
    const one: Case = ['Square', 4, 'l2', (budgets) => squareAttack({ budgets, queries: 250 })];
    await expectThreshold(problems.get(4) as Linear, one, [0], 1.12);
  });
});

describe('AutoAttack', () => {
  const single = () => linear(device, { n: 1, size: 8, classes: 4 });

  test.each(NORMS)('reaches the distance in %s', async (norm) => {
    const whole: Case = ['AutoAttack', 4, norm, (budgets) => autoAttack({ budgets })];
    expect(await fooledAt(single(), whole, 0, 1.01)).toBe(true);
  });

  test('does not go below it, though all four run', async () => {
    // With fewer queries: Square has a test of its own.
    const short = (budgets: AttackBudgets) => [
      ...autoAttack({ budgets }).slice(0, 3),
      squareAttack({ budgets, queries: 50 }),
    ];
    expect(await fooledAt(single(), ['AutoAttack', 4, 'linf', short], 0, 0.99)).toBe(false);
  });
});

describe('with 4 classes, where the likeliest other class is the nearest', () => {
  // The gradient of the margin is that of this class; cross-entropy mixes in the others, and misses the shortest way.
  const loss = marginObjective;
  const cases: readonly Case[] = [
    ...each('FGSM', 4, () => (budgets) => fgsmAttack({ budgets, loss })),
    ...each('BIM', 4, () => (budgets) => bimAttack({ budgets, loss })),
    ...each('MI-FGSM', 4, () => (budgets) => miFgsmAttack({ budgets, loss })),
    ...each('PGD', 4, (norm) => (budgets) => pgdAttack({ budgets, loss, steps: steps(norm) })),
    ...each('APGD', 4, (norm) => (budgets) => apgdAttack({ budgets, loss, steps: norm === 'l1' ? 100 : 30 })),
  ];
  test.each(cases)('%s, %i classes, %s', async (...one) => {
    const problem = linear(device, { n: 5, size: 8, classes: 4, spread: 1 });
    const [, , norm] = one;
    const sample = problem.distances[norm].findIndex(
      (distance, i) => problem.distanceTo(i, problem.likeliest[i] ?? 0, norm) === distance,
    );
    expect(sample).toBeGreaterThanOrEqual(0);
    await expectThreshold(problem, one, [sample]);
  });
});

describe('skeletons without bones', () => {
  // One joint, so that the bone-preserving attack is as free as others.
  const skeleton = () => {
    const problem = linear(device, { n: 2, size: 12, classes: 2 });
    const model = {
      inputs: { skeleton: undefined },
      logits: ({ skeleton: x }: Readonly<Record<string, Tensor>>) =>
        problem.model.logits({ x: x as Tensor }, 0),
    };
    return { ...problem, model, skeleton: reshape(problem.x, [2, 4, 1, 3]) };
  };
  const parents = [-1];
  test.each<[string, (budgets: AttackBudgets) => Attack]>([
    ['bone-preserving PGD', (budgets) => bonePgdAttack({ budgets, parents })],
    // Without its perceptual loss, in steps of Adam, which go by signs: ℓ∞ alone.
    ['SMART', (budgets) => smartAttack({ budgets, parents, steps: 60, classWeight: 1, clip: 1 }) as Attack],
  ])('%s reaches the distance in linf', async (_, make) => {
    const { model, skeleton: x, labels, distances } = skeleton();
    for (const [i, distance] of distances.linf.entries())
      for (const [factor, fooled] of [
        [0.99, false],
        [1.01, true],
      ] as const) {
        const budgets = { skeleton: { epsilon: factor * distance } };
        const found = await attack(model, make(budgets), { skeleton: x }, { labels });
        expect([i, factor, found.success[i]]).toEqual([i, factor, fooled]);
      }
  });
});
