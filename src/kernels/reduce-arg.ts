import { check } from '../errors.ts';
import type { Spec } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { groupsOf } from './elementwise-broadcast.ts';
import { defineOp } from './op.ts';
import { axisParams, chunksOf, collapseReduction, type Reduction } from './reduce-pass.ts';
import { type ReduceOptions, type ReduceShape, reduceShape } from './reduce-sum.ts';
import { run } from './run.ts';
import { reduceArgWgsl } from './wgsl.gen.ts';

const EXTREMES = {
  argmax: { code: 0, neutral: Number.NEGATIVE_INFINITY },
  argmin: { code: 1, neutral: Number.POSITIVE_INFINITY },
} as const;
type ArgName = keyof typeof EXTREMES;

function argOp(name: ArgName) {
  return defineOp<{ x: Tensor }, ReduceShape, [Spec]>({
    name,
    outputs: (_, { shape }) => [{ shape, dtype: 'i32' }],
    forward: ({ x }, [out], { axes, count }) =>
      pass(name, collapseReduction(name, x.shape, axes), { x, out }, count),
    gradient: () => ({}),
  });
}

/** One pass over `length` elements, or over the winners of an earlier pass, and the passes after it. */
function pass(
  name: ArgName,
  reduction: Reduction,
  tensors: { readonly x: Tensor; readonly out: Tensor; readonly candidates?: Tensor },
  length: number,
): void {
  const { x, out, candidates } = tensors;
  const chunks = chunksOf(out.size, length, x.device.traits);
  const target = chunks === 1 ? out : x.device.allocate([chunks, out.size], 'i32', name);
  const { code, neutral } = EXTREMES[name];
  const params = { outputs: out.size, chunks, length, neutral, ...axisParams(reduction) };
  const launch = { groups: groupsOf(out.size * chunks), constants: { OP: code, FIRST: candidates ? 0 : 1 } };
  // The first pass reads no candidates: any tensor will do.
  run(reduceArgWgsl, 'arg', { x, candidates: candidates ?? x, out: target }, params, launch);
  if (chunks === 1) return;
  pass(name, reduction, { x, out, candidates: target }, chunks);
  target.dispose();
}

const argmaxOp = argOp('argmax');
const argminOp = argOp('argmin');

/**
 * Where the largest element lies, as an i32 index among the elements of `axes` (all by default) in row-major order: the
 * first of equals, or the first NaN. x.shape → x.shape without those axes (size 1 with `keepDims`). No gradient.
 * Throws `ShapeError` unless x is f32, not empty along the axes, and they form at most three separate groups.
 */
export function argmax(x: Tensor, options: ReduceOptions = {}): Tensor {
  return argmaxOp({ x }, argShape('argmax', x, options))[0];
}

/** Where the smallest element lies; otherwise as `argmax`. */
export function argmin(x: Tensor, options: ReduceOptions = {}): Tensor {
  return argminOp({ x }, argShape('argmin', x, options))[0];
}

function argShape(name: ArgName, x: Tensor, options: ReduceOptions): ReduceShape {
  const shapes = reduceShape(name, x, options);
  check(shapes.count > 0, name, () => `there is no element to find in ${x}`);
  return shapes;
}
