import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  Attacker,
  apgdAttack,
  attack,
  attackModel,
  auditRobustness,
  autoAttack,
  bimAttack,
  boneLengthAttack,
  bonePgdAttack,
  cleanStart,
  cwInfAttack,
  cwL2Attack,
  deepFoolAttack,
  fabAttack,
  fgsm,
  fgsmAttack,
  iterativeAttack,
  makeProblem,
  marginObjective,
  miFgsmAttack,
  PgdAttack,
  pgd,
  pgdAttack,
  pgdJoint,
  smartAttack,
  squareAttack,
} from '../../src/attacks/index.ts';
import { checkNames } from '../../src/errors.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { expectRefusals } from '../plain.ts';
import { type Linear, linear } from './linear.ts';

let device: Device;
let net: Linear;
beforeAll(async () => {
  device = await openTestDevice();
  net = linear(device, { n: 3, size: 6, classes: 4, range: [0, 1] });
});
afterAll(() => device.dispose());

const budgets = { x: { epsilon: 0.1, norm: 'l2' } } as const;

test.each([
  ['epsilonn', 'epsilon'],
  ['epslon', 'epsilon'],
  ['epsilom', 'epsilon'],
  ['espilon', 'epsilon'],
  ['Epsilon', 'epsilon'],
  ['stepsize', 'stepSize'],
])('%s is a slip of the finger for %s', (name, meant) => {
  const check = () => checkNames('op', { [name]: 1 }, ['epsilon', 'stepSize'] as never);
  expect(check).toThrow(`op: options have no '${name}'; '${meant}' is meant`);
});

test('other names are let be, and so are those that are known', () => {
  const given = { epsilon: 1, eps: 1, epsilons: 1, q: 1, classes: 1, stepSize: 1 };
  expect(() =>
    checkNames('op', given, ['epsilon', 'stepSize', 'losses', 'epsilons', 'p'] as never),
  ).not.toThrow();
});

test('an Attacker refuses the names of other libraries as attack does', async () => {
  const attacker = new Attacker(net.model, pgdAttack({ budgets }));
  const options = { labels: net.labels, targeted: true };
  expect(() => attacker.attack({ x: net.x }, options)).toThrow(
    "PGD: options have no 'targeted'; 'targets' is meant",
  );
  attacker.dispose();
});

test('a slip is one only where what is meant is missing, and not between short names', () => {
  expect(() => checkNames('op', { epsilon: 1, epsilons: 1 }, ['epsilons'] as never)).not.toThrow();
  expect(() => checkNames('op', { eta: 1 }, ['beta'] as never)).not.toThrow();
});

test('a batch of no samples has balls in every norm', () => {
  const x = device.tensor([], [0, 5]);
  for (const norm of ['linf', 'l2', 'l1'] as const) {
    const options = { epsilon: 0.1, norm, range: [0, 1], steps: 1 } as const;
    expect(pgd((points) => sum(points), x, options).shape).toEqual([0, 5]);
  }
});

