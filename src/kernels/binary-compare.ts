import type { Tensor } from '../tensor/tensor.ts';
import { binaryOp, type Operand } from './binary.ts';

const equalOp = binaryOp({ name: 'equal', code: 0, compares: true, integers: true });
const notEqualOp = binaryOp({ name: 'notEqual', code: 1, compares: true, integers: true });
const lessOp = binaryOp({ name: 'less', code: 2, compares: true, integers: true });
const lessEqualOp = binaryOp({ name: 'lessEqual', code: 3, compares: true, integers: true });
const greaterOp = binaryOp({ name: 'greater', code: 4, compares: true, integers: true });
const greaterEqualOp = binaryOp({ name: 'greaterEqual', code: 5, compares: true, integers: true });
const sameOp = binaryOp({ name: 'same', code: 8 });

/**
 * a = b with NumPy broadcasting → u32, 1 where it holds, else 0. f32, i32 or u32, both the same; either side may be a
 * number. False for NaN. No gradient. Throws `ShapeError` where shapes do not broadcast or element types differ.
 */
export function equal(a: Operand, b: Operand): Tensor {
  return equalOp(a, b);
}

/** a ≠ b → u32; true for NaN, otherwise as `equal`. */
export function notEqual(a: Operand, b: Operand): Tensor {
  return notEqualOp(a, b);
}

/** a < b → u32; as `equal`. */
export function less(a: Operand, b: Operand): Tensor {
  return lessOp(a, b);
}

/** a ≤ b → u32; as `equal`. */
export function lessEqual(a: Operand, b: Operand): Tensor {
  return lessEqualOp(a, b);
}

/** a > b → u32; as `equal`. */
export function greater(a: Operand, b: Operand): Tensor {
  return greaterOp(a, b);
}

/** a ≥ b → u32; as `equal`. */
export function greaterEqual(a: Operand, b: Operand): Tensor {
  return greaterEqualOp(a, b);
}

/** `equal` of f32 operands as f32 1 or 0, to be multiplied with; no gradient. */
export function same(a: Operand, b: Operand): Tensor {
  return sameOp(a, b);
}
