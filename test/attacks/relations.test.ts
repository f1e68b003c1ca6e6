import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apgdAttack } from '../../src/attacks/apgd.ts';
import type { Attack } from '../../src/attacks/attack.ts';
import { type AttackOptions, attack } from '../../src/attacks/attacker.ts';
import { autoAttack } from '../../src/attacks/auto-attack.ts';
import { cwL2Attack } from '../../src/attacks/cw.ts';
import { deepFoolAttack } from '../../src/attacks/deep-fool.ts';
import { fabAttack } from '../../src/attacks/fab.ts';
import { cwInfAttack, fgsmAttack, miFgsmAttack, pgdAttack } from '../../src/attacks/first-order.ts';
import { runAttack } from '../../src/attacks/loop.ts';
import { dlrObjective } from '../../src/attacks/losses.ts';
import type { AttackInputs } from '../../src/attacks/model.ts';
import type { Norm } from '../../src/attacks/norms.ts';
import { pgd } from '../../src/attacks/pgd.ts';
import { makeProblem } from '../../src/attacks/problem.ts';
import { squareAttack } from '../../src/attacks/square.ts';
import { Stepper } from '../../src/attacks/stepper.ts';
import { grad } from '../../src/autograd/grad.ts';
import { add } from '../../src/kernels/elementwise.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { argmax, sum } from '../../src/kernels/reduce.ts';
import { capture } from '../../src/tensor/capture.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { bits, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { type Trained, trained } from './network.ts';

let device: Device;
let net: Trained;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  net = trained(device);
});
afterAll(() => device.dispose());

const EPSILON = 0.07;
const at = (epsilon: number, norm: Norm = 'linf') => ({ x: { epsilon, norm } });
const run = (
  attacks: Attack | readonly Attack[],
  options: Partial<AttackOptions> & { compact?: boolean } = {},
) => attack(net.model, attacks, { x: net.x }, { labels: net.labels, ...options });
const robust = (success: readonly boolean[]) => success.filter((fooled) => !fooled).length;

test('what is called a success is one: the model, asked again, is fooled within ε and range', async () => {
  const epsilon = 0.11;
  const budgets = at(epsilon);
  for (const recipe of [
    pgdAttack({ budgets }),
    squareAttack({ budgets, queries: 40 }),
    fabAttack({ budgets, steps: 5, targets: 3 }),
  ]) {
    const found = await run(recipe);
    const chosen = await values(argmax(net.model.logits(found.inputs, 0), { axes: 1 }));
    const truth = await values(net.labels);
    expect(chosen.map((choice, i) => choice !== truth[i])).toEqual(found.success);
    const [moved, clean] = [await values(found.inputs.x as Tensor), await values(net.x)];
    expect(Math.max(...moved.map((value, i) => Math.abs(value - (clean[i] ?? 9))))).toBeLessThan(
      epsilon + 2 ** -20,
    );
    expect([Math.min(...moved) >= 0, Math.max(...moved) <= 1]).toEqual([true, true]);
    expect(robust(found.success)).toBeLessThan(12);
  }
});

test('AutoAttack ≤ each part; APGD ≤ PGD ≤ FGSM; more steps and larger ε never help the model', async () => {
  const budgets = at(EPSILON);
  const left = async (recipe: Attack | readonly Attack[]) => robust((await run(recipe)).success);
  const parts = [
    apgdAttack({ budgets, steps: 20, restarts: 3 }),
    apgdAttack({ budgets, steps: 20, loss: dlrObjective, targets: 9 }),
    fabAttack({ budgets, steps: 10 }),
    squareAttack({ budgets, queries: 60 }),
  ];
  const { success, by } = await run(parts);
  const all = robust(success);
  // Each part is credited with what it was the first to fool.
  expect(by.filter((name) => name === undefined).length).toBe(all);
  expect(by.filter((name) => name === parts[0]?.name).length).toBe(12 - (await left(parts[0] as Attack)));
  const each: number[] = [];
  for (const part of parts) each.push(await left(part));
  for (const one of each) expect(all).toBeLessThanOrEqual(one);
  // As many starts as APGD has: from the sample alone, or from one point alone, chance decides between two samples.
  const pgd20 = await left(pgdAttack({ budgets, steps: 20, restarts: 3 }));
  const one = await left(fgsmAttack({ budgets }));
  expect(each[0]).toBeLessThanOrEqual(pgd20);
  expect(pgd20).toBeLessThanOrEqual(one);
  expect(one).toBeGreaterThan(0);
  expect(all).toBeLessThan(one);
  expect(await left(pgdAttack({ budgets: at(1), steps: 20, randomStart: false }))).toBe(0);
});

