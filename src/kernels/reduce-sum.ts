import { check, checkNames } from '../errors.ts';
import {
  broadcastShapes,
  formatShape,
  normalizeAxes,
  refuseDim,
  type Shape,
  type Spec,
  sameShape,
  sizeOf,
} from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  bitsOf,
  collapse,
  coverage,
  elementwiseVariants,
  flatSteps,
  numbered,
  oneElement,
  rankOf,
  runOf,
} from './elementwise-broadcast.ts';
import { inF32 } from './elementwise-cast.ts';
import { checkFloats, defineOp, like, readsNothing } from './op.ts';
import { collapseReduction, reduceInto } from './reduce-pass.ts';
import { run } from './run.ts';
import { elementwiseBinaryWgsl } from './wgsl.gen.ts';

/** Which axes a reduction removes. */
export interface ReduceOptions {
  /** Axes to reduce, −1 being the last; all of them when left out. */
  readonly axes?: number | readonly number[] | undefined;
  /** Keep reduced axes with size 1. */
  readonly keepDims?: boolean | undefined;
}

/** The shapes of a reduction: what is reduced, and the result with and without size-1 axes. */
export interface ReduceShape {
  readonly axes: readonly number[];
  /** The result as asked for. */
  readonly shape: Shape;
  /** The result with reduced axes kept as 1. */
  readonly kept: Shape;
  /** Reduced elements for each output. */
  readonly count: number;
}

/** The shape rule of every reduction. Throws `ShapeError` for an axis out of range or named twice. */
export function reduceShape(op: string, x: Tensor, options: ReduceOptions): ReduceShape {
  checkFloats(op, { x });
  checkNames(op, options, ['axes', 'keepDims']);
  refuseDim(op, options, 'axes');
  const { axes, keepDims = false } = options;
  const list = normalizeAxes(axes, x.shape.length, op);
  const kept = x.shape.map((dim, i) => (list.includes(i) ? 1 : dim));
  const shape = keepDims ? kept : x.shape.filter((_, i) => !list.includes(i));
  return { axes: list, kept, shape, count: sizeOf(list.map((axis) => x.shape[axis] ?? 1)) };
}

interface SumAttrs extends Pick<ReduceShape, 'axes' | 'shape' | 'kept'> {
  readonly op: string;
  readonly scale: number;
}

const sumOp = defineOp<{ x: Tensor }, SumAttrs, [Spec]>({
  name: 'sum',
  outputs: ({ x }, { shape }) => [like(x, shape)],
  forward: ({ x }, [out], { op, axes, scale }) =>
    reduceInto('sum', collapseReduction(op, x.shape, axes), { x, out }, scale),
  reads: readsNothing,
  gradient: ({ inputs: { x }, attrs: { kept, scale }, grads: [g] }) => ({
    x: () => expand(g as Tensor, kept, x.shape, scale),
  }),
});

interface ExpandAttrs {
  readonly op: string;
  /** x's shape with 1 for every axis it is repeated along. */
  readonly from: Shape;
  readonly shape: Shape;
  readonly scale: number;
}

const expandOp = defineOp<{ x: Tensor }, ExpandAttrs, [Spec]>({
  name: 'expand',
  outputs: ({ x }, { shape }) => [{ shape, dtype: x.dtype }],
  forward({ x }, [out], { op, from, shape, scale }) {
    const loops = collapse(op, shape, [from]);
    const variant = x.device.variants.choose('elementwise', elementwiseVariants(loops));
    const RUN = runOf(loops, variant, x.device.traits);
    const { count, groups } = coverage(shape, variant, RUN);
    const [a] = loops.strides;
    const params = {
      ...{ count, number: bitsOf(op, scale, x.dtype), ...flatSteps(x.device.traits) },
      ...{ ...numbered('size', loops.sizes, 1), ...numbered('a', a ?? [], 0), ...numbered('b', [], 0) },
    };
    const times = { OP: 2, NUMBER: 2, RANK: rankOf(loops), ONE: oneElement(loops, 2), RUN };
    const launch = { groups, constants: times, lines: { T: x.dtype } };
    if (variant !== 'scalars') run(elementwiseBinaryWgsl, variant, { a: x, b: x, out }, params, launch);
    else {
      const scalars = { aScalar: x, bScalar: x, outScalar: out };
      run(elementwiseBinaryWgsl, 'scalars', scalars, params, launch);
    }
  },
  reads: readsNothing,
  gradient: ({ inputs: { x }, attrs: { op, from, shape, scale }, grads: [g] }) => ({
    x: () =>
      sumOp(
        { x: g as Tensor },
        { op, axes: repeatedAxes(from, shape), shape: x.shape, kept: from, scale },
      )[0],
  }),
});

/** Axes of `shape` along which `from` is repeated. */
function repeatedAxes(from: Shape, shape: Shape): number[] {
  const missing = shape.length - from.length;
  return shape.flatMap((dim, i) => ((from[i - missing] ?? 1) === 1 && dim !== 1 ? [i] : []));
}

/**
 * `scale · x` repeated to `shape`, where x is read as having the shape `from`: the gradient of a sum (and, with `from`
 * as the shape with size-1 axes, of one that dropped its axes).
 */
export function expand(x: Tensor, from: Shape, shape: Shape, scale = 1): Tensor {
  const op = 'expand';
  if (x.dtype === 'f32' || scale === 1) return expandOp({ x }, { op, from, shape, scale })[0];
  // A small factor has few digits in f16; the product has them.
  const same = { op, from: x.shape, shape: x.shape, scale };
  const product = inF32(x, (wide) => expandOp({ x: wide }, same)[0]);
  return expandOp({ x: product }, { op, from, shape, scale: 1 })[0];
}

/**
 * Sums over the axes along which a tensor of `shape` would be repeated to broadcast to x: x.shape → `shape`; x itself
 * when it has that shape. This is how gradients undo broadcasting.
 * Throws `ShapeError` when `shape` does not broadcast to x's.
 */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const fits = sameShape(broadcastShapes(shape, x.shape, 'sumTo'), x.shape);
  check(fits, 'sumTo', () => `${formatShape(shape)} does not broadcast to ${formatShape(x.shape)}`);
  checkFloats('sumTo', { x });
  const axes = repeatedAxes(shape, x.shape);
  const kept = [...new Array<number>(x.shape.length - shape.length).fill(1), ...shape];
  return sumOp({ x }, { op: 'sumTo', axes, shape, kept, scale: 1 })[0];
}

/**
 * Σ x over `axes` (all by default), in blocks and in a fixed order: the error stays near 1e-6 relative to Σ|x| for 10⁷
 * elements. x.shape → x.shape without those axes (size 1 with `keepDims`). Empty: 0.
 * Throws `ShapeError` unless x is f32, the axes exist, and they form at most three separate groups.
 */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  return sumOp({ x }, { op: 'sum', scale: 1, ...reduceShape('sum', x, options) })[0];
}

/** Σ x / n over `axes`; see `sum`. Empty: NaN. */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  const shapes = reduceShape('mean', x, options);
  return sumOp({ x }, { op: 'mean', scale: 1 / shapes.count, ...shapes })[0];
}
