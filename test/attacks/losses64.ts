import { argmax64, type Net64, type Row } from './tanh-net.ts';

/** A loss of logits in float64 and its gradient in them; y is the class, t the target. */
export interface Loss64 {
  value(z: Row, y: number, t?: number): number;
  slope(z: Row, y: number, t?: number): number[];
  /** How far the logits are from a change of places that makes the gradient jump. */
  readonly room: (z: Row) => number;
}

const at = (z: Row, k: number) => z[k] ?? Number.NaN;
const unit = (z: Row, k: number) => z.map((_, i) => (i === k ? 1 : 0));
const combine = (a: Row, b: Row, s: number) => a.map((value, i) => value + s * at(b, i));

/** Classes by logit, the largest first; equal ones in their order. */
export function sorted64(z: Row): number[] {
  return z.map((_, k) => k).sort((i, j) => at(z, j) - at(z, i) || i - j);
}

/** The largest class but `k`. */
export function other64(z: Row, k: number): number {
  return sorted64(z).find((i) => i !== k) ?? Number.NaN;
}

/** The smallest difference between neighbours among the largest four. */
function places(z: Row): number {
  const [a = 0, b = 0, c = 0, d = Number.NEGATIVE_INFINITY] = sorted64(z).map((k) => at(z, k));
  return Math.min(a - b, b - c, c - d);
}

const smooth = () => Number.POSITIVE_INFINITY;

function softmax(z: Row): number[] {
  const powers = z.map((value) => Math.exp(value - Math.max(...z)));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((value) => value / total);
}

/** −log p_y, or log p_t. */
export const crossEntropy64: Loss64 = {
  value: (z, y, t) => (t === undefined ? -Math.log(at(softmax(z), y)) : Math.log(at(softmax(z), t))),
  slope(z, y, t) {
    const p = softmax(z);
    return t === undefined ? combine(p, unit(z, y), -1) : combine(unit(z, t), p, -1);
  },
  room: smooth,
};

/** max_{i≠y} z_i − z_y, or z_t − max_{i≠t} z_i. */
export const margin64: Loss64 = {
  value: (z, y, t) => (t === undefined ? at(z, other64(z, y)) - at(z, y) : at(z, t) - at(z, other64(z, t))),
  slope: (z, y, t) =>
    t === undefined
      ? combine(unit(z, other64(z, y)), unit(z, y), -1)
      : combine(unit(z, t), unit(z, other64(z, t)), -1),
  room: places,
};

/** z_t − z_y */
export const difference64: Loss64 = {
  value: (z, y, t = y) => at(z, t) - at(z, y),
  slope: (z, y, t = y) => combine(unit(z, t), unit(z, y), -1),
  room: smooth,
};

/** −(z_y − max_{i≠y} z_i)/(z₍₁₎ − z₍₃₎), or −(z_y − z_t)/(z₍₁₎ − (z₍₃₎ + z₍₄₎)/2). */
export const dlr64: Loss64 = {
  value(z, y, t) {
    const { above, below } = ratio(z, y, t);
    return above.value / below.value;
  },
  slope(z, y, t) {
    const { above, below } = ratio(z, y, t);
    return above.slope.map((v, i) => (v - (above.value / below.value) * at(below.slope, i)) / below.value);
  },
  room: places,
};

function ratio(z: Row, y: number, t?: number) {
  const numerator = t === undefined ? margin64 : difference64;
  const [first = 0, , third = 0, fourth = 0] = sorted64(z);
  const [all, a, b] = [unit(z, first), unit(z, third), unit(z, fourth)];
  const slope = t === undefined ? combine(all, a, -1) : combine(combine(all, a, -0.5), b, -0.5);
  return {
    above: { value: numerator.value(z, y, t), slope: numerator.slope(z, y, t) },
    below: { value: slope.reduce((total, v, i) => total + v * at(z, i), 0), slope },
  };
}

/** What an attack on one sample of a net maximises. */
export interface Objective64 {
  value(x: Row): number;
  slope(x: Row): number[];
  room(x: Row): number;
  fooled(x: Row): boolean;
}

export function objective64(net: Net64, loss: Loss64, y: number, t?: number): Objective64 {
  return {
    value: (x) => loss.value(net.logits(x), y, t),
    slope: (x) => net.pullback(x, loss.slope(net.logits(x), y, t)),
    room: (x) => loss.room(net.logits(x)),
    fooled: (x) => (t === undefined ? argmax64(net.logits(x)) !== y : argmax64(net.logits(x)) === t),
  };
}
