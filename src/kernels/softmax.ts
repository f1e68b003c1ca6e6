import type { Traits } from '../tensor/device.ts';
import { type AxisOption, axisOf, type Spec, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { exp, mul, sub } from './elementwise.ts';
import { checkFloats, checkTensor, defineOp, isTracked, like } from './op.ts';
import { sum } from './reduce.ts';
import { rowParams, subgroupGroups, withSubgroup } from './row-subgroup.ts';
import { run } from './run.ts';
import { rowSubgroupWgsl, softmaxWgsl } from './wgsl.gen.ts';

/** `thread`: a thread has one row. `workgroup`: a workgroup has one row. */
export type RowVariant = 'thread' | 'workgroup';

/** Rows of `n` elements that are `inner` apart. */
export interface RowDims {
  readonly rows: number;
  readonly n: number;
  readonly inner: number;
}

interface Attrs {
  readonly axis: number;
  readonly log: boolean;
  /** Rows of −Infinity give 0 instead of NaN. */
  readonly zeroEmpty: boolean;
}

const THREADS = 64;

/** A thread a row where that fills the adapter; a workgroup a row where rows are long or few. */
export function rowVariants({ rows, n, inner }: RowDims, { software }: Traits): [RowVariant, RowVariant] {
  const enough = software ? rows >= 32 : n <= 32 || (inner > 1 && rows >= 8192);
  return enough || n <= 8 ? ['thread', 'workgroup'] : ['workgroup', 'thread'];
}

/** Threads of a workgroup that has a row of `n` elements to itself. */
export function lanesFor(n: number): number {
  if (n > 2048) return 256;
  return n > 32 ? 64 : 16;
}

export function rowDims(shape: readonly number[], axis: number): RowDims {
  const inner = sizeOf(shape.slice(axis + 1));
  return { rows: sizeOf(shape.slice(0, axis)) * inner, n: shape[axis] ?? 1, inner };
}

const softmaxOp = defineOp<{ x: Tensor }, Attrs, [Spec]>({
  name: 'softmax',
  outputs({ x }) {
    checkFloats('softmax', { x });
    return [like(x)];
  },
  forward({ x }, [y], { axis, log, zeroEmpty }) {
    const dims = rowDims(x.shape, axis);
    const params = { ...dims, zeroEmpty: zeroEmpty ? 1 : 0 };
    const vectors = dims.inner === 1 && dims.n % 4 === 0;
    const { variant, ...launch } = launchOf(x, dims, log);
    if (variant === 'subgroup')
      run(rowSubgroupWgsl, 'softmaxRows', { x, y }, rowParams(dims, { zeroEmpty: params.zeroEmpty }), launch);
    else if (variant === 'thread' && vectors) run(softmaxWgsl, 'threads4', { x, y }, params, launch);
    else if (variant === 'thread') run(softmaxWgsl, 'threads', { xScalar: x, yScalar: y }, params, launch);
    else if (vectors) run(softmaxWgsl, 'groups4', { x, y }, params, launch);
    else run(softmaxWgsl, 'groups', { xScalar: x, yScalar: y }, params, launch);
  },
  reads: (_, [y]) => [y],
  gradient: ({ outputs: [y], grads: [g], attrs }) => ({ x: () => rowGradient(y, g as Tensor, attrs) }),
});

function rowGradient(y: Tensor, g: Tensor, { axis, log }: Attrs): Tensor {
  if (!isTracked(y, g)) return softmaxGradOp({ y, g }, { axis, log, zeroEmpty: false })[0];
  const along = { axes: [axis], keepDims: true };
  return log ? sub(g, mul(exp(y), sum(g, along))) : mul(y, sub(g, sum(mul(g, y), along)));
}

const softmaxGradOp = defineOp<{ y: Tensor; g: Tensor }, Attrs, [Spec]>({
  name: 'softmaxGrad',
  outputs: ({ y }) => [like(y)],
  forward({ y, g }, [dx], { axis, log }) {
    const dims = rowDims(y.shape, axis);
    const params = { ...dims, zeroEmpty: 0 };
    const vectors = dims.inner === 1 && dims.n % 4 === 0;
    const { variant, ...launch } = launchOf(y, dims, log);
    const tensors = { x: g, saved: y, y: dx };
    const scalars = { xScalar: g, savedScalar: y, yScalar: dx };
    if (variant === 'subgroup')
      run(rowSubgroupWgsl, 'softmaxGradRows', { g, probabilities: y, y: dx }, rowParams(dims), launch);
    else if (variant === 'thread' && vectors) run(softmaxWgsl, 'gradThreads4', tensors, params, launch);
    else if (variant === 'thread') run(softmaxWgsl, 'gradThreads', scalars, params, launch);
    else if (vectors) run(softmaxWgsl, 'gradGroups4', tensors, params, launch);
    else run(softmaxWgsl, 'gradGroups', scalars, params, launch);
  },
});

/** The kernels that can compute a softmax, best first. `subgroup`: a subgroup has one row. */
export function softmaxVariants(
  dims: RowDims,
  traits: Traits,
): readonly [SoftmaxVariant, ...SoftmaxVariant[]] {
  const variants = rowVariants(dims, traits);
  return dims.inner === 1 ? withSubgroup(variants, dims, traits) : variants;
}

type SoftmaxVariant = RowVariant | 'subgroup';

function launchOf({ device: { traits, variants } }: Tensor, dims: RowDims, log: boolean) {
  const variant = variants.choose('softmax', softmaxVariants(dims, traits));
  const LOG = log ? 1 : 0;
  if (variant === 'subgroup')
    return { variant, groups: subgroupGroups(dims.rows, traits), constants: { LOG } };
  if (variant === 'thread') return { variant, groups: Math.ceil(dims.rows / THREADS), constants: { LOG } };
  return { variant, groups: dims.rows, constants: { LOG, LANES: lanesFor(dims.n) } };
}

/**
 * Softmax along `axis` (the last one when left out): `y = exp(x − max x) / Σ exp(x − max x)`. Shape in = shape out, f32.
 * −Infinity gives 0 (a masked element); a row of −Infinity only, or with NaN or +Infinity, gives NaN as in NumPy.
 * Throws `ShapeError` for another dtype or an axis out of range.
 */
export function softmax(x: Tensor, options: AxisOption = {}): Tensor {
  return softmaxOp({ x }, attrsOf('softmax', x, options, { log: false }))[0];
}

/**
 * Logarithm of softmax along `axis` (the last one when left out), without overflow: `y = x − max x − log Σ exp(x − max x)`. Shape in = shape out, f32.
 * A row of −Infinity only, or with NaN or +Infinity, gives NaN. Throws `ShapeError` as `softmax` does.
 */
export function logSoftmax(x: Tensor, options: AxisOption = {}): Tensor {
  return softmaxOp({ x }, attrsOf('logSoftmax', x, options, { log: true }))[0];
}

/** The gradient of the input of a softmax over the last axis with result `y`: `dx = y·(g − Σ g·y)`. */
export function softmaxGrad(y: Tensor, g: Tensor): Tensor {
  return rowGradient(y, g, { axis: y.shape.length - 1, log: false, zeroEmpty: true });
}

/** Softmax over the last axis in which a row of −Infinity only gives 0: what `attention` computes row by row. */
export function maskedSoftmax(x: Tensor): Tensor {
  return softmaxOp({ x }, attrsOf('maskedSoftmax', x, {}, { log: false, zeroEmpty: true }))[0];
}

function attrsOf(
  op: string,
  x: Tensor,
  options: AxisOption,
  { log, zeroEmpty = false }: { log: boolean; zeroEmpty?: boolean },
): Attrs {
  checkTensor(op, x);
  return { axis: axisOf(op, options, -1, x.shape.length), log, zeroEmpty };
}
