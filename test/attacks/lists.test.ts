import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApgdState, fromSupport } from '../../src/attacks/apgd-l1.ts';
import { attack } from '../../src/attacks/attacker.ts';
import { pgdAttack } from '../../src/attacks/first-order.ts';
import { runAttack } from '../../src/attacks/loop.ts';
import type { AttackModel } from '../../src/attacks/model.ts';
import { makeProblem } from '../../src/attacks/problem.ts';
import { Stepper } from '../../src/attacks/stepper.ts';
import { ShapeError } from '../../src/errors.ts';
import { add, mul } from '../../src/kernels/elementwise.ts';
import { reshape } from '../../src/kernels/layout.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { argmax } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';

const N = 4;
const SIZE = 6;
let device: Device;
let model: AttackModel;
let inputs: { readonly rgb: Tensor; readonly skeleton: Tensor };
let labels: Tensor;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  const [w, v] = [6, 7].map((seed) => device.tensor(numbers(SIZE * 3, seed), [SIZE, 3])) as [Tensor, Tensor];
  const sample = (seed: number) => device.tensor(numbers(N * SIZE, seed), [N, SIZE]);
  inputs = { rgb: sample(8), skeleton: sample(9) };
  model = {
    inputs: { rgb: undefined, skeleton: undefined },
    logits: ({ rgb, skeleton }) => add(matmul(rgb as Tensor, w), matmul(skeleton as Tensor, v)),
  };
  labels = argmax(model.logits(inputs, 0), { axes: 1 });
});
afterAll(() => device.dispose());

const on = (modality: string, epsilon: number) =>
  pgdAttack({ budgets: { [modality]: { epsilon } }, steps: 3 });

describe('attacks of a list on different modalities', () => {
  test('what an attack that failed left of a modality is not in what a later one found', async () => {
    const found = await attack(model, [on('rgb', 1e-3), on('skeleton', 100)], inputs, { labels });
    expect(found.by).toEqual(new Array(N).fill('PGD'));
    expect(found.norms.rgb).toEqual(new Array(N).fill(0));
    expect(await values(found.inputs.rgb as Tensor)).toEqual(await values(inputs.rgb));
    const seen = await values(argmax(model.logits(found.inputs, 0), { axes: 1 }));
    for (const [i, label] of (await values(labels)).entries()) expect(seen[i]).not.toBe(label);
  });

  test('where none succeeds, what the last one did is what comes back', async () => {
    const found = await attack(model, [on('rgb', 1e-3), on('skeleton', 1e-3)], inputs, { labels });
    expect(found.success).toEqual(new Array(N).fill(false));
    expect(found.norms.rgb).toEqual(new Array(N).fill(0));
    for (const size of found.norms.skeleton ?? []) expect(size).toBeCloseTo(1e-3, 6);
  });

  test('a sample has moved where the attack moved it that fooled the model, and nowhere else', async () => {
    const found = await attack(model, [on('rgb', 3), on('skeleton', 3)], inputs, { labels });
    const [rgb = [], skeleton = []] = [found.norms.rgb, found.norms.skeleton];
    expect(found.success).toEqual(new Array(N).fill(true));
    expect(rgb.map((size, i) => [size, skeleton[i]].filter((moved) => moved === 0).length)).toEqual([
      1, 1, 1, 1,
    ]);
  });

  test('one modality in two norms is an error', async () => {
    const l2 = pgdAttack({ budgets: { rgb: { epsilon: 1, norm: 'l2' } } });
    await expect(attack(model, [on('rgb', 1), l2], inputs, { labels })).rejects.toThrow(
      new ShapeError('attack', 'one list cannot move rgb in linf and in l2: run two attacks'),
    );
  });
});

test('a stepper that has served one attack serves another, and another model', async () => {
  const doubled = { ...model, logits: (x: typeof inputs, s: number) => mul(model.logits(x, s), -1) };
  const shared = new Stepper();
  const run = async (recipe: ReturnType<typeof on>, which: AttackModel, stepper: Stepper) => {
    const { problem } = makeProblem(which, inputs, { labels }, recipe.budgets, recipe.name);
    return values(runAttack(recipe, problem, stepper).points[0] as Tensor);
  };
  const cases = [
    [on('rgb', 0.1), model],
    [on('rgb', 0.2), model],
    [on('rgb', 0.2), doubled as AttackModel],
  ] as const;
  for (const [recipe, which] of cases) {
    const alone = new Stepper();
    expect(await run(recipe, which, shared)).toEqual(await run(recipe, which, alone));
    alone.dispose();
  }
  shared.dispose();
});

test('fooled samples leave PGD within a run, with what others get unchanged', async () => {
  const rows: number[] = [];
  const counting: AttackModel = {
    inputs: { rgb: undefined },
    logits({ rgb }) {
      rows.push((rgb as Tensor).shape[0] ?? 0);
      return model.logits({ rgb: rgb as Tensor, skeleton: gatherFirst((rgb as Tensor).shape[0] ?? 0) }, 0);
    },
  };
  const gatherFirst = (n: number) => device.tensor(new Float32Array(n * SIZE), [n, SIZE]);
  const rgb = device.tensor(numbers(8 * SIZE, 8), [8, SIZE]);
  const eight = argmax(counting.logits({ rgb }, 0), { axes: 1 });
  const recipe = pgdAttack({ budgets: { rgb: { epsilon: 0.15 } }, steps: 60, randomStart: false });
  const all = await attack(counting, recipe, { rgb }, { labels: eight, compact: false });
  const robust = all.success.filter((success) => !success).length;
  expect(robust).toBeGreaterThan(0);
  expect(robust).toBeLessThan(6);
  rows.length = 0;
  const found = await attack(counting, recipe, { rgb }, { labels: eight });
  expect(found.success).toEqual(all.success);
  expect(rows).toContain(robust);
});

test('APGD in ℓ1 that begins at a moved point goes on with as many elements as that has moved, over 1.5', async () => {
  const origin = device.tensor(new Float32Array(12), [2, 6]);
  const best = [device.tensor([1, 0, 2, 0, 3, 0, 0, 0, 0, 4, 0, 0], [2, 6])];
  const { problem } = makeProblem(
    { inputs: { x: undefined }, logits: ({ x }) => reshape(x as Tensor, [2, 6]) },
    { x: origin },
    { labels: device.tensor(Int32Array.of(0, 0)) },
    { x: { epsilon: 1, norm: 'l1' } },
    'APGD',
  );
  const state = fromSupport({ best, eta: device.tensor([1, 1]) } as unknown as ApgdState, problem);
  expect(await values(state.support)).toEqual([3, 1]);
  const share = await values(state.share);
  expect(share[0]).toBeCloseTo(3 / 6 / 1.5, 6);
  expect(share[1]).toBeCloseTo(1 / 6 / 1.5, 6);
});
