import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apgdAttack } from '../../src/attacks/apgd.ts';
import { attack } from '../../src/attacks/attacker.ts';
import { cwL2Attack } from '../../src/attacks/cw.ts';
import { deepFoolAttack } from '../../src/attacks/deep-fool.ts';
import { fabAttack } from '../../src/attacks/fab.ts';
import { cwInfAttack, fgsmAttack, pgdAttack } from '../../src/attacks/first-order.ts';
import type { AttackInputs, AttackModel } from '../../src/attacks/model.ts';
import type { AttackBudget } from '../../src/attacks/problem.ts';
import { squareAttack } from '../../src/attacks/square.ts';
import { add, mul, relu } from '../../src/kernels/elementwise.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { dropout, randomNormal } from '../../src/kernels/random.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { bits, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { linear } from './linear.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const all = (budget: AttackBudget) => {
  const budgets = { x: budget };
  const recipes = [
    apgdAttack({ budgets, steps: 20 }),
    fabAttack({ budgets, steps: 10 }),
    squareAttack({ budgets, queries: 50 }),
  ];
  if (budget.norm !== 'linf')
    return [...recipes, pgdAttack({ budgets }), cwL2Attack({ budgets, searches: 3 })];
  return [...recipes, fgsmAttack({ budgets }), cwInfAttack({ budgets }), deepFoolAttack({ budgets })];
};

describe('a network with a known Lipschitz bound', () => {
  // x → relu(x R) W with R a rotation of the plane of each pair: relu and R do not stretch ℓ2, W stretches differences of two
  // logits by at most ‖w_i − w_j‖₂, so no change shorter than margin / ‖w_i − w_j‖₂ changes the class.
  const angle = 0.7;
  const size = 6;
  const rotation = Array.from({ length: size * size }, (_, at) => {
    const [i, j] = [Math.floor(at / size), at % size];
    if (Math.floor(i / 2) !== Math.floor(j / 2)) return 0;
    if (i === j) return Math.cos(angle);
    return i < j ? Math.sin(angle) : -Math.sin(angle);
  });
  const w = numbers(size * 4, 3);

  test('no attack succeeds below it', async () => {
    const [first, second] = [device.tensor(rotation, [size, size]), device.tensor(w, [size, 4])];
    const model: AttackModel = {
      inputs: { x: undefined },
      logits: ({ x }) => matmul(relu(matmul(x as Tensor, first)), second),
    };
    const x = device.tensor(numbers(8 * size, 4), [8, size]);
    const logits = await values(model.logits({ x }, 0));
    const rows = Array.from({ length: 8 }, (_, i) => logits.slice(4 * i, 4 * i + 4));
    const labels = rows.map((row) => row.indexOf(Math.max(...row)));
    const apart = (i: number, j: number) =>
      Math.hypot(...Array.from({ length: size }, (_, k) => (w[4 * k + i] ?? 0) - (w[4 * k + j] ?? 0)));
    const bounds = rows.map((row, n) => {
      const y = labels[n] ?? 0;
      return Math.min(...row.flatMap((z, k) => (k === y ? [] : [((row[y] ?? 0) - z) / apart(y, k)])));
    });
    const truth = { labels: device.tensor(Int32Array.from(labels)) };
    const unbounded = { epsilon: Number.POSITIVE_INFINITY, norm: 'l2' } as const;
    for (const recipe of [
      fabAttack({ budgets: { x: unbounded }, steps: 20 }),
      cwL2Attack({ budgets: { x: unbounded }, searches: 4 }),
    ]) {
      const { norms, success } = await attack(model, recipe, { x }, truth);
      for (const [i, norm] of (norms.x ?? []).entries())
        if (success[i]) expect(norm).toBeGreaterThan((bounds[i] ?? 9) * 0.9999);
    }
    const epsilon = 0.999 * Math.min(...bounds);
    for (const recipe of all({ epsilon, norm: 'l2' })) {
      const { success } = await attack(model, recipe, { x }, truth);
      expect([recipe.name, success.some(Boolean)]).toEqual([recipe.name, false]);
    }
  });
});

test('masked gradients: the black-box attack and the margin beat the cross-entropy, whose gradient is exactly 0', async () => {
  const plain = linear(device, { n: 4, size: 6, classes: 3 });
  // f32 softmax saturates: the cross-entropy of the true class is 0, and its gradient too.
  const model = {
    ...plain.model,
    logits: (inputs: AttackInputs) => mul(plain.model.logits(inputs, 0), 1e5),
  };
  const budgets = { x: { epsilon: 1.5 * Math.max(...plain.distances.linf) } };
  const left = async (recipe: Parameters<typeof attack>[1]) =>
    (await attack(model, recipe, { x: plain.x }, plain)).success.filter((fooled) => !fooled).length;
  expect(await left(fgsmAttack({ budgets }))).toBe(4);
  expect(await left(squareAttack({ budgets, queries: 200 }))).toBe(0);
  expect(await left(cwInfAttack({ budgets }))).toBe(0);
});

