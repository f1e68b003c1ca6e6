import { type Ball64, length64, minus, plus, project64, times } from './balls64.ts';
import type { Objective64 } from './losses64.ts';
import type { Row } from './tanh-net.ts';

/** What APGD has after a step and the checkpoint behind it. */
export interface Visit {
  readonly x: Row;
  /** At the point before a checkpoint moved it. */
  readonly loss: number;
  /** In units of ε. */
  readonly eta: number;
  /** Which conditions of section 3.2 held at the checkpoint; none where there was none. */
  readonly held: readonly number[];
  /** How close any decision was so far: f32 decides alike as long as its rounding stays below. */
  readonly closest: number;
}

/** W: ⌊.22 n⌋, then gaps that shorten by ⌊.03 n⌋ down to ⌊.06 n⌋. */
function checkpoints64(n: number): number[] {
  const found: number[] = [];
  let gap = Math.floor(0.22 * n);
  for (let at = gap; at <= n; at += gap) {
    found.push(at);
    gap = Math.max(gap - Math.floor(0.03 * n), Math.floor(0.06 * n));
  }
  return found;
}

/** APGD (Croce & Hein 2020, algorithm 1) in ℓ∞ or ℓ2 from `start`. */
export function apgd64(
  f: Objective64,
  origin: Row,
  start: Row,
  ball: Ball64,
  n: number,
  rho = 0.75,
): Visit[] {
  const looks = checkpoints64(n);
  let [x, old, grad, eta] = [start, start, f.slope(start), 2];
  let [best, bestLoss] = [start, f.value(start)];
  // f(x⁽⁰⁾), f(x⁽¹⁾), …
  const losses = [bestLoss];
  let last = { at: 0, bestLoss, reduced: true };
  let closest = f.room(start);
  const above = (a: number, b: number) => {
    // A large DLR has a small denominator, so that its rounding grows as its square.
    if (a !== b) closest = Math.min(closest, Math.abs(a - b) / Math.max(1, a * a));
    return a > b;
  };
  const visits: Visit[] = [{ x, loss: bestLoss, eta, held: [], closest }];
  for (let k = 1; k <= n; k++) {
    const direction = ball.norm === 'linf' ? grad.map(Math.sign) : times(grad, 1 / length64(grad, 'l2'));
    if (ball.norm === 'linf') closest = Math.min(closest, ...grad.map(Math.abs));
    const z = project64(plus(x, direction, eta * ball.epsilon), origin, ball);
    const a = k === 1 ? 1 : 0.75;
    const onward = plus(times(minus(z, x), a), minus(x, old), 1 - a);
    [x, old] = [project64(plus(x, onward), origin, ball), x];
    grad = f.slope(x);
    closest = Math.min(closest, f.room(x));
    const loss = f.value(x);
    if (above(loss, bestLoss)) [best, bestLoss] = [x, loss];
    losses.push(loss);
    const held: number[] = [];
    if (looks.includes(k)) {
      const steps = Array.from({ length: k - last.at }, (_, i) => last.at + i);
      const rises = steps.filter((i) => above(losses[i + 1] as number, losses[i] as number)).length;
      if (rises <= rho * steps.length) held.push(1);
      if (!last.reduced && bestLoss === last.bestLoss) held.push(2);
      last = { at: k, bestLoss, reduced: held.length > 0 };
      if (last.reduced) [eta, x, grad] = [eta / 2, best, f.slope(best)];
    }
    visits.push({ x, loss, eta, held, closest });
  }
  return visits;
}
