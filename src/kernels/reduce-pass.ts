import { check } from '../errors.ts';
import type { Traits } from '../tensor/device.ts';
import { formatShape, type Shape, sizeOf, stridesOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { filledInF32 } from './elementwise-cast.ts';
import { largestSubgroup, SHORTEST_ROW, subgroupGroups } from './row-subgroup.ts';
import { run } from './run.ts';
import { reduceSubgroupWgsl, reduceWgsl } from './wgsl.gen.ts';

/** A loop: how many elements, and how far apart. */
export interface Axis {
  readonly size: number;
  readonly stride: number;
}

/** A reduction with its axes merged where they are adjacent, innermost first. */
export interface Reduction {
  readonly kept: readonly Axis[];
  readonly reduced: readonly Axis[];
}

/** What the kernel does with the elements. */
export const REDUCTIONS = {
  sum: { code: 0, neutral: 0 },
  max: { code: 1, neutral: Number.NEGATIVE_INFINITY },
  min: { code: 2, neutral: Number.POSITIVE_INFINITY },
  expSum: { code: 3, neutral: 0 },
  squareSum: { code: 4, neutral: 0 },
} as const;
export type ReduceOp = keyof typeof REDUCTIONS;

/** Adjacent outputs of a thread, and elements of a step. */
const WIDTHS = {
  rows: { across: 1, along: 4 },
  columns: { across: 4, along: 1 },
  wide: { across: 8, along: 1 },
  general: { across: 1, along: 4 },
} as const;

const MOST_AXES = 3;
/** Elements (or vectors) a thread reduces at least, so that partial results stay few. */
const SHORTEST_CHUNK = 16;
/** Vectors a lane of a subgroup reduces at most before its row is cut into chunks, so that partial results take one more pass. */
const LONGEST_TURNS = 64;

/** Merges the axes of `shape`. Throws `ShapeError` when more than three kept or three reduced ones are left. */
export function collapseReduction(op: string, shape: Shape, axes: readonly number[]): Reduction {
  const strides = stridesOf(shape);
  const kept: Axis[] = [];
  const reduced: Axis[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] ?? 1;
    if (size !== 1) append(axes.includes(axis) ? reduced : kept, size, strides[axis] ?? 1);
  }
  const walkable = kept.length <= MOST_AXES && reduced.length <= MOST_AXES;
  check(
    walkable,
    op,
    () => `axes ${formatShape(axes)} of ${formatShape(shape)} alternate too often; transpose first`,
  );
  return { kept, reduced };
}

function append(axes: Axis[], size: number, stride: number): void {
  const inner = axes.at(-1);
  if (inner && inner.size * inner.stride === stride) {
    axes[axes.length - 1] = { size: inner.size * size, stride: inner.stride };
  } else axes.push({ size, stride });
}

/**
 * `rows`: 4 adjacent reduced elements at a time; `subgroup`: the same of dense rows, with a subgroup for each chunk;
 * `columns`: 4 adjacent outputs; `wide`: 8; `general`: any strides.
 */
export type ReduceVariant = 'rows' | 'subgroup' | 'columns' | 'wide' | 'general';

/** The kernels that can do this reduction, best first. */
export function reduceVariants(
  { kept, reduced }: Reduction,
  { software, subgroups }: Pick<Traits, 'software' | 'subgroups'>,
): [ReduceVariant, ...ReduceVariant[]] {
  const [inner, ...outer] = reduced;
  const [column, ...others] = kept;
  const aligned = (axes: readonly Axis[]) => axes.every((axis) => axis.stride % 4 === 0);
  const whole = kept.length === 0 && outer.length === 0;
  if (inner?.stride === 1 && (whole || (inner.size % 4 === 0 && aligned(outer) && aligned(kept)))) {
    const dense = kept.length === 0 || (kept.length === 1 && column?.stride === inner.size);
    if (!subgroups || outer.length > 0 || !dense) return ['rows', 'general'];
    const early = !software && inner.size >= SHORTEST_ROW;
    return early ? ['subgroup', 'rows', 'general'] : ['rows', 'general', 'subgroup'];
  }
  if (column?.stride === 1 && column.size % 4 === 0 && aligned(others) && aligned(reduced)) {
    if (column.size % 8 !== 0) return ['columns', 'general'];
    return software ? ['wide', 'columns', 'general'] : ['columns', 'wide', 'general'];
  }
  return ['general'];
}

/** Into how many chunks `length` steps are split so that `threads` × chunks keep the adapter busy: 1 or a multiple of 4. */
export function chunksOf(threads: number, length: number, traits: Pick<Traits, 'software'>): number {
  const wanted = Math.ceil((traits.software ? 4096 : 131072) / Math.max(threads, 1));
  const chunks = Math.min(wanted, Math.ceil(length / SHORTEST_CHUNK));
  return chunks <= 1 ? 1 : Math.ceil(chunks / 4) * 4;
}

