import { check } from '../errors.ts';
import { formatShape, type Shape, type Spec } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { groupsOf } from './elementwise-broadcast.ts';
import { reshape } from './layout-axes.ts';
import { checkFloats, defineOp, like, readsNothing } from './op.ts';
import { geometryOf, type PoolGeometry, type PoolOptions, poolParams } from './pool-geometry.ts';
import { max, mean } from './reduce.ts';
import { run } from './run.ts';
import { poolWgsl } from './wgsl.gen.ts';

type X = { x: Tensor };
type Indexed = { x: Tensor; index: Tensor };

const maxPoolOp = defineOp<X, PoolGeometry, [Spec]>({
  name: 'maxPool',
  outputs: ({ x }, { outShape }) => [like(x, outShape)],
  forward({ x }, [out], geometry) {
    const { vectors, params, launch } = plan(x, out, geometry);
    if (vectors) run(poolWgsl, 'maxPool', { x, out }, params, launch);
    else run(poolWgsl, 'maxPoolScalar', { xScalar: x, outScalar: out }, params, launch);
  },
  gradient: ({ inputs: { x }, attrs, grads: [g] }) => ({
    x: () => maxPoolGradOp({ x: g as Tensor, index: maxPoolIndexOp({ x }, attrs)[0] }, attrs)[0],
  }),
});

/** Where each window has its first largest element, counted within the sample. */
const maxPoolIndexOp = defineOp<X, PoolGeometry, [Spec]>({
  name: 'maxPoolIndex',
  outputs: (_, { outShape }) => [{ shape: outShape, dtype: 'u32' }],
  forward({ x }, [out], geometry) {
    const { vectors, params, launch } = plan(x, out, geometry);
    if (vectors) run(poolWgsl, 'maxPoolIndex', { x, outIndex: out }, params, launch);
    else run(poolWgsl, 'maxPoolIndexScalar', { xScalar: x, outIndexScalar: out }, params, launch);
  },
});

/** Adds each element to the place its window was taken from; linear, the adjoint of `maxPoolPick`. */
const maxPoolGradOp = defineOp<Indexed, PoolGeometry, [Spec]>({
  name: 'maxPoolGrad',
  outputs: ({ x }, { inShape }) => [like(x, inShape)],
  forward({ x, index }, [out], geometry) {
    const { vectors, params, launch } = plan(x, out, geometry);
    if (vectors) run(poolWgsl, 'maxPoolGrad', { x, index, out }, params, launch);
    else {
      const tensors = { xScalar: x, indexScalar: index, outScalar: out };
      run(poolWgsl, 'maxPoolGradScalar', tensors, params, launch);
    }
  },
  gradient: ({ inputs: { index }, attrs, grads: [g] }) => ({
    x: (): Tensor => maxPoolPickOp({ x: g as Tensor, index }, attrs)[0],
  }),
});

/** Takes from each window the element its index names. */
const maxPoolPickOp = defineOp<Indexed, PoolGeometry, [Spec]>({
  name: 'maxPoolPick',
  outputs: ({ x }, { outShape }) => [like(x, outShape)],
  forward({ x, index }, [out], geometry) {
    const { vectors, params, launch } = plan(x, out, geometry);
    if (vectors) run(poolWgsl, 'maxPoolPick', { x, index, out }, params, launch);
    else {
      const tensors = { xScalar: x, indexScalar: index, outScalar: out };
      run(poolWgsl, 'maxPoolPickScalar', tensors, params, launch);
    }
  },
  gradient: ({ inputs: { index }, attrs, grads: [g] }) => ({
    x: (): Tensor => maxPoolGradOp({ x: g as Tensor, index }, attrs)[0],
  }),
});

const avgPoolOp = defineOp<X, PoolGeometry, [Spec]>({
  name: 'avgPool',
  outputs: ({ x }, { outShape }) => [like(x, outShape)],
  forward({ x }, [out], geometry) {
    const { vectors, params, launch } = plan(x, out, geometry);
    if (vectors) run(poolWgsl, 'avgPool', { x, out }, params, launch);
    else run(poolWgsl, 'avgPoolScalar', { xScalar: x, outScalar: out }, params, launch);
  },
  reads: readsNothing,
  gradient: ({ attrs, grads: [g] }) => ({ x: () => avgPoolGradOp({ x: g as Tensor }, attrs)[0] }),
});

const avgPoolGradOp = defineOp<X, PoolGeometry, [Spec]>({
  name: 'avgPoolGrad',
  outputs: ({ x }, { inShape }) => [like(x, inShape)],
  forward({ x }, [out], geometry) {
    const { vectors, params, launch } = plan(x, out, geometry);
    if (vectors) run(poolWgsl, 'avgPoolGrad', { x, out }, params, launch);
    else run(poolWgsl, 'avgPoolGradScalar', { xScalar: x, outScalar: out }, params, launch);
  },
  gradient: ({ attrs, grads: [g] }) => ({ x: (): Tensor => avgPoolOp({ x: g as Tensor }, attrs)[0] }),
});

