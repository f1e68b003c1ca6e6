import type { Tensor } from '../tensor/tensor.ts';
import { binaryOp, type Operand } from './binary.ts';
import { readsNothing } from './op.ts';

const addOp = binaryOp({
  name: 'add',
  code: 0,
  integers: true,
  gradient: (_a, _b, g) => ({ a: () => g, b: () => g }),
  reads: readsNothing,
});

/**
 * a + b with NumPy broadcasting: shapes a and b → their broadcast. f32, i32 or u32, both the same; either side may be a
 * number. Throws `ShapeError` where shapes do not broadcast or element types differ.
 */
export function add(a: Operand, b: Operand): Tensor {
  return addOp(a, b);
}

const subOp = binaryOp({
  name: 'sub',
  code: 1,
  integers: true,
  gradient: (_a, _b, g) => ({ a: () => g, b: () => neg(g) }),
  reads: readsNothing,
});

/** a − b; otherwise as `add`. */
export function sub(a: Operand, b: Operand): Tensor {
  return subOp(a, b);
}

const mulOp = binaryOp({
  name: 'mul',
  code: 2,
  integers: true,
  gradient: (a, b, g) => ({ a: () => mul(g, b), b: () => mul(g, a) }),
  reads: ({ a, b }) => [a, b],
});

/** a · b; otherwise as `add`. */
export function mul(a: Operand, b: Operand): Tensor {
  return mulOp(a, b);
}

const divOp = binaryOp({
  name: 'div',
  code: 3,
  gradient: (_a, b, g, y) => ({ a: () => div(g, b), b: () => neg(mul(g, div(y, b))) }),
});

/** a / b in f32; otherwise as `add`. Division by zero gives ±∞ or NaN. */
export function div(a: Operand, b: Operand): Tensor {
  return divOp(a, b);
}

const negOp = binaryOp({
  name: 'neg',
  code: 2,
  integers: true,
  gradient: (_a, _b, g) => ({ a: () => neg(g) }),
  reads: readsNothing,
});

/** −x. Shape in = shape out; f32 or i32, else `ShapeError`. */
export function neg(x: Tensor): Tensor {
  return negOp(x, -1);
}

// 1 where a > b, 1/2 where they are equal, 0 elsewhere: how a maximum shares its gradient.
const preference = binaryOp({ name: 'preference', code: 7 });

const maximumOp = binaryOp({
  name: 'maximum',
  code: 4,
  integers: true,
  gradient: (a, b, g) => ({ a: () => mul(g, preference(a, b)), b: () => mul(g, preference(b, a)) }),
});

/** The larger of a and b, NaN if one is NaN; otherwise as `add`. Where they are equal each gets half of the gradient. */
export function maximum(a: Operand, b: Operand): Tensor {
  return maximumOp(a, b);
}

const minimumOp = binaryOp({
  name: 'minimum',
  code: 5,
  integers: true,
  gradient: (a, b, g) => ({ a: () => mul(g, preference(b, a)), b: () => mul(g, preference(a, b)) }),
});

/** The smaller of a and b, NaN if one is NaN; otherwise as `add`. Where they are equal each gets half of the gradient. */
export function minimum(a: Operand, b: Operand): Tensor {
  return minimumOp(a, b);
}