/** Which steps a chunk takes: adjacent ones on a CPU; every chunks-th on a GPU, so that neighbours share cache lines. */
function chunkSteps(length: number, chunks: number, { software }: Pick<Traits, 'software'>) {
  const turns = Math.ceil(length / chunks);
  return { turns, start: software ? turns : 1, step: software ? 1 : chunks };
}

/**
 * Reduces `x` into `out`, in as many passes as it takes. `shift` (one number for each output) is for `expSum` and
 * `squareSum`; `scale` multiplies the result. What lies between x and `out` is f32.
 */
export function reduceInto(
  op: ReduceOp,
  reduction: Reduction,
  tensors: { readonly x: Tensor; readonly out: Tensor; readonly shift?: Tensor },
  scale = 1,
): void {
  const { x, out, shift = x } = tensors;
  if (out.dtype === 'f16') {
    filledInF32(out, (target) => reduceInto(op, reduction, { ...tensors, out: target }, scale));
    return;
  }
  const { device } = x;
  const variant = device.variants.choose('reduce', reduceVariants(reduction, device.traits));
  if (variant === 'subgroup') {
    reduceRows(op, tensors, product(reduction.reduced), scale);
    return;
  }
  const elements = product(reduction.reduced);
  const { across, along } = WIDTHS[variant];
  const length = Math.ceil(elements / along);
  const outputs = out.size / across;
  const chunks = chunksOf(outputs, length, device.traits);
  const last = chunks === 1;
  const target = last ? out : device.allocate([chunks, out.size], 'f32', 'reduce');
  const { code, neutral } = REDUCTIONS[op];
  const single = reduction.reduced.length <= 1 ? 1 : 0;
  const params = {
    ...{ outputs, chunks, length, elements, neutral, scale: last ? scale : 1 },
    ...chunkSteps(length, chunks, device.traits),
    ...axisParams(reduction),
  };
  const constants = { OP: code, SINGLE: single, DEEP: device.traits.software ? 0 : 1 };
  const launch = { groups: Math.ceil((outputs * chunks) / 64), constants };
  if (variant === 'rows') run(reduceWgsl, 'rows', { x, shift, out: target }, params, launch);
  else if (variant === 'columns' || variant === 'wide') {
    run(reduceWgsl, variant, { x, shiftVector: shift, outVector: target }, params, launch);
  } else run(reduceWgsl, 'general', { xScalar: x, shift, out: target }, params, launch);
  if (last) return;
  const next = partials(variant, out.size, chunks);
  reduceInto(mergeOf(op), next, { x: target, out }, scale);
  target.dispose();
}

/** Dense rows of `elements`, a subgroup for each chunk. */
function reduceRows(
  op: ReduceOp,
  { x, out, shift = x }: { readonly x: Tensor; readonly out: Tensor; readonly shift?: Tensor },
  elements: number,
  scale: number,
): void {
  const { device } = x;
  const length = Math.ceil(elements / 4);
  const lanes = largestSubgroup(device.traits);
  const chunks =
    length <= LONGEST_TURNS * lanes ? 1 : chunksOf(out.size * lanes, length / lanes, device.traits);
  const target = chunks === 1 ? out : device.allocate([out.size, chunks], 'f32', 'reduce');
  const parts = out.size * chunks;
  const { code, neutral } = REDUCTIONS[op];
  const share = Math.ceil(length / chunks);
  const params = { parts, chunks, length, share, elements, neutral, scale: chunks === 1 ? scale : 1 };
  const launch = { groups: subgroupGroups(parts, device.traits), constants: { OP: code } };
  run(reduceSubgroupWgsl, 'rows', { x, shift, out: target }, params, launch);
  if (chunks === 1) return;
  reduceInto(mergeOf(op), partials('rows', out.size, chunks), { x: target, out }, scale);
  target.dispose();
}

/** The op that merges partial results. */
function mergeOf(op: ReduceOp): ReduceOp {
  return op === 'max' || op === 'min' ? op : 'sum';
}

/** How the next pass walks the partial results of `variant`. */
function partials(variant: ReduceVariant, outputs: number, chunks: number): Reduction {
  const [keep, reduce] = variant === 'rows' ? [chunks, 1] : [1, outputs];
  const kept = outputs === 1 ? [] : [{ size: outputs, stride: keep }];
  return { kept, reduced: [{ size: chunks, stride: reduce }] };
}

/** The loops as kernel params. */
export function axisParams({ kept, reduced }: Reduction) {
  return {
    keepSize0: kept[0]?.size ?? 1,
    keepSize1: kept[1]?.size ?? 1,
    keepStride0: kept[0]?.stride ?? 0,
    keepStride1: kept[1]?.stride ?? 0,
    keepStride2: kept[2]?.stride ?? 0,
    reduceSize0: reduced[0]?.size ?? 1,
    reduceSize1: reduced[1]?.size ?? 1,
    reduceStride0: reduced[0]?.stride ?? 0,
    reduceStride1: reduced[1]?.stride ?? 0,
    reduceStride2: reduced[2]?.stride ?? 0,
  };
}

function product(axes: readonly Axis[]): number {
  return sizeOf(axes.map((axis) => axis.size));
}
