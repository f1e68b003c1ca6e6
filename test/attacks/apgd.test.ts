import { afterAll, beforeAll, expect, test } from 'vitest';
import { apgdAttack } from '../../src/attacks/apgd.ts';
import { shrinkingStages } from '../../src/attacks/apgd-l1.ts';
import { attack } from '../../src/attacks/attacker.ts';
import { autoAttack } from '../../src/attacks/auto-attack.ts';
import { fitted, runSteps, widened } from '../../src/attacks/loop.ts';
import { lengths } from '../../src/attacks/norms.ts';
import { makeProblem } from '../../src/attacks/problem.ts';
import { Stepper } from '../../src/attacks/stepper.ts';
import { sub } from '../../src/kernels/elementwise.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { bits, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { type Linear, linear } from './linear.ts';

let device: Device;
let problem: Linear;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  problem = linear(device, { n: 2, size: 8, classes: 4 });
});
afterAll(() => device.dispose());

test('three tenths of the steps in 3ε, three in 2ε, the rest in ε', () => {
  expect(shrinkingStages(100)).toEqual([
    { widening: 3, first: 1, last: 30 },
    { widening: 2, first: 31, last: 60 },
    { widening: 1, first: 61, last: 100 },
  ]);
  expect(shrinkingStages(2)).toEqual([{ widening: 1, first: 1, last: 2 }]);
  const { widening } = apgdAttack({
    budgets: { x: { epsilon: 1, norm: 'l1' } },
    steps: 10,
    largerFirst: true,
  });
  const all = Array.from({ length: 10 }, (_, i) => widening?.(i + 1));
  expect(all).toEqual([3, 3, 3, 2, 2, 2, 1, 1, 1, 1]);
});

test('AutoAttack in ℓ1 begins in larger balls, in other norms it does not', () => {
  const widenings = (norm: 'l1' | 'l2') =>
    autoAttack({ budgets: { x: { epsilon: 1, norm } } }).map(({ widening }) => widening?.(1) ?? 1);
  expect(widenings('l1')).toEqual([3, 3, 1, 1]);
  expect(widenings('l2')).toEqual([1, 1, 1, 1]);
});

test.each([false, true])(
  'points follow the balls, and only those within ε count (captured: %s)',
  async (captured) => {
    const distance = Math.min(...problem.distances.l1);
    const epsilon = distance / 2;
    const recipe = apgdAttack({ budgets: { x: { epsilon, norm: 'l1' } }, steps: 10, largerFirst: true });
    const made = makeProblem(problem.model, { x: problem.x }, problem, recipe.budgets);
    const fit = fitted(recipe, made.problem);
    const stepper = new Stepper(captured);
    let state = recipe.start(widened(recipe, fit, 1), 0, 1);
    const sizes: number[] = [];
    for (let step = 0; step < 10; step++) {
      state = runSteps(recipe, fit, state, stepper, { from: step, to: step + 1, seed: 1 });
      sizes.push(
        Math.max(...(await values(lengths(sub(state.points[0] as Tensor, problem.x), 'l1')))) / epsilon,
      );
      // 2ε is the distance: crossed in the first balls, never in the last.
      expect(await values(state.success)).toEqual([0, 0]);
    }
    stepper.dispose();
    // After the last step of a stage the points are those that the next one begins with.
    for (const [i, most] of [3, 3, 2, 2, 2, 1, 1, 1, 1, 1].entries())
      expect(sizes[i]).toBeLessThanOrEqual(most + 1e-4);
    expect(sizes[1]).toBeGreaterThan(1.5);
    expect(sizes[3]).toBeGreaterThan(1.2);
  },
);

test('a linear classifier falls just beyond its distance, and not below; the same bits captured or not', async () => {
  for (const [factor, fooled] of [
    [0.99, false],
    [1.01, true],
  ] as const) {
    const epsilon = factor * (problem.distances.l1[0] as number);
    const budgets = { x: { epsilon, norm: 'l1' } } as const;
    const run = (captured: boolean) =>
      attack(
        ...([problem.model, apgdAttack({ budgets, largerFirst: true, restarts: 2 })] as const),
        ...([{ x: problem.x }, { labels: problem.labels, captured }] as const),
      );
    const [found, eager] = [await run(true), await run(false)];
    expect(found.success[0]).toBe(fooled);
    expect(found.norms.x?.[0]).toBeLessThanOrEqual(epsilon * (1 + 1e-4));
    expect(await bits(eager.inputs.x as Tensor)).toEqual(await bits(found.inputs.x as Tensor));
  }
});
