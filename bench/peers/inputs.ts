import type { Geometry, HostInputs, InputSpec, Role, Workload } from './workload.ts';

/** The inputs of a workload: the same in every process. */
export function hostInputs({ inputs }: Workload): HostInputs {
  return Object.fromEntries(Object.entries(inputs).map(([name, spec]) => [name, fill(name, spec)]));
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

function fill(name: string, { shape, fill, scale }: InputSpec): HostInputs[string] {
  const size = sizeOf(shape);
  const next = generator(name);
  if (fill === 'labels') return Int32Array.from({ length: size }, () => Math.floor(next() * scale));
  const values = new Float32Array(size);
  if (fill === 'equal') return values.fill(scale);
  const draw = fill === 'uniform' ? () => next() * scale : () => (next() + next() + next() - 1.5) * 2 * scale;
  for (let i = 0; i < size; i++) values[i] = draw();
  return values;
}

/** Zeros on each side of an axis that a kernel of `size` goes along. */
export function paddingOf({ padding }: Geometry, size: number): number {
  return padding === 'same' ? (size - 1) / 2 : padding;
}

/** Uniform numbers in [0, 1) from a name: Mulberry32, seeded by FNV-1a. */
function generator(name: string): () => number {
  let state = 2166136261;
  for (const char of name) state = Math.imul(state ^ char.charCodeAt(0), 16777619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4294967296;
  };
}

/** Axes in the order of a library with channels first: `[N, C, …]` and `[O, C, K…]`. */
export function channelsFirst(rank: number, role: Role): number[] {
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  if (role === 'image') return [0, rank - 1, ...axes.slice(1, -1)];
  return role === 'kernel' ? [rank - 1, rank - 2, ...axes.slice(0, -2)] : axes;
}

/** The order that undoes another. */
export function inverse(order: readonly number[]): number[] {
  return order.map((_, axis) => order.indexOf(axis));
}

export function permuteShape(shape: readonly number[], order: readonly number[]): number[] {
  return order.map((axis) => shape[axis]!);
}

/** `y[i₀, i₁, …] = x` with axis a of y being axis `order[a]` of x. */
export function permute<A extends Float32Array | Int32Array>(
  x: A,
  shape: readonly number[],
  order: readonly number[],
): A {
  if (order.every((axis, i) => axis === i)) return x;
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const steps = permuteShape(strides, order);
  const sizes = permuteShape(shape, order);
  const y = x.slice() as A;
  const index = sizes.map(() => 0);
  let from = 0;
  for (let to = 0; to < y.length; to++) {
    y[to] = x[from]!;
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      from += steps[axis]!;
      if (++index[axis]! < sizes[axis]!) break;
      from -= steps[axis]! * sizes[axis]!;
      index[axis] = 0;
    }
  }
  return y;
}
