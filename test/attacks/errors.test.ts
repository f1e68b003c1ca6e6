import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apgdAttack } from '../../src/attacks/apgd.ts';
import type { Attack } from '../../src/attacks/attack.ts';
import { type AttackOptions, attack } from '../../src/attacks/attacker.ts';
import { autoAttack } from '../../src/attacks/auto-attack.ts';
import { cwL2Attack } from '../../src/attacks/cw.ts';
import { deepFoolAttack } from '../../src/attacks/deep-fool.ts';
import { fabAttack } from '../../src/attacks/fab.ts';
import { fgsm } from '../../src/attacks/fgsm.ts';
import {
  bimAttack,
  cwInfAttack,
  fgsmAttack,
  miFgsmAttack,
  pgdAttack,
} from '../../src/attacks/first-order.ts';
import { dlrObjective } from '../../src/attacks/losses.ts';
import type { AttackInputs, AttackModel } from '../../src/attacks/model.ts';
import { squareAttack } from '../../src/attacks/square.ts';
import { AttackError, KernelwrightError, ShapeError } from '../../src/errors.ts';
import { add, div, log, mul, sqrt, square, sub } from '../../src/kernels/elementwise.ts';
import { batchNorm } from '../../src/kernels/norm.ts';
import { dropout } from '../../src/kernels/random.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { type Linear, linear } from './linear.ts';

let device: Device;
let two: Linear;
let three: Linear;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  two = linear(device, { n: 4, size: 4, classes: 2, range: [0, 1] });
  three = linear(device, { n: 4, size: 4, classes: 3, range: [0, 1] });
});
afterAll(() => device.dispose());

const budgets = { x: { epsilon: 0.1 } };
const run = (
  recipe: Attack | readonly Attack[],
  {
    model = three.model,
    x = three.x,
    ...options
  }: Partial<AttackOptions> & { model?: AttackModel; x?: Tensor } = {},
  inputs: AttackInputs = { x },
) => attack(model, recipe, inputs, { labels: three.labels, ...options });
const fails = async (promise: () => Promise<unknown>, kind: typeof ShapeError, message: RegExp) => {
  const error = await promise().then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(kind);
  expect(String(error)).toMatch(message);
};
/** Calls `make` when awaited, so that what makers throw counts too. */
const made =
  (make: () => Attack | readonly Attack[], options = {}) =>
  async () =>
    run(make(), options);

