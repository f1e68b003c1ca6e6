import type { Norm } from '../../src/attacks/norms.ts';
import { bisect64, clamp64, length64, minus, plus, times } from './balls64.ts';
import { difference64, objective64, other64 } from './losses64.ts';
import { argmax64, dot, type Net64, type Row } from './tanh-net.ts';

// Attacks that look for the smallest change, in float64, each from its paper.

/** One sample. */
export interface Sample64 {
  readonly net: Net64;
  readonly origin: Row;
  readonly y: number;
  readonly range?: readonly [number, number] | undefined;
}

/** How far the choice between y and the others is from a tie. */
export function tieRoom({ net, y }: Sample64, x: Row): number {
  const z = net.logits(x);
  return Math.abs((z[y] ?? 0) - (z[other64(z, y)] ?? 0));
}

const ends = ({ range }: Sample64) => range ?? ([-1e6, 1e6] as const);

/** The norm that measures slopes where changes are measured in `norm`. */
export const DUAL = { linf: 'l1', l2: 'l2', l1: 'linf' } as const;

/** The shortest δ with w·δ = gap ≥ 0 that keeps x + δ in the range; as far as that allows where none does. */
export function toPlane64(
  norm: Norm,
  w: Row,
  gap: number,
  x: Row,
  [low, high]: readonly [number, number],
): number[] {
  const room = (i: number) => ((w[i] ?? 0) > 0 ? high - (x[i] ?? 0) : (x[i] ?? 0) - low);
  if (norm === 'l1') {
    // The steepest elements first, each as far as it goes.
    const delta = times(w, 0);
    let left = gap;
    for (const i of w.map((_, k) => k).sort((a, b) => Math.abs(w[b] ?? 0) - Math.abs(w[a] ?? 0))) {
      const way = Math.min(room(i), left / Math.abs(w[i] ?? 0));
      delta[i] = Math.sign(w[i] ?? 0) * way;
      left -= way * Math.abs(w[i] ?? 0);
    }
    return delta;
  }
  const at = (t: number) =>
    w.map((value, i) =>
      norm === 'linf'
        ? Math.sign(value) * Math.min(t, room(i))
        : Math.sign(value) * Math.min(t * Math.abs(value), room(i)),
    );
  return at(bisect64(1e4, (t) => dot(w, at(t)) < gap));
}

export interface FabStep {
  /** Before the step back. */
  readonly reached: Row;
  /** Where the search goes on. */
  readonly x: Row;
  readonly fooled: boolean;
  readonly alpha: number;
  readonly closest: number;
}

/** FAB (Croce & Hein 2020b, algorithm 1) towards class t. */
export function fab64(
  sample: Sample64,
  t: number,
  norm: Norm,
  steps: number,
  { alphaMax = 0.1, eta = 1.05, beta = 0.9 } = {},
): FabStep[] {
  const { net, origin, y } = sample;
  const [low, high] = ends(sample);
  const f = objective64(net, difference64, y, t);
  let x = origin;
  let closest = Number.POSITIVE_INFINITY;
  return Array.from({ length: steps }, () => {
    const [value, w] = [f.value(x), f.slope(x)];
    // The plane f(x) + w·(z − x) = 0, from x and from the clean point.
    const way = (from: Row) => {
      const gap = -(value + dot(w, minus(from, x)));
      return toPlane64(norm, times(w, Math.sign(gap)), Math.abs(gap), from, [low, high]);
    };
    const [here, clean] = [way(x), way(origin)];
    const [a, b] = [length64(here, norm), length64(clean, norm)];
    const alpha = Math.min(a / (a + b), alphaMax);
    const near = times(plus(x, here, eta), 1 - alpha);
    const reached = plus(near, plus(origin, clean, eta), alpha).map((v) => clamp64(v, low, high));
    const fooled = argmax64(net.logits(reached)) !== y;
    const sizes = w.map(Math.abs).toSorted((p, q) => p - q);
    const apart = norm === 'l1' ? sizes.slice(1).map((size, i) => size - (sizes[i] ?? 0)) : [];
    closest = Math.min(closest, tieRoom(sample, reached), ...apart, sizes[0] ?? 0);
    x = fooled ? plus(origin, minus(reached, origin), beta) : reached;
    return { reached, x, fooled, alpha, closest };
  });
}

export interface FoolStep {
  readonly x: Row;
  /** Whose boundary it went to; undefined once one was crossed. */
  readonly k: number | undefined;
  readonly closest: number;
}

/** DeepFool (Moosavi-Dezfooli et al. 2016, algorithm 2) among the given classes, 10⁻⁴ beyond each boundary. */
export function deepFool64(
  sample: Sample64,
  others: Row,
  norm: 'linf' | 'l2',
  steps: number,
  overshoot: number,
): FoolStep[] {
  const { net, origin, y } = sample;
  const [low, high] = ends(sample);
  let [x, r]: [Row, Row] = [origin, times(origin, 0)];
  let closest = Number.POSITIVE_INFINITY;
  return Array.from({ length: steps }, () => {
    closest = Math.min(closest, tieRoom(sample, x));
    if (argmax64(net.logits(x)) !== y) return { x, k: undefined, closest };
    const [first, second] = others
      .map((k) => {
        const f = objective64(net, difference64, y, k);
        const w = f.slope(x);
        return { k, w, distance: Math.abs(f.value(x)) / length64(w, DUAL[norm]) };
      })
      .sort((a, b) => a.distance - b.distance);
    if (!first) throw new Error('no other class');
    const { k, w, distance } = first;
    closest = Math.min(closest, (second?.distance ?? 9) - distance);
    if (norm === 'linf') closest = Math.min(closest, ...w.map(Math.abs));
    const direction = norm === 'linf' ? w.map(Math.sign) : times(w, 1 / length64(w, 'l2'));
    r = plus(r, direction, distance + 1e-4);
    x = plus(origin, r, 1 + overshoot).map((value) => clamp64(value, low, high));
    return { x, k, closest };
  });
}
