import type { Tensor } from '../tensor/tensor.ts';
import { binaryOp, type Operand } from './binary.ts';
import { mul, sub } from './binary-arithmetic.ts';
import { equal } from './binary-compare.ts';
import { where } from './elementwise-select.ts';
import { log } from './unary-math.ts';

const powOp = binaryOp({
  name: 'pow',
  code: 6,
  gradient: (a, b, g, y) => ({ a: () => byBase(a, b, g), b: () => mul(g, mul(y, logOfBase(a))) }),
});

/** g · b · a^(b−1), and 0 where b = 0 whatever a is. */
function byBase(a: Operand, b: Operand, g: Tensor): Tensor {
  if (b === 0) return mul(g, 0);
  const slope = mul(pow(a, typeof b === 'number' ? b - 1 : sub(b, 1)), b);
  return mul(g, typeof b === 'number' ? slope : where(equal(b, 0), 0, slope));
}

/** log a, and 0 where a = 0, since 0^b does not change with b > 0. */
function logOfBase(a: Operand): Operand {
  if (typeof a === 'number') return a === 0 ? 0 : Math.log(a);
  return log(where(equal(a, 0), 1, a));
}

/**
 * a^b with NumPy broadcasting, in f32: shapes a and b → their broadcast; either side may be a number. Relative error up to
 * about 1e-6 · (1 + |b · log2 a|). As in C, a^0 = 1 for every a, and a < 0 needs an integer b, else NaN.
 * At a = 0 the gradient by a is that of b · a^(b−1), ∞ for b < 1, and the gradient by b is 0; for a < 0 that by b is NaN.
 * Throws `ShapeError` where shapes do not broadcast or are not f32.
 */
export function pow(a: Operand, b: Operand): Tensor {
  return powOp(a, b);
}