test('AutoAttack is the four published attacks', () => {
  expect(autoAttack({ budgets: at(1) }).map(({ name, steps }) => [name, steps])).toEqual([
    ['APGD (cross-entropy)', 100],
    ['APGD-T (DLR)', 100],
    ['FAB-T', 100],
    ['Square', 4999],
  ]);
  const names = (norm: Norm) => autoAttack({ budgets: at(1, norm) }).map(({ name }) => name);
  expect(names('l1')).toEqual(names('linf'));
  expect(autoAttack({ budgets: at(1), version: 'rand' }).map(({ name }) => name)).toEqual([
    'APGD (cross-entropy)',
    'APGD (DLR)',
  ]);
});

test('attacks that look for the smallest change agree on its order', async () => {
  const budgets = at(Number.POSITIVE_INFINITY, 'l2');
  const means = [];
  for (const recipe of [
    deepFoolAttack({ budgets, steps: 20 }),
    cwL2Attack({ budgets, searches: 4 }),
    fabAttack({ budgets, steps: 20 }),
  ]) {
    const { norms, success } = await run(recipe);
    expect(robust(success)).toBe(0);
    means.push((norms.x ?? []).reduce((a, b) => a + b, 0) / 12);
  }
  const [deepFool, cw, fab] = means as [number, number, number];
  expect(fab).toBeLessThan(deepFool * 1.01);
  expect(Math.max(...means) / Math.min(...means)).toBeLessThan(2);
  expect(cw).toBeGreaterThan(fab / 2);
});

describe('the same bits', () => {
  const recipes = () => {
    const budgets = at(EPSILON);
    return [
      miFgsmAttack({ budgets, steps: 4 }),
      pgdAttack({ budgets, steps: 3, restarts: 3 }),
      apgdAttack({ budgets, steps: 12 }),
      fabAttack({ budgets, steps: 12, targets: 2 }),
      squareAttack({ budgets, queries: 130 }),
      cwL2Attack({ budgets: at(0.5, 'l2'), steps: 5, searches: 3 }),
      deepFoolAttack({ budgets: at(1), steps: 12 }),
      squareAttack({ budgets: at(0.3, 'l2'), queries: 20 }),
      squareAttack({ budgets: at(1, 'l1'), queries: 20 }),
    ];
  };
  test.each(recipes().map((recipe) => [recipe.name, recipe] as const))(
    '%s: captured or not, and with the batch compacted or not',
    async (_, recipe) => {
      const bitsOf = async (options: object) => {
        const found = await run(recipe, { seed: 5, ...options });
        const moved = await bits(found.inputs.x as Tensor);
        // A sample that was not fooled ends where its last run ended, in either case.
        return { success: found.success, moved };
      };
      const captured = await bitsOf({});
      expect(await bitsOf({ captured: false })).toEqual(captured);
      const whole = await bitsOf({ compact: false });
      expect(whole.success).toEqual(captured.success);
    },
  );

  test('for the same seed, other bits for another', async () => {
    const recipe = pgdAttack({ budgets: at(EPSILON), steps: 2 });
    const moved = async (seed: number) => bits((await run(recipe, { seed })).inputs.x as Tensor);
    expect(await moved(3)).toEqual(await moved(3));
    expect(await moved(3)).not.toEqual(await moved(4));
  });

  test('as the function pgd, and inside a captured step', async () => {
    const recipe = pgdAttack({ budgets: at(EPSILON), steps: 4, randomStart: false });
    const { problem } = makeProblem(net.model, { x: net.x }, net, recipe.budgets);
    const stepper = new Stepper();
    const points = (x: Tensor) =>
      runAttack(recipe, { ...problem, origins: [x] }, stepper).points[0] as Tensor;
    const loss = (x: Tensor) =>
      sum(crossEntropy(net.model.logits({ x }, 0), net.labels, { reduction: 'none' }));
    const expected = await bits(
      pgd(loss, net.x, {
        epsilon: EPSILON,
        stepSize: EPSILON / 4,
        steps: 4,
        range: [0, 1],
        randomStart: false,
      }),
    );
    expect(await bits(points(net.x))).toEqual(expected);
    const step = capture(points);
    step(net.x);
    expect(await bits(step(net.x))).toEqual(expected);
    step.dispose();
    stepper.dispose();
  });
});

