import type { Tensor } from '../tensor/tensor.ts';
import { add, mul, sub } from './binary-arithmetic.ts';
import { slopeOp, type UnaryAttrs, unaryOp } from './unary.ts';
import { exp, square } from './unary-math.ts';

// For matmul too, from its output: y of relu, and of leakyRelu with a slope that is not negative, has the sign of x.
export const reluSlope = slopeOp({ name: 'reluGrad', code: 8 });
export const leakyReluSlope = slopeOp({ name: 'leakyReluGrad', code: 9 });
export const sigmoidSlope = slopeOp({ name: 'sigmoidGrad', code: 13, second: (y) => sub(1, mul(y, 2)) });
export const tanhSlope = slopeOp({ name: 'tanhGrad', code: 14, second: (y) => mul(y, -2) });

type Slope = ReturnType<typeof slopeOp>;

/** Makes an activation whose gradient is one kernel reading x. */
function fromInput(name: string, code: number, slope: Slope) {
  return unaryOp({ name, code, reads: 'x', gradient: (x, _y, g, attrs: UnaryAttrs) => slope(x, g, attrs) });
}

/** The same reading its output y, which later ops mostly keep anyway. */
function fromOutput(name: string, code: number, slope: Slope) {
  return unaryOp({ name, code, reads: 'y', gradient: (_x, y, g) => slope(y, g) });
}

const reluOp = fromOutput('relu', 8, reluSlope);
const leakyReluOp = fromInput('leakyRelu', 9, leakyReluSlope);
const geluOp = fromInput('gelu', 10, slopeOp({ name: 'geluGrad', code: 10, second: geluSecond }));
const geluTanhOp = fromInput('gelu', 11, slopeOp({ name: 'geluGrad', code: 11, second: geluTanhSecond }));
const siluOp = fromInput('silu', 12, slopeOp({ name: 'siluGrad', code: 12, second: siluSecond }));
const sigmoidOp = fromOutput('sigmoid', 13, sigmoidSlope);
const tanhOp = fromOutput('tanh', 14, tanhSlope);
const softplusOp = unaryOp({ name: 'softplus', code: 15, gradient: (x, _y, g) => mul(g, sigmoid(x)) });

/** φ(x) · (2 − x²), φ the normal density. */
function geluSecond(x: Tensor): Tensor {
  const density = mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return mul(density, sub(2, square(x)));
}

/** With t = tanh u: (1 − t²) · (u′ + x/2 · (u″ − 2t u′²)). */
function geluTanhSecond(x: Tensor): Tensor {
  const c = Math.sqrt(2 / Math.PI);
  const cubic = 0.044715;
  const t = tanh(mul(mul(x, c), add(1, mul(square(x), cubic))));
  const u1 = add(c, mul(square(x), 3 * c * cubic));
  const bend = sub(mul(x, 6 * c * cubic), mul(mul(t, 2), square(u1)));
  return mul(sub(1, square(t)), add(u1, mul(mul(x, 0.5), bend)));
}

/** s (1 − s) (2 + x (1 − 2s)), s the sigmoid. */
function siluSecond(x: Tensor): Tensor {
  const s = sigmoid(x);
  return mul(mul(s, sub(1, s)), add(2, mul(x, sub(1, mul(s, 2)))));
}

/** max(x, 0). Shape in = shape out; f32, else `ShapeError`. The gradient at 0 is 0. */
export function relu(x: Tensor): Tensor {
  return reluOp(x);
}

/** x where x > 0, else slope · x. Shape in = shape out; f32, else `ShapeError`. The gradient at 0 is `slope`. */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  return leakyReluOp(x, { p: slope, q: 0 });
}

/**
 * x · Φ(x), Φ the normal distribution function (absolute error of Φ below 1e-6); with `approximate: 'tanh'`
 * x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))). Shape in = shape out; f32, else `ShapeError`.
 * Hendrycks and Gimpel, Gaussian Error Linear Units, arXiv:1606.08415.
 */
export function gelu(x: Tensor, options: { readonly approximate?: 'none' | 'tanh' } = {}): Tensor {
  return options.approximate === 'tanh' ? geluTanhOp(x) : geluOp(x);
}

/** x · sigmoid(x). Shape in = shape out; f32, else `ShapeError`. */
export function silu(x: Tensor): Tensor {
  return siluOp(x);
}

/** 1 / (1 + e⁻ˣ), without overflow. Shape in = shape out; f32, else `ShapeError`. */
export function sigmoid(x: Tensor): Tensor {
  return sigmoidOp(x);
}

/** Hyperbolic tangent, without overflow. Shape in = shape out; f32, else `ShapeError`. */
export function tanh(x: Tensor): Tensor {
  return tanhOp(x);
}

/** log(1 + eˣ), without overflow. Shape in = shape out; f32, else `ShapeError`. */
export function softplus(x: Tensor): Tensor {
  return softplusOp(x);
}
