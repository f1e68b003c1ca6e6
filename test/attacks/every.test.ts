import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apgdAttack } from '../../src/attacks/apgd.ts';
import type { Attack } from '../../src/attacks/attack.ts';
import { attack } from '../../src/attacks/attacker.ts';
import { boneLengthAttack } from '../../src/attacks/bone-length.ts';
import { bonePgdAttack } from '../../src/attacks/bone-pgd.ts';
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
import type { AttackModel } from '../../src/attacks/model.ts';
import type { Norm } from '../../src/attacks/norms.ts';
import { smartAttack } from '../../src/attacks/smart.ts';
import { squareAttack } from '../../src/attacks/square.ts';
import { add } from '../../src/kernels/elementwise.ts';
import { reshape } from '../../src/kernels/layout.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { dropout } from '../../src/kernels/random.ts';
import { argmax } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';

const N = 3;
const SIZE = 24;
const SKELETON = [N, 4, 2, 3];
const PARENTS = [-1, 0];

let device: Device;
let model: AttackModel;
let inputs: { readonly rgb: Tensor; readonly skeleton: Tensor };
let labels: Tensor;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  const [w, v] = [6, 7].map((seed) => device.tensor(numbers(SIZE * 4, seed), [SIZE, 4])) as [Tensor, Tensor];
  const rgb = device.tensor(
    numbers(N * SIZE, 8).map((value) => (value + 1) / 2),
    [N, SIZE],
  );
  inputs = { rgb, skeleton: device.tensor(numbers(N * SIZE, 9), SKELETON) };
  model = {
    inputs: { rgb: [0, 1], skeleton: undefined },
    logits: ({ rgb, skeleton }) =>
      add(matmul(rgb as Tensor, w), matmul(reshape(skeleton as Tensor, [-1, SIZE]), v)),
  };
  labels = argmax(model.logits(inputs, 0), { axes: 1 });
});
afterAll(() => device.dispose());

const budgetsIn = (norm: Norm) => {
  const [rgb, skeleton] = { linf: [0.2, 0.1], l2: [0.8, 0.4], l1: [3, 2] }[norm] as [number, number];
  return { rgb: { epsilon: rgb, norm }, skeleton: { epsilon: skeleton, norm } };
};
const inNorm = (norm: Norm): Readonly<Record<string, Attack>> => {
  const common = { budgets: budgetsIn(norm), restarts: 2 };
  return {
    [`PGD ${norm}`]: pgdAttack({ ...common, steps: 2 }),
    [`APGD ${norm}`]: apgdAttack({ ...common, steps: 6, largerFirst: true }),
    [`FAB-T ${norm}`]: fabAttack({ ...common, steps: 3 }),
    [`Square ${norm}`]: squareAttack({ ...common, queries: 6 }),
  };
};
const skeleton = { parents: PARENTS, budgets: { skeleton: { epsilon: 0.3 } }, restarts: 2 };
const pixels = { rgb: { epsilon: 0.1 } };
const recipes: Readonly<Record<string, Attack>> = {
  ...{ ...inNorm('linf'), ...inNorm('l2'), ...inNorm('l1') },
  FGSM: fgsmAttack({ budgets: budgetsIn('linf'), restarts: 2 }),
  BIM: bimAttack({ budgets: budgetsIn('l2'), restarts: 2, steps: 2 }),
  'MI-FGSM': miFgsmAttack({ budgets: budgetsIn('l1'), restarts: 2, steps: 2 }),
  'CW∞': cwInfAttack({ budgets: budgetsIn('linf'), restarts: 2, steps: 2 }),
  'CW ℓ2': cwL2Attack({ budgets: budgetsIn('l2'), steps: 5, searches: 2, restarts: 2 }),
  'DeepFool l2': deepFoolAttack({ budgets: budgetsIn('l2'), steps: 4, restarts: 2 }),
  'DeepFool linf': deepFoolAttack({ budgets: budgetsIn('linf'), steps: 4, restarts: 2 }),
  SMART: smartAttack({ ...skeleton, steps: 4 }) as Attack,
  'bone-preserving PGD': bonePgdAttack({
    ...skeleton,
    budgets: { ...skeleton.budgets, ...pixels },
    steps: 3,
  }),
  'bone length': boneLengthAttack({ parents: PARENTS, steps: 3, restarts: 2 }) as Attack,
};

describe('every attack takes several modalities, restarts and', () => {
  test.each(Object.entries(recipes))('targets, and tells its losses: %s', async (_, recipe) => {
    const aims = Array.from(await labels.read('i32'), (label) => (label + 2) % 4);
    const targets = device.tensor(Int32Array.from(aims));
    const found = await attack(model, recipe, inputs, { labels, targets, losses: true });
    const chosen = await values(argmax(model.logits(found.inputs, 0), { axes: 1 }));
    expect(found.success).toEqual(chosen.map((choice, i) => choice === aims[i]));
    // What is smaller than its ε is a number; where nothing was found it is none.
    for (const [name, sizes] of Object.entries(found.norms))
      for (const [i, size] of sizes.entries())
        if (found.success[i] || !recipe.smallest)
          expect(size).toBeLessThanOrEqual((recipe.budgets[name]?.epsilon ?? 0) * (1 + 1e-4));
    expect(found.losses.length).toBeGreaterThan(0);
    for (const row of found.losses) expect(row).toHaveLength(N);
    expect(found.losses.flat().some(Number.isFinite)).toBe(true);
  });

  test.each(Object.entries(recipes).filter(([name]) => !/l1|linf/.test(name)))(
    'a model that draws: %s',
    async (_, recipe) => {
      const drawing: AttackModel = {
        ...{ ...model, draws: 2 },
        logits: ({ rgb, ...rest }, seed) =>
          model.logits({ ...rest, rgb: dropout(rgb as Tensor, { rate: 0.2, seed }) }, seed),
      };
      const run = () => attack(drawing, recipe, inputs, { labels, seed: 4 });
      const [one, two] = [await run(), await run()];
      expect(two.norms).toEqual(one.norms);
      expect(two.success).toEqual(one.success);
    },
  );
});
