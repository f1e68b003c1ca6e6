import { ShapeError } from '../errors.ts';

/** A share of successes with its 95 % interval. */
export interface Proportion {
  readonly value: number;
  /** Number of samples it rests on. */
  readonly n: number;
  /** 95 % Wilson score interval. */
  readonly interval: readonly [number, number];
}

const Z = 1.959963984540054;

/** `successes / n` with the Wilson score interval at 95 % (Wilson 1927). Throws `ShapeError` for n = 0. */
export function proportion(successes: number, n: number): Proportion {
  if (!(n > 0 && successes >= 0 && successes <= n)) {
    throw new ShapeError('proportion', `needs 0 ≤ successes ≤ n and n > 0; got ${successes} of ${n}`);
  }
  const p = successes / n;
  const centre = (p + Z ** 2 / (2 * n)) / (1 + Z ** 2 / n);
  const half = (Z / (1 + Z ** 2 / n)) * Math.sqrt((p * (1 - p)) / n + Z ** 2 / (4 * n ** 2));
  return { value: p, n, interval: [Math.max(0, centre - half), Math.min(1, centre + half)] };
}

/** Clean accuracy and the mean of the robust accuracies (attack on RGB, skeleton, both), as shares. */
export interface Robustness {
  readonly clean: number;
  readonly robust: number;
}

/** Relative improvement `RI = (A_d + RA_d) − (A_0 + RA_0)`, as a share (Tian and Xu, CVPR 2021). */
export function relativeImprovement(defended: Robustness, reference: Robustness): number {
  return defended.clean + defended.robust - (reference.clean + reference.robust);
}

/** How evenly the modalities withstand an attack (our own measure: the paper's is not public). */
export interface Balance {
  /** `|RA_RGB − RA_skeleton|`: 0 is even. */
  readonly difference: number;
  /** `min / max` of the two: 1 is even; undefined when both are 0. */
  readonly ratio: number | undefined;
}

/** `|a − b|` and `min / max` of the robust accuracies, as shares, with the attack on one modality at a time. */
export function modalityBalance(rgb: number, skeleton: number): Balance {
  const most = Math.max(rgb, skeleton);
  return {
    difference: Math.abs(rgb - skeleton),
    ratio: most === 0 ? undefined : Math.min(rgb, skeleton) / most,
  };
}

/**
 * Exact McNemar test: the two-sided probability that two networks, right on the same samples equally often, would
 * differ on as lopsided a set (binomial with p = ½ on the samples only one of them got right; McNemar 1947).
 * Throws `ShapeError` when the two lists are not equally long.
 */
export function mcnemar(first: readonly boolean[], second: readonly boolean[]): number {
  if (first.length !== second.length) {
    throw new ShapeError('mcnemar', `needs the same samples; got ${first.length} and ${second.length}`);
  }
  const onlyFirst = first.filter((right, i) => right && !second[i]).length;
  const onlySecond = second.filter((right, i) => right && !first[i]).length;
  const n = onlyFirst + onlySecond;
  let tail = 0;
  for (let k = 0; k <= Math.min(onlyFirst, onlySecond); k++) tail += Math.exp(logChoose(n, k) - n * Math.LN2);
  return Math.min(1, 2 * tail);
}

function logChoose(n: number, k: number): number {
  let sum = 0;
  for (let i = 1; i <= k; i++) sum += Math.log((n - k + i) / i);
  return sum;
}