describe('several modalities', () => {
  /** Two inputs whose logits add up: what each contributes to the margin is known. */
  const pair = () => {
    const [a, b] = [
      linear(device, { n: 3, size: 6, classes: 4 }),
      linear(device, { n: 3, size: 6, classes: 4 }),
    ];
    const model: AttackModel = {
      inputs: { rgb: [-2, 3], skeleton: undefined },
      logits: ({ rgb, skeleton }) =>
        add(a.model.logits({ x: rgb as Tensor }, 0), b.model.logits({ x: skeleton as Tensor }, 0)),
    };
    return { model, inputs: { rgb: a.x, skeleton: b.x }, labels: a.labels };
  };

  test.each(['linf', 'l2'] as const)(
    'move within their own %s budgets, and one without stays',
    async (norm) => {
      const { model, inputs, labels } = pair();
      for (const budgets of [
        { rgb: { epsilon: 0.2, norm }, skeleton: { epsilon: 0.05, norm } },
        { skeleton: { epsilon: 0.3, norm } },
        { rgb: { epsilon: 0, norm }, skeleton: { epsilon: 0.3, norm } },
      ])
        for (const recipe of [
          pgdAttack({ budgets }),
          apgdAttack({ budgets, steps: 10 }),
          fabAttack({ budgets, steps: 8 }),
          deepFoolAttack({ budgets }),
          squareAttack({ budgets, queries: 20 }),
        ]) {
          const found = await attack(model, recipe, inputs, { labels });
          for (const [name, { epsilon }] of Object.entries(budgets) as [
            keyof typeof inputs,
            { epsilon: number },
          ][]) {
            // Infinity where no smallest change was found.
            const sizes = found.norms[name] ?? [9];
            const most = (i: number) =>
              found.success[i] || !recipe.smallest || epsilon === 0 ? epsilon : Infinity;
            for (const [i, size] of sizes.entries()) expect(size).toBeLessThanOrEqual(most(i) * (1 + 1e-5));
          }
          if (!('rgb' in budgets) || budgets.rgb.epsilon === 0)
            expect(await bits(found.inputs.rgb as Tensor)).toEqual(await bits(inputs.rgb));
        }
    },
  );

  test('may have different norms', async () => {
    const { model, inputs, labels } = pair();
    const budgets = { rgb: { epsilon: 0.2 }, skeleton: { epsilon: 0.4, norm: 'l2' } } as const;
    for (const recipe of [
      pgdAttack({ budgets }),
      apgdAttack({ budgets, steps: 10 }),
      squareAttack({ budgets, queries: 20 }),
    ]) {
      const { norms } = await attack(model, recipe, inputs, { labels });
      expect(Math.max(...(norms.rgb ?? [9]))).toBeLessThanOrEqual(0.2 * (1 + 1e-5));
      expect(Math.max(...(norms.skeleton ?? [9]))).toBeLessThanOrEqual(0.4 * (1 + 1e-5));
    }
  });
});

describe('a random network', () => {
  test('is attacked through the mean of its draws, which differ from step to step', async () => {
    const plain = linear(device, { n: 4, size: 6, classes: 3 });
    const noisy = (draws: number): AttackModel => ({
      ...plain.model,
      draws,
      logits: ({ x }, seed) => {
        const noise = randomNormal(device, (x as Tensor).shape, { seed, stream: 7, std: 0.02 });
        return plain.model.logits({ x: add(dropout(x as Tensor, { rate: 0, seed }), noise) }, seed);
      },
    });
    const budgets = { x: { epsilon: 0.4 } };
    const recipe = pgdAttack({ budgets, steps: 4, randomStart: false });
    const losses = async (draws: number, seed: number, captured = true) =>
      (await attack(noisy(draws), recipe, { x: plain.x }, { ...plain, losses: true, seed, captured })).losses;
    expect(await losses(4, 1)).toEqual(await losses(4, 1, false));
    expect(await losses(4, 1)).not.toEqual(await losses(4, 2));
    const spread = async (draws: number) => {
      const starts = [];
      for (const seed of [1, 2, 3, 4, 5]) starts.push((await losses(draws, seed))[0]?.[0] ?? 0);
      return Math.max(...starts) - Math.min(...starts);
    };
    expect(await spread(32)).toBeLessThan(0.6 * (await spread(1)));
  });
});
