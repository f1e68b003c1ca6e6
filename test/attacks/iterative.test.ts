import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apgdAttack } from '../../src/attacks/apgd.ts';
import { attack } from '../../src/attacks/attacker.ts';
import { pgdAttack } from '../../src/attacks/first-order.ts';
import { cleanStart, iterativeAttack, type Parts } from '../../src/attacks/iterative.ts';
import { type AttackObjective, marginObjective } from '../../src/attacks/losses.ts';
import type { AttackInputs } from '../../src/attacks/model.ts';
import { AttackError, ShapeError } from '../../src/errors.ts';
import { abs, add, cast, div, equal, mul, sqrt, sub } from '../../src/kernels/elementwise.ts';
import { slice } from '../../src/kernels/layout.ts';
import { argmax, max, sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { type Linear, linear } from './linear.ts';

let device: Device;
let net: Linear;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  net = linear(device, { n: 24, size: 12, classes: 4, range: [0, 1] });
});
afterAll(() => device.dispose());

const EPSILON = 0.2;
const base: Parts = {
  ...{ name: 'mine', loss: marginObjective, start: cleanStart, relativeStep: 0.3, steps: 8 },
  budgets: { x: { epsilon: EPSILON } },
};
const run = (parts: Partial<Parts>) =>
  attack(net.model, iterativeAttack({ ...base, ...parts }), { x: net.x }, net);

/** Whether each sample can be fooled at all: the distances are known. */
const possible = () => net.distances.linf.map((distance) => distance <= EPSILON * 1.001);