test('compaction changes nothing that a sample sees: the adversarial inputs of a restarted attack are those of each alone', async () => {
  const recipe = pgdAttack({ budgets: at(EPSILON), steps: 3, restarts: 4 });
  const [small, whole] = [await run(recipe), await run(recipe, { compact: false })];
  expect(await bits(small.inputs.x as Tensor)).toEqual(await bits(whole.inputs.x as Tensor));
  expect(small.norms).toEqual(whole.norms);
});

test('restarts only add successes', async () => {
  const left = async (restarts: number) =>
    robust((await run(pgdAttack({ budgets: at(0.05), steps: 3, restarts }))).success);
  const found = [await left(1), await left(3), await left(6)];
  expect(found).toEqual(found.toSorted((a, b) => b - a));
});

test('targeted attacks reach their class, or say that they did not', async () => {
  const truth = await values(net.labels);
  const targets = device.tensor(Int32Array.from(truth, (label) => (label + 1) % 4));
  const budgets = at(0.5);
  for (const recipe of [
    pgdAttack({ budgets, steps: 20 }),
    cwInfAttack({ budgets, steps: 20 }),
    apgdAttack({ budgets, steps: 20, loss: dlrObjective }),
    fabAttack({ budgets, steps: 10 }),
    deepFoolAttack({ budgets, steps: 20 }),
    squareAttack({ budgets, queries: 60 }),
    cwL2Attack({ budgets: at(4, 'l2'), searches: 3 }),
  ]) {
    const found = await run(recipe, { targets });
    const chosen = await values(argmax(net.model.logits(found.inputs, 0), { axes: 1 }));
    expect([recipe.name, found.success]).toEqual([
      recipe.name,
      chosen.map((one, i) => one === ((truth[i] ?? 0) + 1) % 4),
    ]);
    expect([recipe.name, robust(found.success) < 12]).toEqual([recipe.name, true]);
  }
});

test('losses of each step are returned on request, and rise', async () => {
  const { losses } = await run(pgdAttack({ budgets: at(EPSILON), steps: 5, randomStart: false }), {
    losses: true,
  });
  expect(losses.length).toBe(5);
  const means = losses.map((row) => row.reduce((a, b) => a + b, 0) / row.length);
  expect(means.at(-1)).toBeGreaterThan(2 * (means[0] ?? 99));
  expect((await run(fgsmAttack({ budgets: at(EPSILON) }))).losses).toEqual([]);
});

test('a step is one forward pass, the gradient of the input, and what the attack decides', () => {
  const recipe = pgdAttack({ budgets: at(EPSILON), steps: 7, randomStart: false });
  // The network twice: large beside what an attack decides.
  const logits = (inputs: AttackInputs) => add(net.model.logits(inputs, 0), net.model.logits(inputs, 0));
  const { problem } = makeProblem({ ...net.model, logits }, { x: net.x }, net, recipe.budgets);
  const launches = (action: () => void) => {
    const before = device.queue.dispatches;
    device.scope(action);
    return device.queue.dispatches - before;
  };
  const attacked = (steps: number) =>
    launches(() => void runAttack({ ...recipe, steps }, problem, new Stepper(false)));
  const lossOf = () => sum(crossEntropy(logits({ x: net.x }), net.labels, { reduction: 'none' }));
  const forward = launches(() => void lossOf());
  const gradient = launches(() => void grad(lossOf, [net.x]));
  const step = attacked(3) - attacked(2);
  expect(step).toBe(attacked(7) - attacked(6));
  expect(step).toBeGreaterThanOrEqual(gradient);
  // What is left is too little for another forward pass with its gradient.
  expect(step).toBeLessThan(gradient + forward + 14);
  expect(step).toBeLessThan(2 * gradient);
});

test('within a phase nothing is read, however many steps it has; between two a mask is', async () => {
  const { queue } = device;
  const read = queue.read.bind(queue);
  let reads = 0;
  queue.read = (...args) => {
    reads++;
    return read(...args);
  };
  const readsOf = async (steps: number) => {
    reads = 0;
    await attack(net.model, apgdAttack({ budgets: at(EPSILON), steps }), { x: net.x }, net);
    return reads;
  };
  try {
    const once = await readsOf(3);
    expect(await readsOf(24)).toBe(once);
    expect(await readsOf(30)).toBeGreaterThan(once);
    expect(await readsOf(30)).toBeLessThanOrEqual(once + 2);
  } finally {
    queue.read = read;
  }
});

test('all memory but the result is given back', async () => {
  const recipe = apgdAttack({ budgets: at(EPSILON), steps: 6, restarts: 2 });
  const before = device.memory().live;
  for (let i = 0; i < 2; i++) (await run(recipe)).inputs.x?.dispose();
  expect(device.memory().live).toBe(before);
});
