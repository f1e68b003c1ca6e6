import { add, div, mul, pow, sqrt, square, sub } from '../kernels/elementwise.ts';
import { zerosLike } from '../kernels/fill.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { perSample } from './norms.ts';

/** Adam's moments of a variable [n, …]. */
export interface Moments {
  readonly mean: Tensor;
  readonly square: Tensor;
}

const [BETA1, BETA2] = [0.9, 0.999];

/** What Adam begins with. */
export function noMoments(variable: Tensor): Moments {
  return { mean: zerosLike(variable), square: zerosLike(variable) };
}

/**
 * The next moments, and the step along the gradient: `m̂ / (√v̂ + 10⁻⁸)` (Kingma & Ba 2015, algorithm 1). `steps` [n] are those
 * of each sample, this one included.
 */
export function adam(
  moments: Moments,
  gradient: Tensor,
  steps: Tensor,
): { readonly moments: Moments; readonly step: Tensor } {
  const mix = (old: Tensor, now: Tensor, beta: number) => add(mul(old, beta), mul(now, 1 - beta));
  const mean = mix(moments.mean, gradient, BETA1);
  const squares = mix(moments.square, square(gradient), BETA2);
  const unbiased = (moment: Tensor, beta: number) => div(moment, perSample(sub(1, pow(beta, steps)), moment));
  const step = div(unbiased(mean, BETA1), add(sqrt(unbiased(squares, BETA2)), 1e-8));
  return { moments: { mean, square: squares }, step };
}