describe('a ShapeError that says what to do', () => {
  const wrong = (budget: object) => () => pgdAttack({ budgets: { x: { epsilon: 0.1, ...budget } } });
  test.each([
    ['ε < 0', wrong({ epsilon: -1 }), /epsilon must be a number of at least 0; got -1/],
    ['ε = NaN', wrong({ epsilon: Number.NaN }), /epsilon must be a number of at least 0; got NaN/],
    ['step size', wrong({ stepSize: -1 }), /stepSize must be a finite number of at least 0; got -1/],
    ['norm', wrong({ norm: 'l3' }), /norm must be linf, l2, l1; got l3/],
    [
      'modality',
      () => fgsmAttack({ budgets: { rgb: { epsilon: 1 } } }),
      /the model has no 'rgb'; it takes x/,
    ],
    ['steps', () => pgdAttack({ budgets, steps: -1 }), /steps must be a whole number of at least 0; got -1/],
    [
      'restarts',
      () => pgdAttack({ budgets, restarts: 0 }),
      /restarts must be a whole number of at least 1; got 0/,
    ],
    ['no attack', () => [], /needs at least one attack/],
    [
      'targeted DLR',
      () => apgdAttack({ budgets, loss: dlrObjective, targets: 9 }),
      /targeted DLR needs at least 4 classes; the model has 3/,
    ],
    ['AutoAttack', () => autoAttack({ budgets }), /targeted DLR needs at least 4 classes/],
    ['CW in ℓ∞', () => cwL2Attack({ budgets }), /CW ℓ2: needs one norm for all modalities, of l2; got linf/],
    [
      'DeepFool in ℓ1',
      () => deepFoolAttack({ budgets: { x: { epsilon: 1, norm: 'l1' } } }),
      /DeepFool: needs one norm.*linf, l2; got l1/,
    ],
    [
      'FAB restarts',
      () => fabAttack({ budgets: { x: { epsilon: Number.POSITIVE_INFINITY } }, restarts: 2 }),
      /FAB-T: restarts begin at random points; x: epsilon = Infinity.*give a finite epsilon/,
    ],
  ])('%s', async (name, make, message) => {
    const model = { ...three.model, inputs: { x: undefined } };
    await fails(made(make, name === 'FAB restarts' ? { model } : {}), ShapeError, message);
  });

  test('DLR with 2 classes', async () => {
    const options = { model: two.model, x: two.x, labels: two.labels };
    await fails(
      made(() => apgdAttack({ budgets, loss: dlrObjective }), options),
      ShapeError,
      /DLR needs at least 3 classes; the model has 2; take/,
    );
  });

  test('labels and targets of another shape or type, seeds, inputs that are missing', async () => {
    const recipe = fgsmAttack({ budgets });
    await fails(
      () => run(recipe, { labels: device.tensor([0, 1, 2, 0]) }),
      ShapeError,
      /labels must be i32 \[4\]; got/,
    );
    await fails(
      () => run(recipe, { targets: device.tensor(Int32Array.of(1)) }),
      ShapeError,
      /targets must be i32 \[4\]; got/,
    );
    await fails(
      async () => run(recipe, { seed: -1 }),
      ShapeError,
      /seed must be a whole number below 2\^32; got -1/,
    );
    await fails(() => run(recipe, {}, {}), ShapeError, /the model takes x; x is missing/);
    const model = { ...three.model, draws: 0 };
    await fails(() => run(recipe, { model }), ShapeError, /draws must be in 1 … 128; got 0/);
    const flat = { ...three.model, logits: () => three.x };
    await fails(
      () => run(recipe, { model: { ...flat, logits: () => device.tensor([1]) } }),
      ShapeError,
      /must give logits \[4, classes\]/,
    );
  });

  test('targets that were lost on the way', async () => {
    const lost = { targets: undefined } as object as Partial<AttackOptions>;
    await fails(
      () => run(pgdAttack({ budgets }), lost),
      ShapeError,
      /targets is undefined; give i32 \[N\], or leave it out for an untargeted attack/,
    );
  });

  test('targets for an attack that chooses its own', async () => {
    const options = { targets: device.tensor(Int32Array.of(0, 1, 2, 0)) };
    const four = linear(device, { n: 4, size: 4, classes: 4 });
    const recipe = apgdAttack({ budgets, loss: dlrObjective, targets: 2 });
    await fails(
      () => run(recipe, { ...options, ...four }),
      ShapeError,
      /APGD-T \(DLR\): it chooses its targets itself; leave out 'targets'/,
    );
  });
});

