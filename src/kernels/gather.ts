import { check } from '../errors.ts';
import {
  type AxisOption,
  axisOf,
  type DType,
  isFloat,
  type Shape,
  type Spec,
  sizeOf,
} from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { groupsOf } from './elementwise-broadcast.ts';
import { inF32 } from './elementwise-cast.ts';
import { checkF32, checkTensors, defineOp, f32 } from './op.ts';
import { run } from './run.ts';
import { gatherWgsl } from './wgsl.gen.ts';

/** What is picked by an index out of range: NaN, or 0 among integers. */
const NAN_BITS: Partial<Record<DType, number>> = { f32: 0x7fc00000, f16: 0x7e00 };

type Indexed = { x: Tensor; indices: Tensor };

const gatherOp = defineOp<Indexed, { axis: number; fill: number }, [Spec]>({
  name: 'gather',
  outputs({ x, indices }, { axis }) {
    checkIndices('gather', indices);
    return [{ shape: x.shape.toSpliced(axis, 1, ...indices.shape), dtype: x.dtype }];
  },
  forward({ x, indices }, [out], { axis, fill }) {
    const { n, k, width } = dimsOf(x.shape, axis, indices);
    if (out.size === 0) return;
    const count = Math.ceil(out.size / 4);
    const launch = { groups: groupsOf(count) };
    if (chooseFor(x, width) === 'vectors')
      run(gatherWgsl, 'gatherVectors', { x, indices, out }, { count, n, k, width: width / 4, fill }, launch);
    else
      run(gatherWgsl, 'gatherElements', { xScalar: x, indices, out }, { count, n, k, width, fill }, launch);
  },
  gradient: ({ inputs: { x, indices }, attrs: { axis }, grads: [g] }) => ({
    // Added up in f32.
    x: (): Tensor =>
      inF32(g as Tensor, (sums) => scatterOp({ x: sums, indices }, { axis, n: x.shape[axis] ?? 1 })[0]),
  }),
});

/**
 * Picks along `axis` (default 0) by i32 or u32 indices of any shape: [N, C] by [K] → [K, C];
 * `out[…, k, …] = x[…, indices[k], …]`. An index outside [0, N) gives NaN (0 for integer `x`).
 * Any dtype. Its gradient scans all indices for each element of `x`: N·C·K steps, meant for small K.
 * Throws `ShapeError` for f32 indices or an axis out of range, or when `x` has nothing to pick from.
 */
export function gather(x: Tensor, indices: Tensor, options: AxisOption = {}): Tensor {
  checkTensors('gather', { x, indices });
  const at = axisOf('gather', options, 0, x.shape.length);
  check(x.shape[at] !== 0 || indices.size === 0, 'gather', () => `axis ${at} of ${x} is empty`);
  return gatherOp({ x, indices }, { axis: at, fill: NAN_BITS[x.dtype] ?? 0 })[0];
}

/** The adjoint of `gather`: `out[…, n, …] = Σ x[…, k, …]` over k with `indices[k] = n`; other indices are dropped. */
const scatterOp = defineOp<Indexed, { axis: number; n: number }, [Spec]>({
  name: 'gatherGrad',
  outputs({ x, indices }, { axis, n }) {
    checkF32('gatherGrad', 'x', x);
    return [f32(x.shape.toSpliced(axis, indices.shape.length, n))];
  },
  forward({ x, indices }, [out], { axis }) {
    const { n, k, width } = dimsOf(out.shape, axis, indices);
    if (chooseFor(x, width) === 'vectors') {
      const params = { count: out.size / 4, n, k, width: width / 4, fill: 0 };
      const groups = groupsOf(params.count);
      run(gatherWgsl, 'scatterVectors', { g: x, indices, sums: out }, params, { groups });
    } else {
      const params = { count: out.size, n, k, width, fill: 0 };
      const groups = groupsOf(out.size);
      run(gatherWgsl, 'scatterElements', { gScalar: x, indices, sumsScalar: out }, params, { groups });
    }
  },
  // Dropped rows have no influence, so their gradient is 0 and not NaN.
  gradient: ({ inputs: { indices }, attrs: { axis }, grads: [g] }) => ({
    x: (): Tensor => gatherOp({ x: g as Tensor, indices }, { axis, fill: 0 })[0],
  }),
});

const oneHotOp = defineOp<{ indices: Tensor }, { classes: number }, [Spec]>({
  name: 'oneHot',
  outputs({ indices }, { classes }) {
    checkIndices('oneHot', indices);
    const valid = Number.isInteger(classes) && classes >= 0;
    check(valid, 'oneHot', () => `classes must be a non-negative integer; got ${classes}`);
    return [f32([...indices.shape, classes])];
  },
  forward({ indices }, [sums], { classes }) {
    const count = Math.ceil(sums.size / 4);
    run(gatherWgsl, 'oneHot', { indices, sums }, { count, classes }, { groups: groupsOf(count) });
  },
});

/**
 * `out[…, c] = 1` where `indices[…] = c`, else 0: i32 or u32 [N] → f32 [N, classes].
 * An index outside [0, classes) gives a row of zeros. Throws `ShapeError` for f32 indices.
 */
export function oneHot(indices: Tensor, classes: number): Tensor {
  return oneHotOp({ indices }, { classes })[0];
}

function checkIndices(op: string, indices: Tensor): void {
  check(!isFloat(indices.dtype), op, () => `indices must be i32 or u32; got ${indices}`);
}

function dimsOf(shape: Shape, axis: number, indices: Tensor) {
  return { n: shape[axis] ?? 1, k: indices.size, width: sizeOf(shape.slice(axis + 1)) };
}

function chooseFor(x: Tensor, width: number): 'vectors' | 'elements' {
  return x.device.variants.choose('gather', width % 4 === 0 ? ['vectors', 'elements'] : ['elements']);
}