/** Kernels that can pool this many channels, best first. */
export function poolVariants(channels: number): ['vectors', 'scalars'] | ['scalars'] {
  return channels % 4 === 0 ? ['vectors', 'scalars'] : ['scalars'];
}

function plan(x: Tensor, out: Tensor, geometry: PoolGeometry) {
  const channels = out.shape.at(-1) ?? 1;
  const vectors = x.device.variants.choose('pool', poolVariants(channels)) === 'vectors';
  const lanes = vectors ? 4 : 1;
  const count = out.size / lanes;
  const params = { ...poolParams(geometry), count, channels: channels / lanes };
  return { vectors, params, launch: { groups: groupsOf(count) } };
}

export interface AvgPoolOptions extends PoolOptions {
  /** Divide by the whole window size at the border too, where padding counts as zeros (false when left out). */
  readonly countIncludePad?: boolean;
}

/**
 * The largest element of each window: [N, L, C] → [N, ⌊(L + 2·padding − size)/stride⌋ + 1, C]. Padding never wins, NaN
 * does. The gradient goes to the first largest element. Throws `ShapeError` unless x is f32 of rank 3 with 0 < L, the
 * window fits, and padding ≤ size/2.
 */
export function maxPool1d(x: Tensor, options: PoolOptions): Tensor {
  return maxPoolOp({ x }, geometryOf('maxPool1d', x, 1, options))[0];
}

/** The same over two axes, [N, H, W, C] → [N, OH, OW, C]; see `maxPool1d`. */
export function maxPool2d(x: Tensor, options: PoolOptions): Tensor {
  return maxPoolOp({ x }, geometryOf('maxPool2d', x, 2, options))[0];
}

/** The same over three axes, [N, D, H, W, C] → [N, OD, OH, OW, C]; see `maxPool1d`. */
export function maxPool3d(x: Tensor, options: PoolOptions): Tensor {
  return maxPoolOp({ x }, geometryOf('maxPool3d', x, 3, options))[0];
}

/**
 * The mean of each window: [N, L, C] → [N, ⌊(L + 2·padding − size)/stride⌋ + 1, C]; at the border the mean of the
 * elements that are there, or with `countIncludePad` their sum / size.
 * Throws `ShapeError` unless x is f32 of rank 3 with 0 < L, the window fits, and padding ≤ size/2.
 */
export function avgPool1d(x: Tensor, options: AvgPoolOptions): Tensor {
  return avgPool('avgPool1d', x, 1, options);
}

/** The same over two axes, [N, H, W, C] → [N, OH, OW, C]; see `avgPool1d`. */
export function avgPool2d(x: Tensor, options: AvgPoolOptions): Tensor {
  return avgPool('avgPool2d', x, 2, options);
}

/** The same over three axes, [N, D, H, W, C] → [N, OD, OH, OW, C]; see `avgPool1d`. */
export function avgPool3d(x: Tensor, options: AvgPoolOptions): Tensor {
  return avgPool('avgPool3d', x, 3, options);
}

function avgPool(op: string, x: Tensor, rank: number, options: AvgPoolOptions): Tensor {
  const geometry = geometryOf(op, x, rank, options);
  return avgPoolOp({ x }, { ...geometry, includePad: options.countIncludePad ?? false })[0];
}

/** The mean over all positions: [N, …, C] → [N, C]. Throws `ShapeError` unless x is f32 of rank 3 or more. */
export function globalAvgPool(x: Tensor): Tensor {
  return mean(reshape(x, flatPositions('globalAvgPool', x)), { axes: 1 });
}

/**
 * The largest element over all positions: [N, …, C] → [N, C]; equal ones share the gradient.
 * Throws `ShapeError` unless x is f32 of rank 3 or more, with at least one position.
 */
export function globalMaxPool(x: Tensor): Tensor {
  const shape = flatPositions('globalMaxPool', x);
  check(shape[1] !== 0, 'globalMaxPool', () => `${formatShape(x.shape)} has no positions`);
  return max(reshape(x, shape), { axes: 1 });
}

function flatPositions(op: string, x: Tensor): Shape {
  checkFloats(op, { x });
  check(x.shape.length >= 3, op, () => `x must be [N, …, C]; got ${formatShape(x.shape)}`);
  const positions = x.shape.slice(1, -1).reduce((product, dim) => product * dim, 1);
  return [x.shape[0] ?? 0, positions, x.shape.at(-1) ?? 0];
}
