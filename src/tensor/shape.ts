import { check, checkNames, need } from '../errors.ts';

/** Dimensions of a dense row-major tensor, outermost first. */
export type Shape = readonly number[];

/** Element types a tensor can have: `f16` takes two bytes, the others four. */
export type DType = 'f32' | 'f16' | 'i32' | 'u32';

/** The types of real numbers, through which gradients flow. */
export type FloatType = 'f32' | 'f16';

/** Whether gradients can flow. */
export function isFloat(dtype: DType): dtype is FloatType {
  return dtype === 'f32' || dtype === 'f16';
}

/** Bytes of `size` elements. */
export function bytesOf(size: number, dtype: DType): number {
  return size * (dtype === 'f16' ? 2 : 4);
}

/** What an op promises about an output before it is computed. */
export interface Spec {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Number of elements of `shape` (1 for a scalar). */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** `[2, 3]`, for messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** Throws unless every dimension is a non-negative integer. */
export function checkShape(shape: Shape, op: string): void {
  const valid = shape.every((dim) => Number.isInteger(dim) && dim >= 0);
  check(valid, op, () => `dimensions must be non-negative integers; got ${formatShape(shape)}`);
}

/** Row-major strides in elements: `[3, 1]` for `[2, 3]`. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = (strides[i + 1] ?? 1) * (shape[i + 1] ?? 1);
  return strides;
}

/** `axis` counted from the front: −1 is the last one. Throws when it is out of range. */
export function normalizeAxis(axis: number, rank: number, op: string): number {
  const valid = Number.isInteger(axis) && axis >= -rank && axis < rank;
  check(valid, op, () => `axis must be in [${-rank}, ${rank - 1}] for rank ${rank}; got ${axis}`);
  return axis < 0 ? axis + rank : axis;
}

/** Which axis an op works along. */
export interface AxisOption {
  /** −1 is the last one. */
  readonly axis?: number | undefined;
}

/** The axis that `options` name, `fallback` when left out, counted from the front. Throws when it is out of range. */
export function axisOf(op: string, options: AxisOption, fallback: number, rank: number): number {
  checkNames(op, options, ['axis']);
  refuseDim(op, options, 'axis');
  return normalizeAxis(options.axis ?? fallback, rank, op);
}

/** Throws for `dim`, as other libraries call an axis: ignored, it would let the default be taken. */
export function refuseDim(op: string, options: object, meant: string): void {
  check(!('dim' in options), op, () => `options have no 'dim'; '${meant}' is meant`);
}

/** Axes counted from the front, ascending, without duplicates; all axes when none are given. */
export function normalizeAxes(
  axes: number | readonly number[] | undefined,
  rank: number,
  op: string,
): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i);
  need(typeof axes === 'number' || Array.isArray(axes), op, 'an axis or a list of axes', axes);
  const list = (typeof axes === 'number' ? [axes] : axes).map((axis) => normalizeAxis(axis, rank, op));
  const unique = new Set(list);
  check(unique.size === list.length, op, () => `an axis is named twice: [${list.join(', ')}]`);
  return [...unique].sort((a, b) => a - b);
}

/** The NumPy broadcast of two shapes. Throws when a pair of dimensions differs and neither is 1. */
export function broadcastShapes(a: Shape, b: Shape, op: string): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const da = a[i - rank + a.length] ?? 1;
    const db = b[i - rank + b.length] ?? 1;
    const fits = da === db || da === 1 || db === 1;
    check(
      fits,
      op,
      () => `shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast (${da} against ${db})`,
    );
    return da === 1 ? db : da;
  });
}
