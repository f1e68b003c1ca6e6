import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apgdAttack, checkpoints } from '../../src/attacks/apgd.ts';
import type { ApgdState } from '../../src/attacks/apgd-l1.ts';
import type { Attack } from '../../src/attacks/attack.ts';
import { type AttackObjective, crossEntropyObjective, dlrObjective } from '../../src/attacks/losses.ts';
import type { Device } from '../../src/tensor/device.ts';
import { values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { apgd64, type Visit } from './apgd64.ts';
import type { Ball64 } from './balls64.ts';
import { crossEntropy64, dlr64, type Loss64, objective64, sorted64 } from './losses64.ts';
import { type Row, type TanhNet, tanhNet } from './tanh-net.ts';
import { pointsOf, walk } from './walk.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

describe('checkpoints', () => {
  test('of 100 steps are the published ones', () => {
    expect(checkpoints(100)).toEqual([22, 41, 57, 70, 80, 87, 93, 99]);
  });

  test('are w_j = p_j N with p_0 = 0, p_1 = .22, p_{j+1} = p_j + max(p_j − p_{j−1} − .03, .06)', () => {
    // In hundredths: nothing is rounded where N is a multiple of 100.
    const p = [0, 22];
    for (let last = 22, gap = 22; last + Math.max(gap - 3, 6) <= 100; last += gap) {
      gap = Math.max(gap - 3, 6);
      p.push(last + gap);
    }
    for (const times of [1, 2, 5, 10])
      expect(checkpoints(100 * times)).toEqual(p.slice(1).map((at) => at * times));
  });
});

/** What is looked at: after each step, rows of the batch. */
const look = async (state: ApgdState) => ({
  points: await pointsOf(state),
  losses: await values(state.losses),
  eta: await values(state.eta),
});
type Seen = Awaited<ReturnType<typeof look>>;

/** Decisions closer than this are left to rounding: a sample is followed up to its first one. */
const CLOSE = 1e-3;

/** Compares the visits of one sample as far as rounding leaves them alone. */
function follow(visits: readonly Visit[], seen: readonly Seen[], sample: number): Visit[] {
  const sure = visits.filter(({ closest }) => closest > CLOSE);
  for (const [k, { x, loss, eta }] of sure.entries()) {
    const { points, losses, eta: found } = seen[k] as Seen;
    expect([k, found[sample]]).toEqual([k, eta]);
    const error = x.map((value, j) => Math.abs(value - (points[sample]?.[j] ?? Number.NaN)));
    expect(Math.max(...error)).toBeLessThan(2e-4);
    const off = Math.abs(loss - (losses[sample] ?? Number.NaN));
    expect(off).toBeLessThan(5e-4 * Math.max(1, loss * loss));
  }
  return sure;
}

interface Case {
  readonly ball: Ball64;
  readonly rho: number;
  readonly objective: AttackObjective;
  readonly reference: Loss64;
  /** Targets by rank: this run aims at the class of this rank among the others. */
  readonly rank?: number;
  readonly net: TanhNet;
}

const STEPS = 50;

/** The visits of all samples that rounding left alone. */
async function compare({ ball, rho, objective, reference, rank, net }: Case): Promise<Visit[][]> {
  const budgets = { x: { epsilon: ball.epsilon, norm: ball.norm } };
  const targets = rank === undefined ? 0 : rank + 1;
  const recipe = apgdAttack({ budgets, steps: STEPS, rho, loss: objective, targets }) as Attack<ApgdState>;
  const seen = await walk(recipe, net, look, { run: rank ?? 0 });
  return net.rows.map((row, i) => {
    const y = net.classes[i] as number;
    const order = sorted64(net.logits(row)).filter((k) => k !== y);
    const f = objective64(net, reference, y, rank === undefined ? undefined : order[rank]);
    return follow(apgd64(f, row, seen[0]?.points[i] as Row, ball, STEPS, rho), seen, i);
  });
}

describe('whole runs on a tanh network are those of algorithm 1 in float64', () => {
  const net = (range?: readonly [number, number]) =>
    tanhNet(device, { n: 48, size: 5, hidden: 8, classes: 5, seed: 3, steep: 5, ...(range && { range }) });
  const ce = { objective: crossEntropyObjective, reference: crossEntropy64 };
  const dlr = { objective: dlrObjective, reference: dlr64 };
  test.each<[string, Ball64, number, typeof ce, number | undefined, readonly string[]]>([
    ['linf, cross-entropy', { norm: 'linf', epsilon: 0.3, range: [0, 1] }, 0.75, ce, undefined, ['1']],
    ['linf, DLR, no range', { norm: 'linf', epsilon: 0.3 }, 0.75, dlr, undefined, ['1']],
    ['linf, ρ = .3', { norm: 'linf', epsilon: 0.3 }, 0.3, ce, undefined, ['1', '2', '1,2', '']],
    ['linf, towards the third class', { norm: 'linf', epsilon: 0.3 }, 0.75, dlr, 1, ['1']],
    ['l2, cross-entropy', { norm: 'l2', epsilon: 0.6, range: [0, 1] }, 0.75, ce, undefined, ['1', '']],
    ['l2, ρ = .3', { norm: 'l2', epsilon: 0.6, range: [0, 1] }, 0.3, ce, undefined, ['2', '']],
    ['l2, DLR, no range', { norm: 'l2', epsilon: 0.6 }, 0.75, dlr, undefined, ['1']],
  ])('%s', async (_, ball, rho, losses, rank, conditions) => {
    const followed = await compare({
      ball,
      rho,
      ...losses,
      net: net(ball.range),
      ...(rank !== undefined && { rank }),
    });
    const looks = checkpoints(STEPS);
    const held = followed.flatMap((visits) =>
      visits.filter((_, k) => looks.includes(k)).map((v) => v.held.join()),
    );
    // Enough of the samples are followed that far.
    expect(held.length).toBeGreaterThan(ball.norm === 'linf' ? 30 : 4);
    for (const condition of conditions) expect(held).toContain(condition);
  });
});
