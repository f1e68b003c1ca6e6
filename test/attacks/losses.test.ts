import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AttackObjective,
  crossEntropyObjective,
  dlrObjective,
  marginObjective,
  ranked,
} from '../../src/attacks/losses.ts';
import { grad } from '../../src/autograd/grad.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { crossEntropy64, dlr64, type Loss64, margin64, sorted64 } from './losses64.ts';
import { type Row, rows64 } from './tanh-net.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

type Case = { readonly z: Row; readonly y: number; readonly t?: number };

/** The losses of cases of one size, and the gradient of their sum. */
async function found(objective: AttackObjective, cases: readonly Case[]) {
  const width = cases[0]?.z.length ?? 0;
  const logits = device.tensor(
    cases.flatMap(({ z }) => z),
    [cases.length, width],
  );
  const classes = (of: (one: Case) => number) => device.tensor(Int32Array.from(cases, of));
  const targets = cases[0]?.t === undefined ? undefined : classes(({ t = -1 }) => t);
  const truth = { labels: classes(({ y }) => y), targets, points: [], origins: [] };
  const losses = () => objective.loss({ logits, ...truth });
  const [slope] = grad(() => sum(losses()), [logits]) as [Tensor];
  return { losses: await values(losses()), slopes: rows64(await values(slope), width) };
}

function expectNear(got: Row, expected: Row, relative: number): void {
  const size = Math.max(1, ...expected.map(Math.abs));
  for (const [i, value] of got.entries())
    expect(Math.abs(value - (expected[i] ?? Number.NaN))).toBeLessThan(relative * size);
}

const losses: readonly (readonly [string, AttackObjective, Loss64, number])[] = [
  ['cross-entropy', crossEntropyObjective, crossEntropy64, 2],
  ['margin', marginObjective, margin64, 2],
  ['DLR', dlrObjective, dlr64, 3],
];

/** Every class as the label, and every other as the target, at logits of several sizes. */
function allCases(classes: number, targeted: boolean): Case[] {
  const logits = rows64(numbers(6 * classes, 30 + classes), classes).map((z, i) =>
    z.map((value) => value * (i + 1)),
  );
  const indices = Array.from({ length: classes }, (_, k) => k);
  return logits.flatMap((z) =>
    indices.flatMap((y) =>
      targeted ? indices.filter((t) => t !== y).map((t) => ({ z, y, t })) : [{ z, y }],
    ),
  );
}

describe.each(losses)('%s is its formula, with the gradient of it', (name, objective, reference, least) => {
  const untargeted = [2, 3, 4, 7].filter((classes) => classes >= least);
  const targeted = [2, 3, 4, 7].filter((classes) => classes >= (name === 'DLR' ? 4 : least));
  test.each([
    ...untargeted.map((classes) => [classes, 'untargeted'] as const),
    ...targeted.map((classes) => [classes, 'targeted'] as const),
  ])('%i classes, %s', async (classes, kind) => {
    const cases = allCases(classes, kind === 'targeted');
    const { losses, slopes } = await found(objective, cases);
    expectNear(
      losses,
      cases.map(({ z, y, t }) => reference.value(z, y, t)),
      1e-5,
    );
    for (const [i, { z, y, t }] of cases.entries())
      expectNear(slopes[i] as number[], reference.slope(z, y, t), 1e-4);
  });
});

describe('ties', () => {
  test.each<[string, AttackObjective, Case, number]>([
    ['DLR, the label shares the first place', dlrObjective, { z: [1, 1, 0], y: 0 }, 0],
    ['DLR, all alike', dlrObjective, { z: [1, 1, 1], y: 1 }, 0],
    ['DLR, second and third alike', dlrObjective, { z: [3, 1, 1], y: 0 }, -1],
    ['DLR, the label is one of two last', dlrObjective, { z: [3, 1, 1], y: 2 }, 1],
    ['DLR, third and fourth alike', dlrObjective, { z: [4, 3, 0, 0], y: 1 }, 0.25],
    ['targeted DLR, third and fourth alike', dlrObjective, { z: [4, 3, 0, 0], y: 0, t: 3 }, -1],
    ['targeted DLR, the first three alike', dlrObjective, { z: [2, 2, 2, 0], y: 0, t: 3 }, -2],
    ['targeted DLR, label and target alike', dlrObjective, { z: [2, 2, 1, 0], y: 0, t: 1 }, 0],
    ['margin, the label shares the first place', marginObjective, { z: [2, 2, 1], y: 1 }, 0],
    ['margin, two others alike', marginObjective, { z: [2, 3, 3], y: 0 }, 1],
    ['targeted margin, the target shares the first place', marginObjective, { z: [2, 2, 1], y: 0, t: 1 }, 0],
  ])('%s', async (_, objective, one, expected) => {
    const { losses } = await found(objective, [one]);
    expect(losses[0]).toBeCloseTo(expected, 6);
  });
});

test('classes are ranked by their logits, the first of equals first', async () => {
  const z = [1, 3, 3, -2, 2];
  const order = ranked(device.tensor(z, [1, 5]), 5);
  const found = await Promise.all(order.map(async (rank) => (await rank.read())[0]));
  expect(found).toEqual(sorted64(z));
  expect(found).toEqual([1, 2, 4, 0, 3]);
});
