import { check, ShapeError } from '../errors.ts';
import { floatToHalf } from '../formats/half.ts';
import type { Traits } from '../tensor/device.ts';
import { type DType, formatShape, type Shape, sizeOf, stridesOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Axes left after collapsing that the kernels can walk. */
const MOST_AXES = 6;

/** A loop nest over an output, innermost axis first, and how far each operand moves along each axis. */
export interface Loops {
  readonly sizes: readonly number[];
  /** strides[operand][axis] in elements; 0 repeats the operand along that axis. */
  readonly strides: readonly (readonly number[])[];
}

/**
 * Merges neighbouring axes of `shape` that every operand walks as if they were one, e.g. [8, 56, 56, 64] + [64] becomes
 * sizes [64, 25088], strides [1, 64] and [1, 0]. Throws `ShapeError` when more than six axes are left.
 */
export function collapse(op: string, shape: Shape, operands: readonly Shape[]): Loops {
  const sizes: number[] = [];
  const strides: number[][] = operands.map(() => []);
  const moves = operands.map((operand) => broadcastStrides(operand, shape.length));
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] ?? 1;
    if (size === 1) continue;
    const inner = sizes.at(-1);
    const move = moves.map((m) => m[axis] ?? 0);
    const merges = inner !== undefined && move.every((m, k) => m === (strides[k]?.at(-1) ?? 0) * inner);
    if (merges) sizes[sizes.length - 1] = inner * size;
    else {
      sizes.push(size);
      for (const [k, m] of move.entries()) strides[k]?.push(m);
    }
  }
  if (sizes.length === 0) return { sizes: [1], strides: operands.map(() => [0]) };
  check(
    sizes.length <= MOST_AXES,
    op,
    () =>
      `broadcasting ${operands.map(formatShape).join(' and ')} takes ${sizes.length} axes; at most 6 are possible`,
  );
  return { sizes, strides };
}

/** Strides of `operand` aligned to the right of `rank` axes, 0 where it is repeated. */
function broadcastStrides(operand: Shape, rank: number): number[] {
  const dense = stridesOf(operand).map((stride, i) => (operand[i] === 1 ? 0 : stride));
  return [...new Array<number>(rank - operand.length).fill(0), ...dense];
}

/** RANK of the broadcasting kernels: the number of axes, 4 standing for more. */
export function rankOf({ sizes }: Loops): number {
  return Math.min(sizes.length, 4);
}

/** Elements a thread handles: 4 where the innermost axis allows it, or 1. */
export type BroadcastVariant = 'vectors' | 'scalars';
/** `flat`, 16 a thread, is for operands that are dense, one element or a number. */
export type ElementwiseVariant = 'flat' | BroadcastVariant;

/** The kernels that can walk these loops, best first. */
export function broadcastVariants({ sizes }: Loops): [BroadcastVariant, ...BroadcastVariant[]] {
  return sizes.length === 1 || (sizes[0] ?? 1) % 4 === 0 ? ['vectors', 'scalars'] : ['scalars'];
}

/** The same for an op that has a `flat` kernel: with one axis left, each operand is dense, one element or a number. */
export function elementwiseVariants(loops: Loops): [ElementwiseVariant, ...ElementwiseVariant[]] {
  const others = broadcastVariants(loops);
  return loops.sizes.length === 1 ? ['flat', ...others] : others;
}

/**
 * ONE of `flat`: which of the operands a and b are one element that is repeated, as bits. Not those of `numbers`, and none
 * where the output is one element too, which makes it another case of dense operands and no pipeline of its own.
 */
export function oneElement({ sizes, strides }: Loops, numbers: number): number {
  if (sizes.length > 1 || sizes[0] === 1) return 0;
  const bits = strides.reduce((sum, [stride], i) => sum + (stride === 0 ? 2 ** i : 0), 0);
  return bits & ~numbers;
}

/**
 * How `flat` kernels share out vectors: a thread takes 4, adjacent ones on a CPU, where it has cache lines to itself, and
 * every 64th on a GPU, where neighbouring threads share them.
 */
export function flatSteps({ software }: Pick<Traits, 'software'>): { lane: number; step: number } {
  return software ? { lane: 4, step: 1 } : { lane: 1, step: 64 };
}

type Digit = 0 | 1 | 2 | 3 | 4 | 5;

/** `{a0: …, …, a5: …}` for a params struct. */
export function numbered<P extends string>(
  prefix: P,
  values: readonly number[],
  rest: number,
): Record<`${P}${Digit}`, number> {
  const entries = Array.from({ length: MOST_AXES }, (_, i) => [`${prefix}${i}`, values[i] ?? rest]);
  return Object.fromEntries(entries) as Record<`${P}${Digit}`, number>;
}

const word = new DataView(new ArrayBuffer(4));

/** The 32 bits (f16: 16) of `value` as an element of `dtype`. Throws `ShapeError` for a number the integer type cannot hold. */
export function bitsOf(op: string, value: number, dtype: DType): number {
  if (dtype === 'f16') return floatToHalf(value);
  if (dtype === 'f32') word.setFloat32(0, value);
  else {
    const fits = dtype === 'i32' ? (value | 0) === value : value >>> 0 === value;
    if (!fits) throw new ShapeError(op, `${value} is no ${dtype} number`);
    word.setInt32(0, value);
  }
  return word.getUint32(0);
}

/** Throws `ShapeError` unless all tensors have the same element type, which is returned. */
export function commonDType(op: string, tensors: readonly Tensor[]): DType {
  const [first, ...others] = tensors;
  const dtype = first?.dtype ?? 'f32';
  const same = others.every((tensor) => tensor.dtype === dtype);
  check(same, op, () => `element types must agree; got ${tensors.join(' and ')}`);
  return dtype;
}

/** Workgroups of 64 threads for `count` threads. */
export function groupsOf(count: number): number {
  return Math.ceil(count / 64);
}

/** Workgroups of 64 threads with 4 vectors each for `count` vectors. */
export function flatGroups(count: number): number {
  return Math.ceil(count / 256);
}

/** RUN of a `vectors` kernel: on a CPU, adjacent vectors whose place one thread finds at once. */
export function runOf({ sizes }: Loops, variant: ElementwiseVariant, { software }: Pick<Traits, 'software'>) {
  return software && variant === 'vectors' && sizes.length > 1 && (sizes[0] ?? 1) % 16 === 0 ? 4 : 1;
}

/** What the kernels count in a tensor of `shape`, and the workgroups that cover it with `run` of them a thread. */
export function coverage(
  shape: Shape,
  variant: ElementwiseVariant,
  run = 1,
): { count: number; groups: number } {
  const size = sizeOf(shape);
  const count = variant === 'scalars' ? size : Math.ceil(size / 4);
  return { count, groups: variant === 'flat' ? flatGroups(count) : groupsOf(count / run) };
}
