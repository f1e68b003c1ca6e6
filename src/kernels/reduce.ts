import type { Spec } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { div, mul, sub } from './binary-arithmetic.ts';
import { same } from './binary-compare.ts';
import { groupsOf } from './elementwise-broadcast.ts';
import { filledInF32 } from './elementwise-cast.ts';
import { defineOp, like } from './op.ts';
import { collapseReduction, type Reduction, reduceInto } from './reduce-pass.ts';
import { expand, mean, type ReduceOptions, type ReduceShape, reduceShape, sum } from './reduce-sum.ts';
import { run } from './run.ts';
import { exp } from './unary-math.ts';
import { reduceWgsl } from './wgsl.gen.ts';

export { argmax, argmin } from './reduce-arg.ts';
export { mean, type ReduceOptions, sum, sumTo } from './reduce-sum.ts';

/** Makes `max` or `min`; equal extremes share the gradient. */
function extremeOp(name: 'max' | 'min') {
  return defineOp<{ x: Tensor }, ReduceShape, [Spec]>({
    name,
    outputs: ({ x }, { shape }) => [like(x, shape)],
    forward: ({ x }, [out], { axes }) => reduceInto(name, collapseReduction(name, x.shape, axes), { x, out }),
    gradient: ({ inputs: { x }, outputs: [y], attrs: { axes, kept, shape }, grads: [g] }) => ({
      x() {
        const mask = same(x, y.view(kept, name));
        const ties = sum(mask, { axes, keepDims: true }).view(shape, name);
        return mul(mask, expand(div(g as Tensor, ties), kept, x.shape));
      },
    }),
  });
}

const maxOp = extremeOp('max');
const minOp = extremeOp('min');

/**
 * Largest element over `axes` (all by default), NaN if there is one. x.shape → x.shape without those axes (size 1 with
 * `keepDims`). Empty: −∞. Equal largest elements share the gradient evenly.
 * Throws `ShapeError` unless x is f32, the axes exist, and they form at most three separate groups.
 */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  return maxOp({ x }, reduceShape('max', x, options))[0];
}

/** Smallest element over `axes`, NaN if there is one; empty: ∞. Otherwise as `max`. */
export function min(x: Tensor, options: ReduceOptions = {}): Tensor {
  return minOp({ x }, reduceShape('min', x, options))[0];
}

const logSumExpOp = defineOp<{ x: Tensor }, ReduceShape, [Spec]>({
  name: 'logSumExp',
  outputs: ({ x }, { shape }) => [like(x, shape)],
  forward: ({ x }, [out], { axes }) =>
    filledInF32(out, (target) => logSumExpInto(collapseReduction('logSumExp', x.shape, axes), x, target)),
  gradient: ({ inputs: { x }, outputs: [y], attrs: { kept }, grads: [g] }) => ({
    x: () => mul(exp(sub(x, expand(y, kept, x.shape))), expand(g as Tensor, kept, x.shape)),
  }),
});

function logSumExpInto(reduction: Reduction, x: Tensor, out: Tensor): void {
  const most = scratchLike(out, 'logSumExp');
  const total = scratchLike(out, 'logSumExp');
  reduceInto('max', reduction, { x, out: most });
  reduceInto('expSum', reduction, { x, out: total, shift: most });
  const count = Math.ceil(out.size / 4);
  const tensors = { x: total, shiftVector: most, outVector: out };
  run(reduceWgsl, 'addLog', tensors, { count }, { groups: groupsOf(count) });
  most.dispose();
  total.dispose();
}

/**
 * log Σ exp x over `axes` (all by default), shifted by the largest element so that nothing overflows; shapes as in
 * `max`. Empty: −∞. Its gradient is the softmax; where all of x is −∞ it is NaN.
 * Throws `ShapeError` unless x is f32, the axes exist, and they form at most three separate groups.
 */
export function logSumExp(x: Tensor, options: ReduceOptions = {}): Tensor {
  return logSumExpOp({ x }, reduceShape('logSumExp', x, options))[0];
}

interface VarianceAttrs extends ReduceShape {
  /** 1 / (count − correction). */
  readonly scale: number;
}

const varianceOp = defineOp<{ x: Tensor }, VarianceAttrs, [Spec]>({
  name: 'variance',
  outputs: ({ x }, { shape }) => [like(x, shape)],
  forward({ x }, [out], { axes, count, scale }) {
    const reduction: Reduction = collapseReduction('variance', x.shape, axes);
    const centre = scratchLike(out, 'variance');
    reduceInto('sum', reduction, { x, out: centre }, 1 / count);
    reduceInto('squareSum', reduction, { x, out, shift: centre }, scale);
    centre.dispose();
  },
  gradient: ({ inputs: { x }, attrs: { axes, kept, scale }, grads: [g] }) => ({
    x: () => mul(sub(x, mean(x, { axes, keepDims: true })), expand(g as Tensor, kept, x.shape, 2 * scale)),
  }),
});

/**
 * Σ (x − mean)² / (n − correction) over `axes` (all by default), in two passes; shapes as in `max`. `correction` 1 gives
 * the unbiased estimate. NaN where n ≤ correction.
 * Throws `ShapeError` unless x is f32, the axes exist, and they form at most three separate groups.
 */
export function variance(
  x: Tensor,
  options: ReduceOptions & { readonly correction?: number | undefined } = {},
): Tensor {
  const shapes = reduceShape('variance', x, options);
  const freedom = shapes.count - (options.correction ?? 0);
  return varianceOp({ x }, { ...shapes, scale: freedom > 0 ? 1 / freedom : Number.NaN })[0];
}

function scratchLike(out: Tensor, op: string): Tensor {
  return out.device.allocate(out.shape, 'f32', op);
}
