import { check } from '../errors.ts';
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

/** Throws `ShapeError` unless ε and the step size (where given) are numbers ≥ 0 and the range is ascending. */
export function checkBudget(op: string, budget: Budget & { readonly stepSize?: number | undefined }): void {
  const { epsilon, stepSize = 0, range: [low, high] = [0, 1] } = budget;
  check(epsilon >= 0, op, () => `epsilon must be a number of at least 0; got ${epsilon}`);
  const steps = stepSize >= 0 && stepSize < Number.POSITIVE_INFINITY;
  check(steps, op, () => `stepSize must be a finite number of at least 0; got ${stepSize}`);
  check(low <= high, op, () => `range must be [low, high]; got [${low}, ${high}]`);
}

/**
 * A uniform draw from the ball around `x`, within the valid range: the random start of PGD. Shape of `x`. Throws
 * `ShapeError` for ε < 0 and a range that does not ascend.
 */
export function randomStart(x: Tensor, budget: Budget, seed: number, stream: number): Tensor {
  checkBudget('randomStart', budget);
  const { epsilon } = budget;
  const noise = randomUniform(x.device, x.shape, { seed, stream, low: -epsilon, high: epsilon });
  return project(add(x, noise), x, budget);
}

/**
 * `clip(x + α sign(g))`: one step of steepest ascent in ℓ∞, projected on ball and range. Shape of `x`. Throws `ShapeError`
 * for shapes that differ, ε < 0, α < 0 and a range that does not ascend.
 */
export function ascend(
  current: Tensor,
  gradient: Tensor,
  x: Tensor,
  budget: Budget,
  stepSize: number,
): Tensor {
  checkBudget('ascend', { ...budget, stepSize });
  return signAscent(current, gradient, x, { ...budget, stepSize });
}

/**
 * The nearest point to `moved` with `|moved − x| ≤ ε` in the valid range. Shape of `x`. Throws `ShapeError` for ε < 0 and a
 * range that does not ascend.
 */
export function project(moved: Tensor, x: Tensor, budget: Budget): Tensor {
  checkBudget('project', budget);
  const { epsilon, range } = budget;
  const inBall = minimum(maximum(moved, sub(x, epsilon)), add(x, epsilon));
  return range ? clamp(inBall, range[0], range[1]) : inBall;
}
