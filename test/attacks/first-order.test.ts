import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Attack } from '../../src/attacks/attack.ts';
import {
  bimAttack,
  cwInfAttack,
  fgsmAttack,
  miFgsmAttack,
  pgdAttack,
} from '../../src/attacks/first-order.ts';
import { crossEntropyObjective } from '../../src/attacks/losses.ts';
import type { AttackBudgets } from '../../src/attacks/problem.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { type Ball64, length64, minus } from './balls64.ts';
import { climb64 } from './first-order64.ts';
import { crossEntropy64, type Loss64, margin64, objective64 } from './losses64.ts';
import { type Row, type TanhNet, tanhNet } from './tanh-net.ts';
import { pointsOf, walk } from './walk.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const CLOSE = 1e-3;

interface Case {
  readonly name: string;
  readonly make: (budgets: AttackBudgets) => Attack;
  readonly ball: Ball64;
  /** Share of ε. */
  readonly step: number;
  readonly decay?: number;
  readonly loss?: Loss64;
  /** A batch that aims at the class after the label. */
  readonly targeted?: boolean;
}

/** How far the rows are apart, for each step that the reference could follow. */
const distances = (a: readonly Row[], b: readonly Row[]) =>
  a.map((row, k) => length64(minus(row, b[k] as Row), 'linf'));

async function compare(one: Case, net: TanhNet) {
  const { make, ball, step, decay, loss = crossEntropy64, targeted = false } = one;
  const { x, model, labels, classes } = net;
  const aims = classes.map((y) => (y + 1) % 4);
  const targets = targeted ? { targets: device.tensor(Int32Array.from(aims)) } : {};
  const recipe = make({ x: { epsilon: ball.epsilon, norm: ball.norm } });
  const seen = await walk(recipe, { x, model, labels, ...targets }, pointsOf);
  return net.rows.map((origin, i) => {
    const f = objective64(net, loss, classes[i] as number, targeted ? aims[i] : undefined);
    const found = seen.map((points) => points[i] as Row);
    const given = {
      f,
      origin,
      start: found[0] as Row,
      ball,
      steps: recipe.steps,
      alpha: step * ball.epsilon,
    };
    const plain = climb64(given, CLOSE);
    const points = decay === undefined ? plain : climb64({ ...given, decay }, CLOSE);
    return { found, points, plain };
  });
}

/** Options that PGD was given too, whose loss CW∞ lets be. */
const withLossOfPgd = (budgets: AttackBudgets) => {
  const shared = { budgets, loss: crossEntropyObjective };
  return cwInfAttack(shared);
};

const square = [0, 1] as const;
const cases: readonly Case[] = [
  ...(['linf', 'l2', 'l1'] as const).flatMap((norm): Case[] => {
    const ball = { norm, epsilon: { linf: 0.25, l2: 0.8, l1: 2 }[norm] };
    const boxed = { ...ball, range: square };
    return [
      { name: `FGSM ${norm}`, make: (budgets) => fgsmAttack({ budgets }), ball: boxed, step: 1 },
      { name: `BIM ${norm}`, make: (budgets) => bimAttack({ budgets }), ball: boxed, step: 0.25 },
      {
        ...{ name: `MI-FGSM ${norm}`, make: (budgets) => miFgsmAttack({ budgets, steps: 8 }) },
        ...{ ball: boxed, step: 1 / 8, decay: 1 },
      },
      {
        ...{ name: `MI-FGSM ${norm}, μ = .5`, make: (budgets) => miFgsmAttack({ budgets, decay: 0.5 }) },
        ...{ ball, step: 0.1, decay: 0.5 },
      },
      {
        ...{ name: `PGD ${norm}`, make: (budgets) => pgdAttack({ budgets, steps: 12 }) },
        ...{ ball: boxed, step: norm === 'l2' ? 0.2 : 0.25 },
      },
      {
        ...{ name: `PGD ${norm}, no range, targeted`, make: (budgets) => pgdAttack({ budgets }) },
        ...{ ball, step: norm === 'l2' ? 0.2 : 0.25, targeted: true },
      },
      {
        ...{ name: `CW∞ ${norm}`, make: withLossOfPgd, ball: boxed },
        ...{ step: norm === 'l2' ? 0.2 : 0.25, loss: margin64 },
      },
    ];
  }),
];

describe('iterates on a tanh network are those of the papers in float64', () => {
  const netOf = ({ ball: { range } }: Case, size: number) =>
    tanhNet(device, {
      ...{ n: 32, size, hidden: 8, classes: 4, seed: 11, steep: size > 100 ? 0.3 : 4 },
      ...(range && { range }),
    });

  test.each(cases.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const followed = await compare(one, netOf(one, 6));
    for (const { found, points } of followed)
      expect(Math.max(...distances(points, found))).toBeLessThan(1e-4);
    const whole = followed.filter(({ found, points }) => points.length === found.length);
    expect(whole.length).toBeGreaterThan(20);
    if (one.decay === undefined) return;
    // The steps of BIM are others: momentum is seen.
    const others = followed.filter(({ plain, found }) => Math.max(...distances(plain, found)) > 0.01);
    expect(others.length).toBeGreaterThan(5);
  });

  test('ℓ1 shares its step among a hundredth of the elements', async () => {
    const one = cases.find(({ name }) => name === 'PGD l1') as Case;
    const followed = await compare(one, netOf(one, 250));
    for (const { found, points } of followed)
      expect(Math.max(...distances(points, found))).toBeLessThan(1e-4);
    expect(followed.filter(({ found, points }) => points.length === found.length).length).toBeGreaterThan(20);
  });
});
