import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attack } from '../../src/attacks/attacker.ts';
import {
  bimAttack,
  cwInfAttack,
  fgsmAttack,
  miFgsmAttack,
  pgdAttack,
} from '../../src/attacks/first-order.ts';
import type { Norm } from '../../src/attacks/norms.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { type Linear, linear } from './linear.ts';

let device: Device;
let problem: Linear;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  problem = linear(device, { n: 2, size: 8, classes: 2 });
});
afterAll(() => device.dispose());

const makers = { fgsmAttack, bimAttack, miFgsmAttack, pgdAttack, cwInfAttack };

describe('a linear classifier falls just beyond its distance, and never below', () => {
  const cases = [
    ...Object.entries(makers).map(([name, make]) => ({ name, make, norm: 'linf' as Norm, steps: 10 })),
    { name: 'pgdAttack', make: pgdAttack, norm: 'l2' as Norm, steps: 20 },
    { name: 'pgdAttack', make: pgdAttack, norm: 'l1' as Norm, steps: 40 },
  ];
  test.each(cases)('$name in $norm', async ({ make, norm, steps }) => {
    for (const [i, distance] of problem.distances[norm].entries()) {
      for (const [factor, fooled] of [
        [0.99, false],
        [1.01, true],
      ] as const) {
        const budgets = { x: { epsilon: factor * distance, norm } };
        const found = await attack(problem.model, make({ budgets, steps }), { x: problem.x }, problem);
        expect([i, factor, found.success[i]]).toEqual([i, factor, fooled]);
        expect(found.norms.x?.[i]).toBeLessThanOrEqual(factor * distance * (1 + 1e-4));
      }
    }
  });
});
