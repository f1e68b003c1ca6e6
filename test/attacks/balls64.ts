import type { Norm } from '../../src/attacks/norms.ts';
import type { Row } from './tanh-net.ts';

// Balls and norms in float64, each by its definition.

export interface Ball64 {
  readonly norm: Norm;
  readonly epsilon: number;
  readonly range?: readonly [number, number] | undefined;
}

export const clamp64 = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);
export const plus = (a: Row, b: Row, factor = 1) =>
  a.map((value, i) => value + factor * (b[i] ?? Number.NaN));
export const minus = (a: Row, b: Row) => plus(a, b, -1);
export const times = (a: Row, factor: number) => a.map((value) => value * factor);

export function length64(a: Row, norm: Norm): number {
  if (norm === 'l2') return Math.hypot(...a);
  const sizes = a.map(Math.abs);
  return norm === 'l1' ? sizes.reduce((total, value) => total + value, 0) : Math.max(...sizes);
}

/** The largest t in [0, most] where `holds`, which does at 0 and stops somewhere. */
export function bisect64(most: number, holds: (t: number) => boolean): number {
  let [low, high] = [0, most];
  for (let k = 0; k < 200; k++) {
    const middle = (low + high) / 2;
    if (holds(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** ℓ∞ and ℓ2: on the ball, then on the range. ℓ1: on both at once, by a soft threshold. */
export function project64(x: Row, origin: Row, { norm, epsilon, range }: Ball64): number[] {
  const [low, high] = range ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const change = minus(x, origin);
  const inRange = (moved: Row) => plus(origin, moved).map((value) => clamp64(value, low, high));
  if (norm === 'linf') return inRange(change.map((value) => clamp64(value, -epsilon, epsilon)));
  if (norm === 'l2') return inRange(times(change, Math.min(1, epsilon / length64(change, 'l2'))));
  const shrunk = (t: number) =>
    change.map((value, i) => {
      const at = origin[i] ?? Number.NaN;
      return clamp64(Math.sign(value) * Math.max(Math.abs(value) - t, 0), low - at, high - at);
    });
  if (length64(shrunk(0), 'l1') <= epsilon) return plus(origin, shrunk(0));
  const t = bisect64(length64(change, 'linf'), (s) => length64(shrunk(s), 'l1') > epsilon);
  return plus(origin, shrunk(t));
}
