import { check, shown } from '../errors.ts';
import { signAscent } from '../kernels/attack-step.ts';
import { abs, add, clamp, div, maximum, minimum, mul, sqrt, square, sub } from '../kernels/elementwise.ts';
import { reshape } from '../kernels/layout.ts';
import { randomNormal, randomUniform } from '../kernels/random.ts';
import { max, sum } from '../kernels/reduce.ts';
import { l1Ball, sparseSign } from '../kernels/row-solve.ts';
import type { Device } from '../tensor/device.ts';
import { type Shape, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { StepSeed } from './stepper.ts';

/** How the size of a change is measured, for each sample: its largest element, its length, or the sum of magnitudes. */
export type Norm = 'linf' | 'l2' | 'l1';

const NORMS: readonly string[] = ['linf', 'l2', 'l1'];

/** One attacked input: how far it may be moved (in the input's own units) and which values are valid. */
export interface Budget {
  /** ℓ∞: pixels: a share of the range [0, 1], such as 8/255; skeletons: metres. */
  readonly epsilon: number;
  /** `linf` when left out. */
  readonly norm?: Norm | undefined;
  /** Valid values; unbounded when left out. */
  readonly range?: readonly [number, number] | undefined;
}

/** Throws `ShapeError` unless ε and the step size (where given) are numbers ≥ 0, the norm is one, and the range is ascending; `of` says whose. */
export function checkBudget(
  op: string,
  budget: Budget & { readonly stepSize?: number | undefined },
  of = '',
): void {
  const { epsilon, norm = 'linf', stepSize = 0, range: [low, high] = [0, 1] } = budget;
  check(
    typeof epsilon === 'number' && epsilon >= 0,
    op,
    () => `${of}epsilon must be a number of at least 0; got ${shown(epsilon)}`,
  );
  check(NORMS.includes(norm), op, () => `${of}norm must be ${NORMS.join(', ')}; got ${norm}`);
  const steps = stepSize >= 0 && stepSize < Number.POSITIVE_INFINITY;
  check(steps, op, () => `${of}stepSize must be a finite number of at least 0; got ${stepSize}`);
  check(low <= high, op, () => `${of}range must be [low, high]; got [${low}, ${high}]`);
}

/** How a distance grows with the number of elements that go all the way. */
const POWERS: Readonly<Record<Norm, number>> = { linf: 0, l2: 0.5, l1: 1 };

/** The smallest ε that holds the whole range from any point of it, for samples of so many elements; Infinity where it has no ends. */
export function wholeRange({ norm = 'linf', range }: Omit<Budget, 'epsilon'>, elements: number): number {
  const [low, high] = range ?? [0, Number.POSITIVE_INFINITY];
  return (high - low) * elements ** POWERS[norm];
}

/**
 * `checkBudget`, and `ShapeError` for a finite ε beyond the whole range, which bounds nothing: 8 where 8/255 is meant. Without
 * `elements`, those of a sample, only ℓ∞ can tell.
 */
export function checkBall(
  op: string,
  budget: Parameters<typeof checkBudget>[1],
  of = '',
  elements = Number.POSITIVE_INFINITY,
): void {
  checkBudget(op, budget, of);
  const { epsilon, range } = budget;
  const most = wholeRange(budget, elements);
  check(
    epsilon === Number.POSITIVE_INFINITY || !(epsilon > most * ROUNDED),
    op,
    () =>
      `${of}epsilon must be at most ${most}, which is all of [${range}], or Infinity; got ${epsilon}. It is in units of the input: 8/255, not 8`,
  );
}

/** Whoever computes the whole range may round otherwise. */
const ROUNDED = 1 + 1e-6;

/**
 * The budget, with ε = Infinity as what holds the whole range from any point of it; `elements` are those of a sample. Throws
 * `ShapeError` where the range has no ends.
 */
export function finiteBudget<B extends Budget>(op: string, budget: B, elements: number, of = ''): B {
  if (budget.epsilon !== Number.POSITIVE_INFINITY) return budget;
  const epsilon = wholeRange(budget, elements);
  check(
    epsilon < Number.POSITIVE_INFINITY,
    op,
    () =>
      `${of}epsilon = Infinity means the whole range, and there is none; give a finite epsilon, or declare a range`,
  );
  return { ...budget, epsilon };
}

/** Elements of a sample of x [n, …]. */
export function elementsOf(x: Tensor): number {
  return sizeOf(x.shape.slice(1));
}

/** x [n, …] as [n, elements of a sample]. */
export function rowsOf(x: Tensor): Tensor {
  return reshape(x, [x.shape[0] ?? 1, elementsOf(x)]);
}

/** A tensor [n] as [n, 1, …] with the axes of `like`. */
export function perSample(values: Tensor, like: Tensor): Tensor {
  return reshape(values, [values.size, ...like.shape.slice(1).map(() => 1)]);
}

/** The norm of each sample: [n, …] → [n]. */
export function lengths(x: Tensor, norm: Norm): Tensor {
  const rows = rowsOf(x);
  if (norm === 'l2') return sqrt(sum(square(rows), { axes: 1 }));
  return norm === 'l1' ? sum(abs(rows), { axes: 1 }) : max(abs(rows), { axes: 1 });
}

/** x / ‖x‖ for each sample; 0 stays 0. Shape of x. */
export function normalized(x: Tensor, norm: Norm): Tensor {
  return div(x, perSample(maximum(lengths(x, norm), 1e-12), x));
}

/**
 * Noise of the random start, before it is added and projected: ℓ∞: uniform in [−ε, ε); ℓ2 and ℓ1: a random direction of
 * length U(0, 1)·ε (as torchattacks' PGD ℓ2). `shape` = [n, …].
 */
export function startNoise(
  device: Device,
  shape: Shape,
  { epsilon, norm = 'linf' }: Budget,
  seed: StepSeed,
  stream: number,
): Tensor {
  if (norm === 'linf') return randomUniform(device, shape, { seed, stream, low: -epsilon, high: epsilon });
  const direction = normalized(randomNormal(device, shape, { seed, stream }), norm);
  const radius = randomUniform(device, [shape[0] ?? 1], {
    seed,
    stream: stream + RADIUS,
    low: 0,
    high: epsilon,
  });
  return mul(direction, perSample(radius, direction));
}

const RADIUS = 2 ** 16;

/**
 * A random draw from the ball around `x`, within the valid range: the random start of PGD. Shape of `x`, [N, …] but for ℓ∞.
 * ε = Infinity: from the whole range. Throws `ShapeError` for ε < 0 and a range that does not ascend.
 */
export function randomStart(x: Tensor, budget: Budget, seed: StepSeed, stream: number): Tensor {
  checkBudget('randomStart', budget);
  const finite = finiteBudget('randomStart', budget, elementsOf(x));
  return project(add(x, startNoise(x.device, x.shape, finite, seed, stream)), x, finite);
}

/**
 * One step of size α in the steepest direction, projected on ball and range. ℓ∞: `x + α sign(g)`; ℓ2: `x + α g / ‖g‖₂`;
 * ℓ1: α shared out evenly, by sign, among the hundredth of the elements with the largest gradients (SLIDE, Tramèr & Boneh
 * 2019, section 4). Shape of `x`. Throws `ShapeError` for shapes that differ, ε < 0, α < 0 and a range that does not ascend.
 */
export function ascend(
  current: Tensor,
  gradient: Tensor,
  x: Tensor,
  budget: Budget,
  stepSize: number,
): Tensor {
  checkBudget('ascend', { ...budget, stepSize });
  const { norm = 'linf', epsilon } = budget;
  if (norm === 'linf')
    return signAscent(current, gradient, x, { ...budget, epsilon: Math.min(epsilon, LARGEST), stepSize });
  const direction = norm === 'l2' ? normalized(gradient, 'l2') : sparsest(gradient);
  return project(add(current, mul(direction, stepSize)), x, budget);
}

/** Shaders need not know infinity. */
const LARGEST = 3e38;

const SHARE = 0.01;

/** Of length 1 in ℓ1: the signs of the largest hundredth of the elements (at least one), over their number. */
function sparsest(gradient: Tensor): Tensor {
  const n = gradient.shape[0] ?? 1;
  const count = Math.max(1, Math.round((SHARE * gradient.size) / n));
  const counts = gradient.device.tensor(new Float32Array(n).fill(count));
  return sparseSign(gradient, counts);
}

/**
 * The nearest point to `moved` in the ball around x and in the valid range (ℓ2: in the ball, then in the range). Shape of
 * `x`. Throws `ShapeError` for ε < 0 and a range that does not ascend.
 */
export function project(moved: Tensor, x: Tensor, budget: Budget): Tensor {
  checkBudget('project', budget);
  const { epsilon, norm = 'linf', range } = budget;
  const bounded = epsilon < Number.POSITIVE_INFINITY;
  const inBall = bounded ? PROJECTIONS[norm](moved, x, epsilon, range) : moved;
  return range ? clamp(inBall, range[0], range[1]) : inBall;
}

type Projection = (moved: Tensor, x: Tensor, epsilon: number, range: Budget['range']) => Tensor;

const PROJECTIONS: Readonly<Record<Norm, Projection>> = {
  linf: (moved, x, epsilon) => minimum(maximum(moved, sub(x, epsilon)), add(x, epsilon)),
  l2(moved, x, epsilon) {
    const delta = sub(moved, x);
    const shrink = div(epsilon, maximum(lengths(delta, 'l2'), Math.max(epsilon, 1e-12)));
    return add(x, mul(delta, perSample(shrink, delta)));
  },
  l1: (moved, x, epsilon, range) => add(x, l1Ball(sub(moved, x), x, epsilon, range)),
};
