import { type Ball64, length64, plus, project64, times } from './balls64.ts';
import type { Objective64 } from './losses64.ts';
import type { Row } from './tanh-net.ts';

export interface Climb64 {
  readonly f: Objective64;
  readonly origin: Row;
  readonly start: Row;
  readonly ball: Ball64;
  readonly steps: number;
  /** Step size, in the units of ε. */
  readonly alpha: number;
  /** μ of a momentum `m ← μ m + ∇/mean|∇|`; the gradient alone when left out. */
  readonly decay?: number;
}

/** The points of a first-order attack, the start included, as far as no decision comes closer than `close`. */
export function climb64({ f, origin, start, ball, steps, alpha, decay }: Climb64, close: number): Row[] {
  const points: Row[] = [start];
  let [x, memory] = [start, times(start, 0)];
  for (let k = 0; k < steps; k++) {
    const grad = f.slope(x);
    const mean = length64(grad, 'l1') / grad.length;
    memory = decay === undefined ? grad : plus(times(memory, decay), times(grad, 1 / mean));
    const size = decay === undefined ? mean : 1;
    if (Math.min(decisions(memory, ball) / size, f.room(x)) < close) break;
    x = project64(plus(x, steepest64(memory, ball), alpha), origin, ball);
    points.push(x);
  }
  return points;
}

/** How many elements a step in ℓ1 moves: a hundredth (SLIDE), one at least. */
const sparseCount = ({ length }: Row) => Math.max(1, Math.round(0.01 * length));

/** The direction of length 1 along which a linear function rises most; ℓ1: shared by a hundredth of the elements. */
function steepest64(m: Row, { norm }: Ball64): number[] {
  if (norm === 'linf') return m.map(Math.sign);
  if (norm === 'l2') return times(m, 1 / length64(m, 'l2'));
  const count = sparseCount(m);
  const least = m.map(Math.abs).toSorted((a, b) => b - a)[count - 1] ?? 0;
  return m.map((value) => (Math.abs(value) >= least ? Math.sign(value) / count : 0));
}

/** How far the direction is from a jump. */
function decisions(m: Row, { norm }: Ball64): number {
  const sizes = m.map(Math.abs).toSorted((a, b) => b - a);
  if (norm === 'linf') return sizes.at(-1) ?? 0;
  if (norm === 'l2') return Number.POSITIVE_INFINITY;
  const count = sparseCount(m);
  return (sizes[count - 1] ?? 0) - (sizes[count] ?? 0);
}
