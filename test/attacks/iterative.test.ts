import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attack } from '../../src/attacks/attacker.ts';
import { cleanStart, iterativeAttack, type Parts } from '../../src/attacks/iterative.ts';
import { marginObjective } from '../../src/attacks/losses.ts';
import { ShapeError } from '../../src/errors.ts';
import { add, mul } from '../../src/kernels/elementwise.ts';
import { slice } from '../../src/kernels/layout.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
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
  });

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
      /the loss 'total' must give a number for each sample, \[24\]; got/,
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
});