describe('an AttackError that says what to do', () => {
  const recipe = () => fgsmAttack({ budgets });

  test('inputs out of their range', async () => {
    const x = device.tensor(new Float32Array(16).fill(1.5), [4, 4]);
    await fails(
      () => run(recipe(), { x }),
      AttackError,
      /x must lie in \[0, 1\]; got 1\.5 … 1\.5\. Scale it, or declare its range/,
    );
    const bad = device.tensor(new Float32Array(16).fill(Number.NaN), [4, 4]);
    await fails(() => run(recipe(), { x: bad }), AttackError, /x has an element that is NaN/);
  });

  test('labels and targets that are no class', async () => {
    await fails(
      () => run(recipe(), { labels: device.tensor(Int32Array.of(0, 1, 3, 0)) }),
      AttackError,
      /FGSM: labels must be in 0 … 2; got 3 for sample 2/,
    );
    await fails(
      () => run(recipe(), { targets: device.tensor(Int32Array.of(0, -1, 2, 0)) }),
      AttackError,
      /targets must be in 0 … 2; got -1 for sample 1/,
    );
    const labels = device.tensor(Int32Array.of(0, 1, 2, 0));
    await fails(
      () => run(recipe(), { labels, targets: device.tensor(Int32Array.of(1, 2, 2, 0)) }),
      AttackError,
      /FGSM: targets must be other classes than the labels; sample 2 has 2 for both\. Choose another/,
    );
  });

  test('a model in training mode', async () => {
    const normal = (logits: Tensor) =>
      batchNorm(logits, device.tensor([1, 1, 1]), device.tensor([0, 0, 0])).y;
    const dropped = (logits: Tensor) => dropout(logits, { rate: 0.5, seed: 1 });
    for (const layer of [normal, dropped]) {
      const model = {
        ...three.model,
        logits: (inputs: AttackInputs) => layer(three.model.logits(inputs, 0)),
      };
      await fails(() => run(recipe(), { model }), AttackError, /the model is in training mode/);
    }
  });

  test('logits that are no numbers: at the clean inputs, and at a step with the share of samples', async () => {
    const { model, x } = three;
    const nowhere = { ...model, logits: (inputs: AttackInputs) => div(model.logits(inputs, 0), 0) };
    const clean = /logits are NaN or infinite at the clean inputs for 100\.0 % of 4 samples/;
    await fails(() => run(recipe(), { model: nowhere }), AttackError, clean);
    // The logarithm of what is left of a distance that two of the samples must not go.
    const reach = device.tensor([0.001, 10, 0.001, 10], [4, 1]);
    const brittle = (inputs: AttackInputs) => {
      const distance = sum(square(sub(inputs.x as Tensor, x)), { axes: 1, keepDims: true });
      return add(model.logits(inputs, 0), mul(log(sub(reach, distance)), 0));
    };
    const message = /FGSM: logits or input gradients are NaN or infinite at step 1 for 50\.0 % of 4 samples/;
    await fails(() => run(recipe(), { model: { ...model, logits: brittle } }), AttackError, message);
  });

  test('gradients that are no numbers where logits are: not a robust network', async () => {
    const { model } = three;
    const root = (inputs: AttackInputs) => {
      const nothing = sum(sqrt(mul(inputs.x as Tensor, 0)), { axes: 1, keepDims: true });
      return add(model.logits(inputs, 0), nothing);
    };
    for (const attacked of [
      fgsmAttack({ budgets }),
      pgdAttack({ budgets, randomStart: false }),
      fabAttack({ budgets, steps: 3, targets: 1 }),
      deepFoolAttack({ budgets, steps: 3 }),
      cwL2Attack({ budgets: { x: { epsilon: 1, norm: 'l2' } }, steps: 2, searches: 1 }),
    ])
      await fails(
        () => run(attacked, { model: { ...model, logits: root } }),
        AttackError,
        /input gradients are NaN/,
      );
  });

  test.each([
    ['decay', 'MI-FGSM', () => miFgsmAttack({ budgets, decay: Number.NaN })],
    ['c', 'CW ℓ2', () => cwL2Attack({ budgets: { x: { epsilon: 1, norm: 'l2' } }, c: -1 })],
    ['rho', 'APGD (cross-entropy)', () => apgdAttack({ budgets, rho: Number.NaN })],
    ['eta', 'FAB-T', () => fabAttack({ budgets, eta: Number.NaN })],
    ['overshoot', 'DeepFool', () => deepFoolAttack({ budgets, overshoot: -1 })],
  ])('an option out of its range: %s', (name, op, make) => {
    expect(make).toThrow(
      expect.objectContaining({ op, message: expect.stringContaining(`${name} must be in [`) }),
    );
    expect(make).toThrow(ShapeError);
  });

  test('the attack is named, and the modality', async () => {
    const opOf = async (make: () => Attack | readonly Attack[], options: Partial<AttackOptions> = {}) => {
      const error: unknown = await made(make, options)().catch((cause: unknown) => cause);
      return error instanceof KernelwrightError ? [error.op, error.message] : undefined;
    };
    const wrong = { x: { epsilon: -1 } };
    expect(await opOf(() => cwInfAttack({ budgets: wrong }))).toEqual([
      'CW∞',
      'CW∞: x: epsilon must be a number of at least 0; got -1',
    ]);
    const both = [fgsmAttack({ budgets }), squareAttack({ budgets: wrong, queries: 2 })];
    expect((await opOf(() => both))?.[0]).toBe('Square');
    const labels = device.tensor(Int32Array.of(0, 0, 9, 0));
    expect((await opOf(() => bimAttack({ budgets }), { labels }))?.[0]).toBe('BIM');
    // Of a list none is to blame for what it is given.
    expect((await opOf(() => both.slice(0, 1).concat(both.slice(0, 1)), { labels }))?.[0]).toBe('attack');
    expect(() => fgsm((x) => sum(x), three.x, { epsilon: -1 })).toThrow(/^fgsm: epsilon/);
  });

  test('FGSM steps by ε whatever step size a budget names', async () => {
    const small = { x: { epsilon: 0.2, stepSize: 0.01 } };
    const { norms } = await run(fgsmAttack({ budgets: small }));
    expect(Math.max(...(norms.x ?? []))).toBeCloseTo(0.2, 5);
  });
});
