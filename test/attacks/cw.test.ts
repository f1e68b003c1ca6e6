import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cwL2Attack } from '../../src/attacks/cw.ts';
import type { Track } from '../../src/attacks/track.ts';
import { tanh } from '../../src/kernels/elementwise.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { length64, minus } from './balls64.ts';
import { type Cw64, type CwStep, cw64 } from './cw64.ts';
import { rows64, tanhNet } from './tanh-net.ts';
import { walk } from './walk.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const SIZE = 5;
const CLOSE = 1e-3;

/** The part of the state that is looked at. */
type Searching = Track & { readonly w: readonly Tensor[]; readonly c: Tensor };

const look = (low: number, high: number) => async (state: Track) => {
  const { w, c, size } = state as Searching;
  const points = (await values(tanh(w[0] as Tensor))).map((v) => low + ((high - low) / 2) * (v + 1));
  return { points: rows64(points, SIZE), c: await values(c), sizes: await values(size) };
};
type Seen = Awaited<ReturnType<ReturnType<typeof look>>>;

function follow(steps: readonly CwStep[], seen: readonly Seen[], sample: number): CwStep[] {
  const sure = steps.filter(({ closest }) => closest > CLOSE);
  for (const [k, { x, c, size }] of sure.entries()) {
    const found = seen[k + 1] as Seen;
    expect((found.c[sample] ?? 0) / c).toBeCloseTo(1, 5);
    expect(length64(minus(x, found.points[sample] ?? []), 'linf')).toBeLessThan(1e-3);
    if (size === Number.POSITIVE_INFINITY) expect(found.sizes[sample]).toBeGreaterThan(1e29);
    else expect(Math.abs(size - (found.sizes[sample] ?? 0))).toBeLessThan(1e-3);
  }
  return sure;
}

describe('CW ℓ2 on a tanh network is that of section VI-A in float64, in all its searches', () => {
  const common = { steps: 12, searches: 7, confidence: 0, learningRate: 0.05 };
  // Which rows of successes and failures must have been followed.
  test.each<[string, Cw64, readonly [number, number], readonly RegExp[]]>([
    ['from a small c', { ...common, c: 0.003 }, [0, 1], [/^-+$/, /^--\++$/, /^--\+\+--/, /^-\+-\+/]],
    ['from a large c', { ...common, c: 5 }, [0, 1], [/^\++$/, /^\++-$/, /^-+$/]],
    [
      'with a confidence, in another range',
      { ...common, c: 0.02, confidence: 0.3 },
      [-1, 3],
      [/^\++$/, /^-\+-/],
    ],
  ])('%s', async (_, options, range, patterns) => {
    const net = tanhNet(device, { n: 48, size: SIZE, hidden: 8, classes: 4, seed: 41, steep: 2, range });
    const budgets = { x: { epsilon: Number.POSITIVE_INFINITY, norm: 'l2' } } as const;
    const seen = await walk(cwL2Attack({ ...options, budgets }), net, look(...range));
    const followed = net.rows.map((origin, i) =>
      follow(cw64({ net, origin, y: net.classes[i] as number, range }, options), seen, i),
    );
    const hits = followed.map((steps) =>
      steps.flatMap(({ hit }) => (hit === undefined ? [] : [hit ? '+' : '-'])).join(''),
    );
    const whole = hits.filter(({ length }) => length === options.searches);
    expect(whole.length).toBeGreaterThan(15);
    for (const pattern of patterns) expect(whole.some((one) => pattern.test(one))).toBe(true);
  });
});

test('CW ℓ2 begins with c = 0.01, near what small changes need', async () => {
  const net = tanhNet(device, { n: 3, size: SIZE, hidden: 8, classes: 4, seed: 41, steep: 2, range: [0, 1] });
  const budgets = { x: { epsilon: Number.POSITIVE_INFINITY, norm: 'l2' } } as const;
  const seen = await walk(cwL2Attack({ budgets }), net, look(0, 1), { steps: 0 });
  for (const c of seen[0]?.c ?? []) expect(c).toBeCloseTo(0.01, 8);
  expect(seen[0]?.c).toHaveLength(3);
});
