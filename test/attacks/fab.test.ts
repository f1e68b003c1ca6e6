import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Attack } from '../../src/attacks/attack.ts';
import { attack } from '../../src/attacks/attacker.ts';
import { deepFoolAttack } from '../../src/attacks/deep-fool.ts';
import { fabAttack } from '../../src/attacks/fab.ts';
import type { Norm } from '../../src/attacks/norms.ts';
import type { AttackBudgets } from '../../src/attacks/problem.ts';
import type { Track } from '../../src/attacks/track.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { length64, minus } from './balls64.ts';
import { linear } from './linear.ts';
import { sorted64 } from './losses64.ts';
import { type FabStep, fab64 } from './smallest64.ts';
import { type Row, rows64, tanhNet } from './tanh-net.ts';
import { pointsOf, walk } from './walk.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const SIZE = 6;
const STEPS = 8;
const CLOSE = 1e-3;

const look = async (state: Track) => ({
  points: await pointsOf(state),
  found: rows64(await values(state.adversarial[0] as Tensor), SIZE),
  sizes: await values(state.size),
});
type Seen = Awaited<ReturnType<typeof look>>;

const distance = (a: Row, b: Row | undefined) => length64(minus(a, b ?? []), 'linf');

/** Compares steps of one sample: where the search stands, and the smallest change so far. */
function follow(steps: readonly FabStep[], seen: readonly Seen[], origin: Row, sample: number, norm: Norm) {
  const sure = steps.filter(({ closest }) => closest > CLOSE);
  let smallest: { readonly size: number; readonly x: Row } | undefined;
  for (const [k, { x, reached, fooled }] of sure.entries()) {
    const { points, found, sizes } = seen[k + 1] as Seen;
    // Without a range a flat place sends the search far away.
    expect(distance(x, points[sample])).toBeLessThan(2e-4 * Math.max(1, length64(x, 'linf')));
    const size = length64(minus(reached, origin), norm);
    if (fooled && size < (smallest?.size ?? 1e30)) smallest = { size, x: reached };
    if (!smallest) expect(sizes[sample]).toBeGreaterThan(1e29);
    if (!smallest) continue;
    expect(Math.abs(smallest.size - (sizes[sample] ?? 0))).toBeLessThan(1e-3);
    expect(distance(smallest.x, found[sample])).toBeLessThan(1e-3);
  }
  return sure;
}

describe('steps of FAB-T on a tanh network are those of algorithm 1 in float64', () => {
  const nets = [undefined, [0, 1] as const];
  test.each(
    (['linf', 'l2', 'l1'] as const).flatMap((norm) =>
      nets.flatMap((range) => [0, 1].map((rank) => [norm, range, rank] as const)),
    ),
  )('%s, range %s, towards the other class of rank %i', async (norm, range, rank) => {
    const options = { n: 48, size: SIZE, hidden: 8, classes: 4, seed: 21, steep: 3 };
    const net = tanhNet(device, { ...options, ...(range && { range }) });
    const budgets = { x: { epsilon: Number.POSITIVE_INFINITY, norm } };
    const changed = rank === 1 ? { alphaMax: 0.3, eta: 1.2, beta: 0.7 } : {};
    const recipe = fabAttack({ budgets, steps: STEPS, ...changed });
    const seen = await walk(recipe, net, look, { run: rank });
    const followed = net.rows.map((origin, i) => {
      const y = net.classes[i] as number;
      const target = sorted64(net.logits(origin)).filter((k) => k !== y)[rank] as number;
      const steps = fab64({ net, origin, y, range }, target, norm, STEPS, changed);
      return follow(steps, seen, origin, i, norm);
    });
    const steps = followed.flat();
    // Steps back after a success, and blends below the most that a step takes back.
    expect(followed.filter(({ length }) => length === STEPS).length).toBeGreaterThan(20);
    expect(steps.filter(({ fooled }) => fooled).length).toBeGreaterThan(100);
    expect(steps.filter(({ alpha }) => alpha < (changed.alphaMax ?? 0.1)).length).toBeGreaterThan(100);
    expect(steps.filter(({ alpha }) => alpha === (changed.alphaMax ?? 0.1)).length).toBeGreaterThan(30);
  });
});

describe('towards a class given, which others may lie before', () => {
  const towards = async (norm: Norm, make: (budgets: AttackBudgets) => Attack) => {
    const net = linear(device, { n: 32, size: 20, classes: 10, spread: 1 });
    const labels = await net.labels.read('i32');
    const targets = device.tensor(labels.map((y, i) => (y + 1 + (i % 9)) % 10));
    const budgets = { x: { epsilon: Number.POSITIVE_INFINITY, norm } };
    return attack(net.model, make(budgets), { x: net.x }, { labels: net.labels, targets });
  };

  test.each(['linf', 'l2', 'l1'] as const)(
    'it reaches it from every sample of a linear model: %s',
    async (norm) => {
      const found = await towards(norm, (budgets) => fabAttack({ budgets }));
      expect(found.success.filter(Boolean).length).toBe(32);
      if (norm === 'l1') return;
      const others = await towards(norm, (budgets) => deepFoolAttack({ budgets }));
      const [ours, theirs] = [found, others].map(({ norms }) => norms.x?.reduce((a, b) => a + b, 0) ?? 0);
      expect(ours).toBeLessThan(0.97 * (theirs ?? 0));
    },
  );
});
