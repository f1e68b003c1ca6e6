import { check, need } from '../errors.ts';
import {
  checkShape,
  formatShape,
  normalizeAxes,
  normalizeAxis,
  type Shape,
  type Spec,
  sizeOf,
  stridesOf,
} from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { copyStrided } from './layout-copy.ts';
import { checkTensor, defineOp, readsNothing } from './op.ts';
import { sumTo } from './reduce.ts';

type X = { x: Tensor };

const reshapeOp = defineOp<X, { shape: Shape }, [Spec]>({
  name: 'reshape',
  outputs: ({ x }, { shape }) => [{ shape: resolveShape(x, shape), dtype: x.dtype }],
  reads: readsNothing,
  gradient: ({ inputs: { x }, grads: [g] }) => ({ x: () => reshape(g as Tensor, x.shape) }),
});

/**
 * The same elements in row-major order under another shape of equal size; no copy, the memory is shared.
 * One dimension may be −1 and is computed from the others. Throws `ShapeError` when the sizes differ.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  checkTensor('reshape', x);
  need(Array.isArray(shape), 'reshape', 'a shape', shape);
  return reshapeOp({ x }, { shape })[0];
}

function resolveShape(x: Tensor, shape: Shape): number[] {
  const known = sizeOf(shape.filter((dim) => dim !== -1));
  const holes = shape.filter((dim) => dim === -1).length;
  const missing = known > 0 ? x.size / known : 0;
  const resolved = shape.map((dim) => (dim === -1 ? missing : dim));
  const fits = holes <= 1 && resolved.every(isDimension) && sizeOf(resolved) === x.size;
  check(fits, 'reshape', () => `${x} of ${x.size} elements does not fit ${formatShape(shape)}`);
  return resolved;
}

function isDimension(dim: number): boolean {
  return Number.isInteger(dim) && dim >= 0;
}

const transposeOp = defineOp<X, { axes: readonly number[] }, [Spec]>({
  name: 'transpose',
  outputs: ({ x }, { axes }) => [{ shape: axes.map((axis) => x.shape[axis] ?? 1), dtype: x.dtype }],
  forward({ x }, [out], { axes }) {
    const strides = stridesOf(x.shape);
    const walk = { dims: out.shape, strides: axes.map((axis) => strides[axis] ?? 1), start: 0 };
    copyStrided(x, out, walk, 'transpose');
  },
  reads: readsNothing,
  gradient: ({ attrs: { axes }, grads: [g] }) => ({
    x: () =>
      transpose(
        g as Tensor,
        axes.map((_, axis) => axes.indexOf(axis)),
      ),
  }),
});

/**
 * Permutes the axes: `out.shape[i] = x.shape[axes[i]]`, `out[…iₖ…] = x[…]` with index `iₖ` on axis `axes[k]` of `x`.
 * Without `axes` their order is reversed. Any dtype. Throws `ShapeError` unless `axes` names each axis once.
 */
export function transpose(x: Tensor, axes?: readonly number[]): Tensor {
  checkTensor('transpose', x);
  need(axes === undefined || Array.isArray(axes), 'transpose', 'a list of axes', axes);
  const rank = x.shape.length;
  const order = axes?.map((axis) => normalizeAxis(axis, rank, 'transpose')) ?? reversed(rank);
  const complete = order.length === rank && new Set(order).size === rank;
  check(complete, 'transpose', () => `axes must name each axis of ${x} once; got [${axes}]`);
  return transposeOp({ x }, { axes: order })[0];
}

function reversed(rank: number): number[] {
  return Array.from({ length: rank }, (_, i) => rank - 1 - i);
}

const broadcastOp = defineOp<X, { shape: Shape }, [Spec]>({
  name: 'broadcastTo',
  outputs({ x }, { shape }) {
    checkShape(shape, 'broadcastTo');
    const padded = alignShape(x.shape, shape.length);
    const fits = padded.length === shape.length && padded.every((dim, i) => dim === 1 || dim === shape[i]);
    check(fits, 'broadcastTo', () => `${x} does not broadcast to ${formatShape(shape)}`);
    return [{ shape, dtype: x.dtype }];
  },
  forward({ x }, [out], { shape }) {
    const padded = alignShape(x.shape, shape.length);
    const strides = stridesOf(padded).map((stride, i) => (padded[i] === 1 ? 0 : stride));
    copyStrided(x, out, { dims: shape, strides, start: 0 }, 'broadcastTo');
  },
  reads: readsNothing,
  gradient: ({ inputs: { x }, grads: [g] }) => ({ x: () => sumTo(g as Tensor, x.shape) }),
});

/**
 * Repeats `x` along its axes of length 1 and along new leading axes (NumPy's rule): `[3, 1]` → `[2, 3, 4]`.
 * Any dtype. Throws `ShapeError` when another dimension differs.
 */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  return broadcastOp({ x }, { shape })[0];
}

/** `shape` with leading ones, so that it has `rank` axes. */
function alignShape(shape: Shape, rank: number): number[] {
  return [...new Array<number>(Math.max(rank - shape.length, 0)).fill(1), ...shape];
}

const flipOp = defineOp<X, { axes: readonly number[] }, [Spec]>({
  name: 'flip',
  outputs: ({ x }) => [{ shape: x.shape, dtype: x.dtype }],
  forward({ x }, [out], { axes }) {
    const strides = stridesOf(x.shape);
    const last = axes.map((axis) => ((x.shape[axis] ?? 1) - 1) * (strides[axis] ?? 1));
    const walk = {
      dims: x.shape,
      strides: strides.map((stride, axis) => (axes.includes(axis) ? -stride : stride)),
      start: last.reduce((a, b) => a + b, 0),
    };
    copyStrided(x, out, walk, 'flip');
  },
  reads: readsNothing,
  gradient: ({ attrs: { axes }, grads: [g] }) => ({ x: () => flip(g as Tensor, axes) }),
});

/**
 * Reverses the order along `axes` (all when left out): `out[…i…] = x[…dim − 1 − i…]`. Shape in = shape out, any dtype.
 * Throws `ShapeError` for an axis out of range or named twice.
 */
export function flip(x: Tensor, axes?: number | readonly number[]): Tensor {
  checkTensor('flip', x);
  return flipOp({ x }, { axes: normalizeAxes(axes, x.shape.length, 'flip') })[0];
}
