import { afterAll, beforeAll, expect, test } from 'vitest';
import { attack } from '../../src/attacks/attacker.ts';
import { squareAttack } from '../../src/attacks/square.ts';
import { pyramid, windowPattern } from '../../src/attacks/square-mass.ts';
import { argmax } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { type Trained, trained } from './network.ts';

let device: Device;
let net: Trained;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  net = trained(device);
});
afterAll(() => device.dispose());

test('patterns have length 1 in their norm; a window is up in one half and down in the other', () => {
  const l1 = (list: readonly number[]) => list.reduce((sum, value) => sum + Math.abs(value), 0);
  for (const [height, width] of [
    [3, 3],
    [5, 2],
    [1, 4],
  ] as const) {
    expect(Math.hypot(...pyramid(height, width))).toBeCloseTo(1, 6);
    expect(l1(pyramid(height, width, 'l1'))).toBeCloseTo(1, 6);
    expect(Math.hypot(...windowPattern(height, width))).toBeCloseTo(1, 6);
    expect(l1(windowPattern(height, width, 'l1'))).toBeCloseTo(1, 6);
  }
  // 3 × 3: 1 + 1/4 in the middle, 1/4 around it.
  expect(pyramid(3, 3, 'l1').map((value) => value * 3.25)).toEqual(
    [0.25, 0.25, 0.25, 0.25, 1.25, 0.25, 0.25, 0.25, 0.25].map((value) => expect.closeTo(value, 6)),
  );
  const signs = windowPattern(4, 2, 'l1').map(Math.sign);
  expect(signs).toEqual([1, 1, 1, 1, -1, -1, -1, -1]);
});

test.each(['l2', 'l1'] as const)(
  'in %s it stays in ball and range, and fools what it says it does',
  async (norm) => {
    const epsilon = norm === 'l1' ? 3 : 0.6;
    const run = (queries: number) =>
      attack(net.model, squareAttack({ budgets: { x: { epsilon, norm } }, queries }), { x: net.x }, net);
    const [first, many] = [await run(1), await run(150)];
    const robust = (success: readonly boolean[]) => success.filter((fooled) => !fooled).length;
    expect(robust(many.success)).toBeLessThan(robust(first.success));
    const chosen = await values(argmax(net.model.logits(many.inputs, 0), { axes: 1 }));
    const truth = await values(net.labels);
    expect(chosen.map((choice, i) => choice !== truth[i])).toEqual(many.success);
    for (const { norms, inputs } of [first, many]) {
      for (const size of norms.x ?? []) expect(size).toBeLessThanOrEqual(epsilon * (1 + 1e-5));
      const moved = await values(inputs.x as Tensor);
      expect([Math.min(...moved) >= 0, Math.max(...moved) <= 1]).toEqual([true, true]);
    }
  },
);
