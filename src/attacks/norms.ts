import { ShapeError } from '../errors.ts';
import { signAscent } from '../kernels/attack-step.ts';
import { add, clamp, maximum, minimum, sub } from '../kernels/elementwise.ts';
import { randomUniform } from '../kernels/random.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** One attacked input: how far it may be moved (ℓ∞, in the input's own units) and which values are valid. */
export interface Budget {
  /** Pixels: a share of the range [0, 1], such as 8/255. Skeletons: metres. */
  readonly epsilon: number;
  /** Valid values; unbounded when left out. */
  readonly range?: readonly [number, number] | undefined;
}

/** Throws `ShapeError` unless ε is a number ≥ 0. */
export function checkBudget(op: string, { epsilon }: Budget): void {
  if (!(epsilon >= 0)) throw new ShapeError(op, `epsilon must be a number of at least 0; got ${epsilon}`);
}

/** A uniform draw from the ball around `x`, within the valid range: the random start of PGD. Shape of `x`. */
export function randomStart(x: Tensor, budget: Budget, seed: number, stream: number): Tensor {
  const { epsilon } = budget;
  const noise = randomUniform(x.device, x.shape, { seed, stream, low: -epsilon, high: epsilon });
  return project(add(x, noise), x, budget);
}

/** `clip(x + α sign(g))`: one step of steepest ascent in ℓ∞, projected on ball and range. Shape of `x`. */
export function ascend(
  current: Tensor,
  gradient: Tensor,
  x: Tensor,
  budget: Budget,
  stepSize: number,
): Tensor {
  return signAscent(current, gradient, x, { ...budget, stepSize });
}

/** The nearest point to `moved` with `|moved − x| ≤ ε` in the valid range. Shape of `x`. */
export function project(moved: Tensor, x: Tensor, { epsilon, range }: Budget): Tensor {
  const inBall = minimum(maximum(moved, sub(x, epsilon)), add(x, epsilon));
  return range ? clamp(inBall, range[0], range[1]) : inBall;
}