describe('parts of one’s own', () => {
  test.each<[string, Partial<Parts>]>([
    ['a start at 0', { start: ({ origins }) => origins.map((x) => mul(x, 0)) }],
    ['a start beyond the range', { start: ({ origins }) => origins.map((x) => add(x, 3)) }],
    ['points put at 0', { project: (points) => mul(points, 0) }],
    ['points put beyond the range', { project: (points) => add(points, 5) }],
    ['a start at 0 that is all', { start: ({ origins }) => origins.map((x) => mul(x, 0)), steps: 1 }],
  ])('%s: what is outside ball or range fools nobody', async (_, parts) => {
    const { success, norms } = await run(parts);
    for (const [i, fooled] of success.entries()) {
      if (!fooled) continue;
      expect(possible()[i]).toBe(true);
      expect(norms.x?.[i]).toBeLessThan(EPSILON * 1.001);
    }
    // From any start of the ball the way to the boundary of a linear model is the same.
    if (parts.start && !parts.steps) expect(success).toEqual((await run({})).success);
  });

  test('the step of the budgets needs no share of ε beside it', async () => {
    const { relativeStep: _, ...rest } = base;
    const alone = iterativeAttack({ ...rest, budgets: { x: { epsilon: EPSILON, stepSize: 0.3 * EPSILON } } });
    const found = await attack(net.model, alone, { x: net.x }, net);
    expect(found.success).toEqual((await run({})).success);
    const says = (needed: object, got: string) =>
      expect(() => iterativeAttack({ ...rest, ...needed })).toThrow(
        new ShapeError(
          'mine',
          `needs relativeStep, a share of ε, or a stepSize in the budget of x; got ${got}`,
        ),
      );
    says({}, 'undefined');
    says({ relativeStep: null }, 'null');
    says({ relativeStep: { linf: 0.1 }, budgets: { x: { epsilon: 1, norm: 'l2' } } }, 'Object');
    expect(() => iterativeAttack({ ...base, relativeStep: -1 })).toThrow('relativeStep must be in');
    expect(() => iterativeAttack({ ...rest, budgets: { x: { epsilon: 0 } } })).not.toThrow();
  });

  test('a start for each input, no more and no fewer', async () => {
    await expect(run({ start: ({ origins }) => [...origins, ...origins] })).rejects.toThrow(
      'mine: start must give 1 tensors of points; got 2',
    );
  });

  test.each(['linf', 'l2', 'l1'] as const)(
    'coordinates in thousands are rounded by more than ε is, which costs no success (%s)',
    async (norm) => {
      const far = device.tensor([3000.123], [1]);
      const x = add(net.x, far);
      const model = {
        logits: (inputs: AttackInputs) => net.model.logits({ x: sub(inputs.x as Tensor, far) }, 0),
        inputs: { x: undefined },
      };
      const epsilon = { linf: 0.2, l2: 0.6, l1: 1.5 }[norm];
      const parts = { ...base, budgets: { x: { epsilon, norm } } };
      const labels = argmax(net.model.logits({ x: sub(x, far) }, 0), { axes: 1 });
      const kept = { ...parts, project: (points: Tensor) => mul(points, 1) };
      const found = await attack(model, iterativeAttack(parts), { x }, { labels });
      expect((await attack(model, iterativeAttack(kept), { x }, { labels })).success).toEqual(found.success);
      expect(found.success.filter(Boolean).length).toBeGreaterThan(2);
    },
  );

  test('a constraint that leaves points in ball and range costs no success', async () => {
    const { success } = await run({});
    const kept = await run({ project: (points) => mul(points, 1) });
    expect(kept.success).toEqual(success);
    expect(success.filter(Boolean).length).toBeGreaterThan(2);
  });

  test.each<[string, Partial<Parts>, RegExp]>([
    [
      'a loss of the whole batch',
      { loss: { name: 'total', classes: 2, loss: ({ logits }) => sum(logits) } },
      /mine: the loss 'total' must give a number for each sample, \[24\]; got .* Leave out its mean or sum/,
    ],
    [
      'a constraint of another shape',
      { project: (points) => slice(points, { begin: [0, 0], size: [24, 3] }) },
      /mine: project must give \[24, 12\]; got \[24, 3\]/,
    ],
    [
      'a direction of another shape',
      { direction: (gradient) => sum(gradient, { axes: 1 }) },
      /mine: direction must give \[24, 12\]; got \[24\]/,
    ],
    [
      'a start of another shape',
      { start: ({ origins }) => origins.map((x) => sum(x, { axes: 1 })) },
      /mine: start must give \[24, 12\]; got \[24\]/,
    ],
  ])('%s is named', async (_, parts, message) => {
    await expect(run(parts)).rejects.toThrow(ShapeError);
    await expect(run(parts)).rejects.toThrow(message);
  });

  const off = (values: (x: Tensor) => Tensor): AttackObjective => ({
    ...marginObjective,
    loss: (seen) => add(marginObjective.loss(seen), values(seen.points[0] as Tensor)),
  });
  test('a loss of −∞ is smaller than any other, and stops none', async () => {
    const half = device.tensor(new Float32Array(24).fill(Number.NEGATIVE_INFINITY, 12));
    const found = await run({ loss: off(() => half) });
    expect(found.success).toEqual((await run({})).success);
  });

  const distance = (x: Tensor) => max(abs(sub(x, net.x)), { axes: 1 });
  test.each<[string, number, string, (x: Tensor) => Tensor]>([
    ['always NaN', 0, '100.0', () => device.tensor(new Float32Array(24).fill(Number.NaN))],
    ['NaN for some', 0, '25.0', () => device.tensor(new Float32Array(24).fill(Number.NaN, 6, 12))],
    ['no number, nor is its gradient', 0, '100.0', (x) => sqrt(sub(mul(distance(x), 0), 1))],
    // No derivative goes through a comparison.
    ['no number once it has moved', 1, '100.0', (x) => div(0, cast(equal(distance(x), 0), 'f32'))],
  ])('a loss that is %s stops the attack, which says that it is the loss', async (_, at, share, values) => {
    const recipes = [
      iterativeAttack({ ...base, loss: off(values) }),
      apgdAttack({ budgets: base.budgets, loss: off(values) }),
      pgdAttack({ budgets: base.budgets, loss: off(values), randomStart: false }),
    ];
    for (const [i, recipe] of recipes.entries())
      for (const captured of [true, false]) {
        // APGD begins at random.
        const step = i === 1 ? 0 : at;
        const message = `losses are NaN at step ${step} for ${share} % of 24 samples`;
        await expect(attack(net.model, recipe, { x: net.x }, { ...net, captured })).rejects.toThrow(
          new AttackError(recipe.name, message),
        );
      }
  });
});
