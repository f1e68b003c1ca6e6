import { length64, minus, plus, times } from './balls64.ts';
import type { Row } from './tanh-net.ts';

// Square (Andriushchenko et al. 2020) for images of one channel, in float64.

/** p at query `it`, counted from 0, of the authors' schedule for 10,000 queries. */
export function share64(first: number, it: number): number {
  if (it > 8000) return first / 512;
  if (it > 6000) return first / 256;
  if (it > 4000) return first / 128;
  if (it > 2000) return first / 64;
  if (it > 1000) return first / 32;
  if (it > 500) return first / 16;
  if (it > 200) return first / 8;
  if (it > 50) return first / 4;
  return it > 10 ? first / 2 : first;
}

/** η of a rectangle: Σ 1/(k + 1)² over k from the distance to the middle up to the farthest; of length 1. */
function rectangle64(height: number, width: number, norm: 'l2' | 'l1'): number[] {
  const [top, left] = [Math.floor(height / 2), Math.floor(width / 2)];
  const values: number[] = [];
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      let value = 0;
      for (let k = Math.max(Math.abs(row - top), Math.abs(column - left)); k <= Math.max(top, left); k++)
        value += 1 / (k + 1) ** 2;
      values.push(value);
    }
  return times(values, 1 / length64(values, norm));
}

/** η of a square: a rectangle up, another down, side by side where `lying`; of length 1. */
export function square64(side: number, lying: boolean, norm: 'l2' | 'l1'): number[] {
  const upper = Math.floor(side / 2);
  const both = [
    ...(upper > 0 ? rectangle64(upper, side, norm) : []),
    ...times(rectangle64(side - upper, side, norm), -1),
  ];
  const unit = times(both, 1 / length64(both, norm));
  return lying ? unit.map((_, i) => unit[(i % side) * side + Math.floor(i / side)] ?? 0) : unit;
}

export interface Windows {
  readonly first: readonly [number, number];
  readonly second: readonly [number, number];
  readonly lying: boolean;
  readonly sign: number;
}

/** Every place of two windows, either way the pattern lies, and both its signs. */
export function* allWindows(size: number, side: number): Generator<Windows> {
  const places = Array.from({ length: (size - side + 1) ** 2 }, (_, i) => {
    const across = size - side + 1;
    return [Math.floor(i / across), i % across] as const;
  });
  for (const first of places)
    for (const second of places)
      for (const lying of [false, true]) for (const sign of [1, -1]) yield { first, second, lying, sign };
}

/** What algorithm 3 makes of a change ν of a square image of one channel. */
export function moveMass64(
  nu: Row,
  size: number,
  side: number,
  epsilon: number,
  norm: 'l2' | 'l1',
  { first, second, lying, sign }: Windows,
): number[] {
  const inside = ([top, left]: readonly [number, number]) =>
    nu.map((_, i) => {
      const [row, column] = [Math.floor(i / size) - top, (i % size) - left];
      return row >= 0 && row < side && column >= 0 && column < side ? row * side + column : -1;
    });
  const [one, two] = [inside(first), inside(second)];
  const old = nu.map((value, i) => ((one[i] ?? -1) >= 0 ? value : 0));
  const either = nu.map((value, i) => (Math.max(one[i] ?? -1, two[i] ?? -1) >= 0 ? value : 0));
  const power = (length: number) => (norm === 'l2' ? length ** 2 : length);
  const unused = Math.max(power(epsilon) - power(length64(nu, norm)), 0);
  const mass = unused + power(length64(either, norm));
  const available = norm === 'l2' ? Math.sqrt(mass) : mass;
  const eta = square64(side, lying, norm);
  const pattern = nu.map((_, i) => ((one[i] ?? -1) >= 0 ? sign * (eta[one[i] ?? 0] ?? 0) : 0));
  const before = length64(old, norm);
  const mixed = plus(pattern, old, before > 0 ? 1 / before : 0);
  const fresh = times(mixed, available / Math.max(length64(mixed, norm), 1e-12));
  return nu.map((value, i) => ((one[i] ?? -1) >= 0 ? (fresh[i] ?? 0) : (two[i] ?? -1) >= 0 ? 0 : value));
}

/** How far the nearest proposal of algorithm 3 is from what was proposed. */
export function nearestProposal(
  nu: Row,
  proposed: Row,
  size: number,
  side: number,
  epsilon: number,
  norm: 'l2' | 'l1',
): number {
  let nearest = Number.POSITIVE_INFINITY;
  for (const windows of allWindows(size, side)) {
    const one = moveMass64(nu, size, side, epsilon, norm, windows);
    nearest = Math.min(nearest, length64(minus(one, proposed), 'linf'));
  }
  return nearest;
}
