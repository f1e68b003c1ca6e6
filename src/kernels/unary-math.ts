import { check } from '../errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { div, mul } from './binary-arithmetic.ts';
import { slopeOp, unaryOp } from './unary.ts';

const signOp = unaryOp({ name: 'sign', code: 1 });
const absOp = unaryOp({ name: 'abs', code: 0, gradient: (x, _y, g) => mul(g, sign(x)) });
const squareOp = unaryOp({ name: 'square', code: 2, gradient: (x, _y, g) => mul(mul(g, 2), x) });
const sqrtOp = unaryOp({ name: 'sqrt', code: 3, gradient: (_x, y, g) => div(mul(g, 0.5), y) });
const rsqrtOp = unaryOp({ name: 'rsqrt', code: 4, gradient: (x, y, g) => mul(mul(g, -0.5), div(y, x)) });
const expOp = unaryOp({ name: 'exp', code: 5, gradient: (_x, y, g) => mul(g, y) });
const logOp = unaryOp({ name: 'log', code: 6, gradient: (x, _y, g) => div(g, x) });
const clampSlope = slopeOp({ name: 'clampGrad', code: 7 });
const clampOp = unaryOp({
  name: 'clamp',
  code: 7,
  gradient: (x, _y, g, limits) => clampSlope(x, g, limits),
});

/** |x|. Shape in = shape out; f32, else `ShapeError`. The gradient at 0 is 0. */
export function abs(x: Tensor): Tensor {
  return absOp(x);
}

/** −1, 0 or 1 by the sign of x (NaN stays). Shape in = shape out; f32, else `ShapeError`. No gradient. */
export function sign(x: Tensor): Tensor {
  return signOp(x);
}

/** x². Shape in = shape out; f32, else `ShapeError`. */
export function square(x: Tensor): Tensor {
  return squareOp(x);
}

/** √x, NaN below 0. Shape in = shape out; f32, else `ShapeError`. The gradient at 0 is ∞ (NaN where 0 arrives). */
export function sqrt(x: Tensor): Tensor {
  return sqrtOp(x);
}

/** 1/√x: ∞ at 0, NaN below. Shape in = shape out; f32, else `ShapeError`. */
export function rsqrt(x: Tensor): Tensor {
  return rsqrtOp(x);
}

/** eˣ. Shape in = shape out; f32, else `ShapeError`. */
export function exp(x: Tensor): Tensor {
  return expOp(x);
}

/** Natural logarithm: −∞ at 0, NaN below. Shape in = shape out; f32, else `ShapeError`. */
export function log(x: Tensor): Tensor {
  return logOp(x);
}

/**
 * min(max(x, low), high); NaN stays. Shape in = shape out; either limit may be infinite. The gradient is 1 from `low` to
 * `high`, both included, and 0 outside. Throws `ShapeError` unless x is f32 and low ≤ high.
 */
export function clamp(x: Tensor, low: number, high: number): Tensor {
  check(low <= high, 'clamp', () => `low must not be above high; got ${low} and ${high}`);
  return clampOp(x, { p: low, q: high });
}
