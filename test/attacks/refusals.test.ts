import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Attack } from '../../src/attacks/attack.ts';
import { attack } from '../../src/attacks/attacker.ts';
import { auditRobustness } from '../../src/attacks/audit.ts';
import { autoAttack } from '../../src/attacks/auto-attack.ts';
import { boneLengthAttack } from '../../src/attacks/bone-length.ts';
import { bonePgdAttack } from '../../src/attacks/bone-pgd.ts';
import { cwL2Attack } from '../../src/attacks/cw.ts';
import { deepFoolAttack } from '../../src/attacks/deep-fool.ts';
import { pgdAttack } from '../../src/attacks/first-order.ts';
import { cleanStart, iterativeAttack } from '../../src/attacks/iterative.ts';
import { crossEntropyObjective } from '../../src/attacks/losses.ts';
import type { AttackModel, ValueRange } from '../../src/attacks/model.ts';
import { ShapeError } from '../../src/errors.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { type Linear, linear } from './linear.ts';

let device: Device;
let four: Linear;
let one: Linear;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  four = linear(device, { n: 3, size: 6, classes: 4, range: [0, 1] });
  one = linear(device, { n: 3, size: 6, classes: 1, range: [0, 1] });
});
afterAll(() => device.dispose());

const budgets = { x: { epsilon: 0.1 } };
const l2 = { x: { epsilon: 1, norm: 'l2' } } as const;
const within = (range: ValueRange): AttackModel => ({ ...four.model, inputs: { x: range } });

interface Case {
  readonly make: () => Attack | readonly Attack[];
  readonly message: RegExp;
  readonly model?: () => AttackModel;
  readonly labels?: boolean;
}
const cases: Readonly<Record<string, Case>> = {
  'no budget': {
    make: () => pgdAttack({ budgets: {} }),
    message: /PGD: needs a budget for at least one of x/,
  },
  'no budget of one norm': {
    make: () => cwL2Attack({ budgets: {} }),
    message: /CW ℓ2: needs one norm.*got no budget/,
  },
  'an ε that is no number': {
    make: () => pgdAttack({ budgets: JSON.parse('{"x":{"epsilon":"0.1"}}') }),
    message: /PGD: x: epsilon must be a number/,
  },
  'one class': {
    make: () => deepFoolAttack({ budgets }),
    message: /DeepFool: the model has 1 class/,
    model: () => one.model,
  },
  'no labels': {
    make: () => pgdAttack({ budgets }),
    message: /PGD: needs labels, a Tensor i32 \[N\]; got undefined/,
    labels: false,
  },
  'a range that does not ascend': {
    make: () => pgdAttack({ budgets }),
    message: /PGD: x: range must be \[low, high\]/,
    model: () => within([1, 0]),
  },
  'half a range, CW': {
    make: () => cwL2Attack({ budgets: l2 }),
    message: /CW ℓ2: x: its variables need a range with two ends, or none; got \[-9, Infinity\]/,
    model: () => within([-9, Number.POSITIVE_INFINITY]),
  },
  'another version of AutoAttack': {
    make: () => autoAttack({ budgets, version: JSON.parse('"plus"') }),
    message: /AutoAttack: version must be standard or rand.*got plus/,
  },
  'a step that is no number': {
    make: () =>
      iterativeAttack({
        ...{ name: 'mine', budgets, steps: 1, relativeStep: Number.NaN },
        ...{ loss: crossEntropyObjective, start: cleanStart },
      }),
    message: /mine: relativeStep must be in \[0, 1000000\]; got NaN/,
  },
};
test.each(Object.entries(cases))(
  'an attack refuses %s',
  async (_, { make, message, model, labels = true }) => {
    const truth = labels ? { labels: four.labels } : JSON.parse('{}');
    const run = async () => attack(model?.() ?? four.model, make(), { x: four.x }, truth);
    await expect(run).rejects.toThrow(message);
    await expect(run).rejects.toThrow(ShapeError);
  },
);

test('bone-length-preserving PGD refuses another norm than ℓ∞', async () => {
  const motion = linear(device, { n: 2, size: 12, classes: 3 });
  const x = device.tensor(await motion.x.read(), [2, 2, 2, 3]);
  const recipe = bonePgdAttack({ budgets: l2, modality: 'x', parents: [-1, 0] });
  await expect(attack(motion.model, recipe, { x }, motion)).rejects.toThrow(
    /bone-preserving PGD: x moves in linf; got l2/,
  );
});

test('attacks that keep or set the lengths of bones refuse a skeleton with a range', async () => {
  const motion = linear(device, { n: 2, size: 12, classes: 3, range: [-5, 5] });
  const x = device.tensor(await motion.x.read(), [2, 2, 2, 3]);
  const skeleton = { modality: 'x', parents: [-1, 0] };
  const message = 'bones of x cannot keep to [-5, 5]; declare no range for it';
  const recipes = [
    bonePgdAttack({ budgets: { x: { epsilon: 0.1 } }, ...skeleton }),
    boneLengthAttack(skeleton),
  ];
  for (const recipe of recipes)
    await expect(attack(motion.model, recipe, { x }, motion)).rejects.toThrow(
      new ShapeError(recipe.name, message),
    );
});

test('an audit refuses what it cannot work with, in its own name', async () => {
  const batch = { inputs: { x: four.x }, labels: four.labels };
  const audit = (options: object) => () => auditRobustness(four.model, batch, { budgets, ...options });
  const refused: readonly (readonly [object, string])[] = [
    [{ budgets: { rgb: { epsilon: 1 } } }, "auditRobustness: the model has no 'rgb'; it takes x"],
    [
      { budgets: { x: { epsilon: -1 } } },
      'auditRobustness: x: epsilon must be a number of at least 0; got -1',
    ],
    [{ steps: 1 }, 'auditRobustness: steps must be a whole number of at least 2; got 1'],
    [{ queries: 0 }, 'auditRobustness: queries must be a whole number of at least 1; got 0'],
    [{ tolerance: Number.NaN }, 'auditRobustness: tolerance must be in [0, 1]; got NaN'],
  ];
  for (const [options, message] of refused) {
    await expect(audit(options)).rejects.toThrow(message);
    await expect(audit(options)).rejects.toThrow(ShapeError);
  }
});