describe('plain JavaScript', () => {
  const mine = { name: 'mine', steps: 1, loss: marginObjective, start: cleanStart, relativeStep: 1 };
  const makers: readonly (readonly [string, unknown, object])[] = [
    ['FGSM', fgsmAttack, {}],
    ['BIM', bimAttack, {}],
    ['MI-FGSM', miFgsmAttack, {}],
    ['PGD', pgdAttack, {}],
    ['CW∞', cwInfAttack, {}],
    ['APGD', apgdAttack, {}],
    ['FAB-T', fabAttack, {}],
    ['DeepFool', deepFoolAttack, {}],
    ['CW ℓ2', cwL2Attack, {}],
    ['Square', squareAttack, {}],
    ['SMART', smartAttack, { parents: [-1, 0] }],
    ['bone-preserving PGD', bonePgdAttack, { parents: [-1, 0] }],
    ['iterativeAttack', iterativeAttack, mine],
    ['AutoAttack', autoAttack, {}],
  ];
  test.each(makers)('%s is refused options and budgets that are none', async (op, make, rest) => {
    await expectRefusals(make, [
      [[], new RegExp(`${op}: needs options \\(.*budgets.*\\); got undefined`)],
      [[null], new RegExp(`${op}: needs options .*; got null`)],
      [[{ ...rest }], new RegExp(`${op}: needs budgets, such as .*; got undefined`)],
      [[{ ...rest, budgets: 'x' }], new RegExp(`${op}: needs budgets, .*; got the text "x"`)],
      [[{ ...rest, budgets: { x: 0.1 } }], new RegExp(`${op}: needs budgets of x .*; got 0.1`)],
      [[{ ...rest, budgets: { x: { epsilonn: 1 } } }], /budgets of x have no 'epsilonn'; 'epsilon' is meant/],
      [[{ ...rest, budgest: budgets }], new RegExp(`${op}: options have no 'budgest'; 'budgets' is meant`)],
      [[{ ...rest, budgets, loss: 'ce' }], /needs a loss such as crossEntropyObjective; got the text "ce"/],
    ]);
  });

  test.each([
    ['eps', 'epsilon'],
    ['alpha', 'stepSize'],
    ['stepSize', 'stepSize'],
    ['epsilon', 'epsilon'],
    ['norm', 'norm'],
    ['n_iter', 'steps'],
    ['lr', 'learningRate'],
    ['kappa', 'confidence'],
    ['n_queries', 'queries'],
    ['targeted', 'targets'],
    ['targets', 'targets'],
  ])('%s is no option of a recipe: %s', async (name, meant) => {
    const message = new RegExp(`PGD: options have no '${name}'; '${meant}'.* is meant`);
    await expectRefusals(pgdAttack, [[[{ budgets, [name]: 1 }], message]]);
    const truth = { labels: net.labels, [name]: 1 };
    if (name === 'targets') return;
    await expectRefusals(attack, [
      [
        [net.model, pgdAttack({ budgets }), { x: net.x }, truth],
        new RegExp(`attack: options have no '${name}'`),
      ],
    ]);
  });

  test('names of other libraries say where what they mean goes', async () => {
    await expectRefusals(pgdAttack, [
      [[{ budgets, alpha: 1 }], /'stepSize' in budgets is meant/],
      [[{ budgets: { x: { eps: 1 } } }], /budgets of x have no 'eps'; 'epsilon' is meant/],
      [[{ budgets: { x: { epsilon: 0.1, alpha: 1 } } }], /budgets of x have no 'alpha'; 'stepSize' is meant/],
      [[{ budgets, targeted: true }], /'targets', a Tensor i32 \[N\] given to attack, is meant/],
      [[{ budgets, kappa: 1 }], /'confidence' of cwL2Attack is meant/],
    ]);
    await expectRefusals(cwL2Attack, [[[{ budgets, kappa: 1 }], /'confidence' is meant/]]);
    await expectRefusals(squareAttack, [[[{ budgets, n_queries: 1 }], /'queries' is meant/]]);
  });

  test('names that a maker takes, and those of no library, pass', () => {
    const l2 = { budgets, constructor: 1, classes: 3 };
    expect(fabAttack({ ...l2, alphaMax: 0.2, targets: 2 } as never).name).toMatch('FAB');
    expect(squareAttack({ ...l2, queries: 5 } as never).steps).toBe(4);
    expect(boneLengthAttack({ parents: [-1, 0], stepSize: 0.1 }).steps).toBe(50);
  });

  test('parts of an attack, and parents', async () => {
    const skeleton = { budgets: { skeleton: { epsilon: 0.1 } } };
    await expectRefusals(smartAttack, [
      [[skeleton], /SMART: needs parents, a list of joints; got undefined/],
    ]);
    await expectRefusals(boneLengthAttack, [
      [[], /bone length: needs options .*; got undefined/],
      [[{}], /bone length: needs parents/],
      [[{ parents: [-1], chnage: 1 }], /'change' is meant/],
    ]);
    await expectRefusals(iterativeAttack, [
      [[{ ...mine, budgets, start: undefined }], /iterativeAttack: needs start, a function; got undefined/],
      [[{ ...mine, budgets, project: 3 }], /needs project, a function; got 3/],
      [[{ ...mine, budgets, loss: undefined }], /needs a loss .*; got undefined/],
    ]);
    await expectRefusals(pgdAttack, [
      [[{ budgets, steps: '2', restarts: '2' }], /restarts must be .*; got the text "2"/],
    ]);
  });

  test('models', async () => {
    const run = (model: unknown) => [model, pgdAttack({ budgets }), { x: net.x }, { labels: net.labels }];
    const what = 'PGD: needs a model: inputs by name, and a function to logits';
    await expectRefusals(attack, [
      [run(undefined), new RegExp(`${what}; got undefined`)],
      [run(() => net.x), new RegExp(`${what}; got Function`)],
      [run({ inputs: {} }), new RegExp(`${what}; got Object`)],
      [
        run({ forward: () => net.x }),
        new RegExp(`${what}, such as attackModel makes of a network; got Object`),
      ],
      [run({ ...net.model, inputs: { x: null } }), /needs x: a range \[low, high\], or undefined; got null/],
      [
        run({ ...net.model, logits: async () => net.x }),
        /needs a model that gives logits \[3, classes\]; got Promise/,
      ],
    ]);
    await expectRefusals(attackModel, [
      [[], /attackModel: needs a model: .*; got/],
      [[{ x: [0, 1] }, 3], /attackModel: needs a model: .*; got/],
      [
        [{ x: [0, 1] }, () => net.x, { drawss: 2 }],
        /attackModel: options have no 'drawss'; 'draws' is meant/,
      ],
    ]);
  });

  test('attacks, inputs, labels and options', async () => {
    const [{ model, x, labels }, recipe] = [net, pgdAttack({ budgets, steps: 1 })];
    const truth = { labels };
    const none = /attack: needs what pgdAttack and the other makers return; got/;
    await expectRefusals(attack, [
      [[model, undefined, { x }, truth], none],
      [[model, pgdAttack, { x }, truth], none],
      [[model, [recipe, null], { x }, truth], none],
      [[model, [autoAttack({ budgets })], { x }, truth], none],
      [[model, recipe, null, truth], /PGD: needs inputs by name, a Tensor each; got null/],
      [[model, recipe, x, truth], /PGD: needs inputs by name, such as \{ x \}; got/],
      [[model, recipe, { x: [1] }, truth], /PGD: needs x, a Tensor; got Array/],
      [[model, recipe, { x }], /attack: needs options .*; got undefined/],
      [
        [model, recipe, { x }, { labels: 'abc' }],
        /PGD: needs labels, a Tensor i32 \[N\]; got the text "abc"/,
      ],
      [[model, recipe, { x }, { labels, targets: [1, 2, 3] }], /PGD: targets must be i32 \[3\]; got Array/],
      [[model, recipe, { x }, { labels, target: labels }], /have no 'target'; 'targets' is meant/],
      [[model, recipe, { x }, { labels, seed: '1' }], /seed must be .*; got the text "1"/],
    ]);
    const attacker = new Attacker(model, recipe);
    const one = (...args: [never, never]) => attacker.attack(...args);
    await expectRefusals(one, [[[{ x }, null], /PGD: needs options .*; got null/]]);
    await expectRefusals(makeProblem, [[[model, { x }, truth, null], /attack: needs budgets, .*; got null/]]);
  });

  test('a loss of one’s own that is no tensor', async () => {
    const loss = { ...marginObjective, loss: () => 3 } as object as typeof marginObjective;
    await expect(attack(net.model, pgdAttack({ budgets, loss }), { x: net.x }, net)).rejects.toThrow(
      /the loss 'margin' must give a number for each sample, \[3\]; got 3/,
    );
  });

  test('audits', async () => {
    const [{ model, x, labels }, options] = [net, { budgets }];
    await expectRefusals(auditRobustness, [
      [[model, { inputs: { x }, labels }], /auditRobustness: needs options .*; got undefined/],
      [[model, { inputs: { x }, labels }, {}], /auditRobustness: needs budgets, .*; got undefined/],
      [[model, null, options], /auditRobustness: needs samples \{ inputs, labels \}; got null/],
      [[model, { labels }, options], /auditRobustness: needs inputs by name, a Tensor each; got undefined/],
      [[model, { inputs: { x: 1 }, labels }, options], /auditRobustness: needs x, a Tensor; got 1/],
      [
        [model, { inputs: { x }, labels: 'x' }, options],
        /auditRobustness: needs labels, a Tensor i32 \[N\]; got/,
      ],
      [[null, { inputs: { x }, labels }, options], /auditRobustness: needs a model: .*; got null/],
      [[model, { inputs: { x }, labels }, { budgets, step: 2 }], /have no 'step'; 'steps' is meant/],
    ]);
  });

  test('functions on a loss', async () => {
    const [loss, { x }] = [(points: Tensor) => sum(points), net];
    const options = { epsilon: 0.1, steps: 1 };
    await expectRefusals(pgd, [
      [[], /pgd: needs options .*; got undefined/],
      [[null, x, options], /pgd: needs a loss, a function of x; got null/],
      [[loss, [1], options], /pgd: needs x, a Tensor; got Array/],
      [[loss, x, { ...options, stepsize: 1 }], /pgd: options have no 'stepsize'; 'stepSize' is meant/],
    ]);
    await expectRefusals(fgsm, [
      [[], /fgsm: needs a loss, a function of x; got undefined/],
      [[loss, 3, options], /fgsm: needs x, a Tensor; got 3/],
      [[loss, x, null], /fgsm: needs options .*; got null/],
    ]);
    await expectRefusals(pgdJoint, [
      [[loss, null, { steps: 1 }], /pgd: needs a list of inputs; got null/],
      [[loss, [null], { steps: 1 }], /pgd: needs x, a Tensor; got undefined/],
      [[loss, [{ x, epsilon: 0.1 }]], /pgd: needs options .*; got undefined/],
    ]);
    const made = (...args: [never, never]) => new PgdAttack(...args);
    await expectRefusals(made, [
      [[], /pgd: needs a loss, a function of the points; got undefined/],
      [[loss, null], /pgd: needs a list of budgets; got null/],
    ]);
  });
});
