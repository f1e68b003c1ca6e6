import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apgdAttack } from '../../src/attacks/apgd.ts';
import type { Attack } from '../../src/attacks/attack.ts';
import { attack } from '../../src/attacks/attacker.ts';
import { auditRobustness } from '../../src/attacks/audit.ts';
import { cwL2Attack } from '../../src/attacks/cw.ts';
import { deepFoolAttack } from '../../src/attacks/deep-fool.ts';
import { fabAttack } from '../../src/attacks/fab.ts';
import { fgsm } from '../../src/attacks/fgsm.ts';
import { fgsmAttack, miFgsmAttack, pgdAttack } from '../../src/attacks/first-order.ts';
import { runAttack } from '../../src/attacks/loop.ts';
import { ascend, type Norm, project, randomStart } from '../../src/attacks/norms.ts';
import { pgd } from '../../src/attacks/pgd.ts';
import { PgdAttack } from '../../src/attacks/pgd-attack.ts';
import { type AttackBudgets, makeProblem } from '../../src/attacks/problem.ts';
import { squareAttack } from '../../src/attacks/square.ts';
import { Stepper } from '../../src/attacks/stepper.ts';
import { ShapeError } from '../../src/errors.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { bits, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { type Linear, linear } from './linear.ts';

let device: Device;
let boxed: Linear;
let free: Linear;
const SIZE = 4;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  boxed = linear(device, { n: 3, size: SIZE, classes: 4, range: [0, 1] });
  free = linear(device, { n: 3, size: SIZE, classes: 4 });
});
afterAll(() => device.dispose());

const INFINITY = Number.POSITIVE_INFINITY;
const budget = (epsilon: number, norm: Norm = 'linf'): AttackBudgets => ({ x: { epsilon, norm } });

describe('ε = Infinity is the whole range', () => {
  const makers: readonly (readonly [string, Norm, number, (budgets: AttackBudgets) => Attack])[] = [
    ['FGSM', 'linf', 1, (budgets) => fgsmAttack({ budgets })],
    ['MI-FGSM', 'linf', 1, (budgets) => miFgsmAttack({ budgets, steps: 3 })],
    ['PGD', 'linf', 1, (budgets) => pgdAttack({ budgets, steps: 3 })],
    ['PGD', 'l2', SIZE ** 0.5, (budgets) => pgdAttack({ budgets, steps: 3 })],
    ['PGD', 'l1', SIZE, (budgets) => pgdAttack({ budgets, steps: 3 })],
    ['APGD', 'linf', 1, (budgets) => apgdAttack({ budgets, steps: 3 })],
    ['Square', 'linf', 1, (budgets) => squareAttack({ budgets, queries: 5 })],
    ['Square', 'l2', SIZE ** 0.5, (budgets) => squareAttack({ budgets, queries: 5 })],
  ];
  test.each(makers)('%s in %s', async (_, norm, epsilon, make) => {
    const run = async (size: number) => {
      const found = await attack(boxed.model, make(budget(size, norm)), { x: boxed.x }, boxed);
      return { success: found.success, moved: await bits(found.inputs.x as Tensor) };
    };
    expect(await run(INFINITY)).toEqual(await run(epsilon));
    const refused = attack(free.model, make(budget(INFINITY, norm)), { x: free.x }, free);
    await expect(refused).rejects.toThrow(
      /x: epsilon = Infinity means the whole range, and there is none; give a finite epsilon, or declare a range/,
    );
    await expect(refused).rejects.toThrow(ShapeError);
  });

  test('in the loop alone, and in the functions on a loss', async () => {
    const recipe = pgdAttack({ budgets: budget(INFINITY), steps: 2, randomStart: false });
    const { problem } = makeProblem(boxed.model, { x: boxed.x }, boxed, recipe.budgets);
    const [moved] = runAttack(recipe, problem, new Stepper(false)).points;
    const loss = (x: Tensor) =>
      sum(crossEntropy(boxed.model.logits({ x }, 0), boxed.labels, { reduction: 'none' }));
    const options = { range: [0, 1], steps: 2, stepSize: 0.25, randomStart: false } as const;
    expect(await bits(moved as Tensor)).toEqual(
      await bits(pgd(loss, boxed.x, { epsilon: INFINITY, ...options })),
    );
    const step = (epsilon: number) => bits(fgsm(loss, boxed.x, { epsilon, range: [0, 1] }));
    expect(await step(INFINITY)).toEqual(await step(1));
    expect(() => fgsm(loss, boxed.x, { epsilon: INFINITY })).toThrow(/^fgsm: epsilon = Infinity/);
    expect(() => pgd(loss, boxed.x, { epsilon: INFINITY, steps: 2 })).toThrow(/^pgd: epsilon = Infinity/);
  });

  test.each(['linf', 'l2', 'l1'] as const)(
    'project and ascend in %s only keep to the range',
    async (norm) => {
      const far = device.tensor([3, -2, 0.5, 100], [1, 4]);
      const origin = device.tensor([0, 0, 0, 0], [1, 4]);
      const all = { epsilon: INFINITY, norm };
      expect(await values(project(far, origin, all))).toEqual([3, -2, 0.5, 100]);
      expect(await values(project(far, origin, { ...all, range: [0, 1] }))).toEqual([1, 0, 0.5, 1]);
      const moved = await values(ascend(far, device.tensor([1, 0, 0, 0], [1, 4]), origin, all, 2));
      expect(moved).toEqual([5, -2, 0.5, 100]);
      const start = await values(randomStart(origin, { ...all, range: [0, 1] }, 1, 0));
      expect(start.every((value) => value >= 0 && value <= 1)).toBe(true);
      expect(() => randomStart(origin, all, 1, 0)).toThrow(/randomStart: epsilon = Infinity/);
    },
  );
});

