// Elementwise ops with NumPy broadcasting, by topic.
export type { Operand } from './binary.ts';
export { add, div, maximum, minimum, mul, neg, sub } from './binary-arithmetic.ts';
export { equal, greater, greaterEqual, less, lessEqual, notEqual } from './binary-compare.ts';
export { pow } from './binary-power.ts';
export { cast } from './elementwise-cast.ts';
export { where } from './elementwise-select.ts';
export { gelu, leakyRelu, relu, sigmoid, silu, softplus, tanh } from './unary-activations.ts';
export { abs, clamp, exp, log, rsqrt, sign, sqrt, square } from './unary-math.ts';
