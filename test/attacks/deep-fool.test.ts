import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deepFoolAttack } from '../../src/attacks/deep-fool.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { length64, minus } from './balls64.ts';
import { sorted64 } from './losses64.ts';
import { deepFool64 } from './smallest64.ts';
import { type Row, tanhNet } from './tanh-net.ts';
import { pointsOf, walk } from './walk.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const STEPS = 6;
const CLOSE = 1e-4;

describe('iterates of DeepFool on a tanh network are those of algorithm 2 in float64', () => {
  const ranges = [undefined, [0, 1] as const];
  test.each(
    (['linf', 'l2'] as const).flatMap((norm) =>
      ranges.flatMap((range) => [9, 2, 1].map((candidates) => [norm, range, candidates] as const)),
    ),
  )('%s, range %s, %i candidates', async (norm, range, candidates) => {
    const options = { n: 48, size: 6, hidden: 8, classes: 5, seed: 31, steep: 3 };
    const net = tanhNet(device, { ...options, ...(range && { range }) });
    const budgets = { x: { epsilon: Number.POSITIVE_INFINITY, norm } };
    const overshoot = candidates === 2 ? 0.1 : 0.02;
    const recipe = deepFoolAttack({ budgets, steps: STEPS, candidates, overshoot });
    const seen = await walk(recipe, net, pointsOf);
    let [nearer, several, whole] = [0, 0, 0];
    for (const [i, origin] of net.rows.entries()) {
      const y = net.classes[i] as number;
      const others = sorted64(net.logits(origin)).slice(1, candidates + 1);
      const steps = deepFool64({ net, origin, y, range }, others, norm, STEPS, overshoot);
      const sure = steps.filter(({ closest }) => closest > CLOSE);
      for (const [k, { x }] of sure.entries())
        expect(length64(minus(x, seen[k + 1]?.[i] as Row), 'linf')).toBeLessThan(2e-4);
      const ways = sure.flatMap(({ k }) => (k === undefined ? [] : [k]));
      if (ways.some((k) => k !== others[0])) nearer++;
      if (ways.length > 1) several++;
      if (sure.length === STEPS) whole++;
    }
    expect(whole).toBeGreaterThan(40);
    expect(several).toBeGreaterThan(4);
    // Most go to a nearer boundary than that of the likeliest class, where they may choose.
    if (candidates > 1) expect(nearer).toBeGreaterThan(20);
  });
});
