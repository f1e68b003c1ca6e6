import { type Ball64, bisect64, clamp64, length64, minus, plus, project64 } from './balls64.ts';
import type { Objective64 } from './losses64.ts';
import type { Row } from './tanh-net.ts';

/** What APGD in ℓ1 has after a step and the checkpoint behind it. */
export interface SparseVisit {
  readonly x: Row;
  readonly loss: number;
  /** In units of ε. */
  readonly eta: number;
  /** How many elements the best point had moved at the last checkpoint; all of them before the first. */
  readonly support: number;
  /** Whether a checkpoint found the best point sparser; undefined where there was none. */
  readonly sparser: boolean | undefined;
  readonly closest: number;
}

/** Signs of the `count` largest elements of the gradient, over their number. */
function sparse64(grad: Row, count: number): number[] {
  const least = grad.map(Math.abs).toSorted((a, b) => b - a)[count - 1] ?? 0;
  return grad.map((value) => (Math.abs(value) >= least ? Math.sign(value) / count : 0));
}

/** How close the choice of the `count` largest elements was. */
function sparseRoom(grad: Row, count: number): number {
  const sizes = grad.map(Math.abs).toSorted((a, b) => b - a);
  return (sizes[count - 1] ?? 0) - (sizes[count] ?? 0);
}

/** How close an element came to being left alone, or not, by the projection. */
function supportRoom(x: Row, origin: Row, { epsilon, range: [low, high] = [-9e9, 9e9] }: Ball64): number {
  const change = minus(x, origin);
  const left = (t: number) =>
    change.map((value, i) => {
      const at = origin[i] ?? 0;
      return clamp64(Math.max(Math.abs(value) - t, 0), 0, value > 0 ? high - at : at - low);
    });
  const t = bisect64(length64(change, 'linf'), (s) => length64(left(s), 'l1') > epsilon);
  return t < 1e-12 ? Number.POSITIVE_INFINITY : Math.min(...change.map((v) => Math.abs(Math.abs(v) - t)));
}

/** APGD in ℓ1 (Croce & Hein 2021, algorithm 1): a share of a fifth first, η = ε, a look every ⌊.04 n⌋ steps. */
export function sparseApgd64(
  f: Objective64,
  origin: Row,
  start: Row,
  ball: Ball64,
  n: number,
): SparseVisit[] {
  const gap = Math.max(Math.floor(0.04 * n), 1);
  let [x, grad, eta, support] = [start, f.slope(start), 1, start.length];
  let count = Math.floor(0.2 * start.length);
  let [best, bestLoss] = [start, f.value(start)];
  let closest = Number.POSITIVE_INFINITY;
  const visits: SparseVisit[] = [{ x, loss: bestLoss, eta, support, sparser: undefined, closest }];
  for (let k = 1; k <= n; k++) {
    const z = plus(x, sparse64(grad, count), eta * ball.epsilon);
    closest = Math.min(closest, sparseRoom(grad, count), supportRoom(z, origin, ball));
    x = project64(z, origin, ball);
    grad = f.slope(x);
    const loss = f.value(x);
    if (loss !== bestLoss) closest = Math.min(closest, Math.abs(loss - bestLoss));
    if (loss > bestLoss) [best, bestLoss] = [x, loss];
    let sparser: boolean | undefined;
    if (k % gap === 0) {
      const moved = best.filter((value, i) => value !== origin[i]).length;
      sparser = moved < 0.95 * support;
      eta = sparser ? 1 : clamp64(eta / 1.5, 0.1, 1);
      if (sparser) [x, grad] = [best, f.slope(best)];
      support = moved;
      count = Math.max(Math.floor((2 * moved) / 3), 1);
    }
    visits.push({ x, loss, eta, support, sparser, closest });
  }
  return visits;
}
