import { check } from '../errors.ts';
import { type Spec, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { sub } from './elementwise.ts';
import { full } from './fill.ts';
import { checkF32, defineOp, f32 } from './op.ts';
import { run } from './run.ts';
import { lanesFor } from './softmax.ts';
import { rowSolveWgsl } from './wgsl.gen.ts';

/** RULE in row-solve.wgsl. */
const RULES = { ball: 0, linf: 1, l2: 2, l1: 3, sparse: 4 } as const;

type Rows = { a: Tensor; low: Tensor; high: Tensor; bound: Tensor };

const solveOp = defineOp<Rows, { rule: keyof typeof RULES }, [Spec]>({
  name: 'rowSolve',
  outputs({ a, low, high, bound }) {
    const rows = a.shape[0] ?? 0;
    for (const [name, tensor] of Object.entries({ a, low, high, bound })) {
      checkF32('rowSolve', name, tensor);
      const shape = name === 'bound' ? [rows] : a.shape;
      check(sameShape(tensor.shape, shape), 'rowSolve', () => `${name} must be [${shape}]; got ${tensor}`);
    }
    return [f32(a.shape)];
  },
  forward({ a, low, high, bound }, [out], { rule }) {
    const rows = bound.size;
    if (out.size === 0) return;
    const n = out.size / rows;
    // Barriers of many threads are dear where the adapter is the CPU.
    const constants = { RULE: RULES[rule], LANES: out.device.traits.software ? 16 : lanesFor(n) };
    run(rowSolveWgsl, 'solve', { a, low, high, bound, out }, { rows, n }, { groups: rows, constants });
  },
});

/** How far an element may go down and up from where it is. */
export interface Room {
  /** ≤ 0 */
  readonly low: Tensor;
  /** ≥ 0 */
  readonly high: Tensor;
}

const FAR = 3e38;

/** The room of each element of `x` within a range; practically without end where there is none. */
export function roomOf(x: Tensor, range?: readonly [number, number]): Room {
  const { device, shape } = x;
  if (!range) return { low: full(device, shape, -FAR), high: full(device, shape, FAR) };
  return { low: sub(range[0], x), high: sub(range[1], x) };
}

/**
 * The change nearest to `delta` of ℓ1 norm ≤ ε that keeps `x` in the range, for each sample: soft thresholding with a box
 * (Croce & Hein 2021, section 3.1). delta and x [N, …], x within the range → the shape of delta. No gradient. Throws
 * `ShapeError` when shapes differ.
 */
export function l1Ball(delta: Tensor, x: Tensor, epsilon: number, range?: readonly [number, number]): Tensor {
  const bound = full(x.device, [x.shape[0] ?? 0], epsilon);
  return solveOp({ a: delta, ...roomOf(x, range), bound }, { rule: 'ball' })[0];
}

/**
 * `sign(g) / k` for the k elements of each sample with the largest |g| (and those as large as the last of them), 0 for the
 * others: the direction of steepest ascent with k elements. g [N, …], counts f32 [N] → the shape of g. No gradient.
 */
export function sparseSign(g: Tensor, counts: Tensor): Tensor {
  return solveOp({ a: g, low: g, high: g, bound: counts }, { rule: 'sparse' })[0];
}

/**
 * The shortest change δ, in the norm, with `w·δ ≥ gap` that stays in the room, for each sample; as far as the room allows where
 * none does (Croce & Hein 2020b, section 3.1). w [N, …], gap ≥ 0 [N] → the shape of w. No gradient.
 */
export function toPlane(norm: 'linf' | 'l2' | 'l1', w: Tensor, gap: Tensor, room: Room): Tensor {
  return solveOp({ a: w, ...room, bound: gap }, { rule: norm })[0];
}