describe('a finite ε beyond the whole range is refused, in the units of the input', () => {
  const refusal = (op: string, of: string, most: number, got: number) =>
    new ShapeError(
      op,
      `${of}epsilon must be at most ${most}, which is all of [0,1], or Infinity; got ${got}. It is in units of the input: 8/255, not 8`,
    );
  const makers: readonly (readonly [Norm, number, (budgets: AttackBudgets) => Attack])[] = [
    ['linf', 1, (budgets) => pgdAttack({ budgets, steps: 1 })],
    ['l2', SIZE ** 0.5, (budgets) => fgsmAttack({ budgets })],
    ['l1', SIZE, (budgets) => apgdAttack({ budgets, steps: 2, largerFirst: true })],
    // Whose balls are larger at first all the same.
    ['linf', 1, (budgets) => apgdAttack({ budgets, steps: 2, largerFirst: true })],
    ['linf', 1, (budgets) => squareAttack({ budgets, queries: 2 })],
    ['linf', 1, (budgets) => fabAttack({ budgets, steps: 1 })],
    ['l2', SIZE ** 0.5, (budgets) => deepFoolAttack({ budgets, steps: 1 })],
    ['l2', SIZE ** 0.5, (budgets) => cwL2Attack({ budgets, steps: 1, searches: 1 })],
  ];
  test.each(makers)('in %s beyond %d', async (norm, most, make) => {
    const run = (epsilon: number) => attack(boxed.model, make(budget(epsilon, norm)), { x: boxed.x }, boxed);
    await expect(run(8)).rejects.toThrow(refusal(make(budget(1, norm)).name, 'x: ', most, 8));
    // The whole range itself is not, however it was computed; nor is any size where there is no range.
    expect((await run(most * (1 + 1e-7))).success).toHaveLength(3);
    expect((await attack(free.model, make(budget(8, norm)), { x: free.x }, free)).success).toHaveLength(3);
  });

  test('by what takes a loss of one’s own, and by an audit', async () => {
    const [loss, x] = [(points: Tensor) => sum(points), boxed.x];
    const wrong = { epsilon: 8, range: [0, 1] } as const;
    expect(() => fgsm(loss, x, wrong)).toThrow(refusal('fgsm', '', 1, 8));
    expect(() => pgd(loss, x, { ...wrong, norm: 'l2', steps: 1 })).toThrow(refusal('pgd', '', 2, 8));
    const moved = [{ ...wrong, stepSize: 1 }];
    expect(() => new PgdAttack(([point]) => sum(point as Tensor), moved)).toThrow(refusal('pgd', '', 1, 8));
    const audit = auditRobustness(
      boxed.model,
      { inputs: { x }, labels: boxed.labels },
      { budgets: budget(8) },
    );
    await expect(audit).rejects.toThrow(refusal('auditRobustness', 'x: ', 1, 8));
  });
});

describe('attacks that look for the smallest change', () => {
  const makers = {
    DeepFool: (epsilon: number) => deepFoolAttack({ budgets: budget(epsilon, 'l2'), steps: 8 }),
    'FAB-T': (epsilon: number) => fabAttack({ budgets: budget(epsilon, 'l2'), steps: 8, targets: 3 }),
    'CW ℓ2': (epsilon: number) => cwL2Attack({ budgets: budget(epsilon, 'l2'), steps: 20, searches: 4 }),
  };
  test.each(Object.entries(makers))('%s: no norm where it found none within ε', async (_, make) => {
    const run = (epsilon: number) => attack(free.model, make(epsilon), { x: free.x }, free);
    const sizes = (await run(INFINITY)).norms.x as readonly number[];
    expect(sizes.every((size) => size > 0 && size < INFINITY)).toBe(true);
    const between = sizes.toSorted((a, b) => a - b)[1] as number;
    const { norms, success, inputs } = await run(between * 0.95);
    expect(success.filter(Boolean).length).toBe(1);
    expect(norms.x?.map((size) => size < INFINITY)).toEqual(success);
    // What is returned for them are the clean inputs.
    const [moved, clean] = [await values(inputs.x as Tensor), await values(free.x)];
    for (const [i, fooled] of success.entries())
      if (!fooled)
        expect(moved.slice(i * SIZE, (i + 1) * SIZE)).toEqual(clean.slice(i * SIZE, (i + 1) * SIZE));
  });

  test('in a list with others the norm is that of what is returned', async () => {
    const epsilon = 1e-3;
    const recipes = [
      pgdAttack({ budgets: budget(epsilon) }),
      fabAttack({ budgets: budget(epsilon), steps: 2 }),
    ];
    const { norms, success } = await attack(free.model, recipes, { x: free.x }, free);
    expect(success).toEqual([false, false, false]);
    for (const size of norms.x ?? []) expect(size).toBeCloseTo(epsilon, 5);
  });
});
