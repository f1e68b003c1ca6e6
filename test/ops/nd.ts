/** A float64 array with a shape: what references compute with. */
export interface Nd {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export function nd(shape: readonly number[], data?: ArrayLike<number>): Nd {
  const size = shape.reduce((a, b) => a * b, 1);
  return { shape, data: data ? new Float64Array(data) : new Float64Array(size) };
}

/** Row-major offset of `index`. */
export function offset(shape: readonly number[], index: readonly number[]): number {
  let sum = 0;
  for (let axis = 0; axis < index.length; axis++) sum = sum * (shape[axis] ?? 1) + (index[axis] ?? 0);
  return sum;
}

export function at({ shape, data }: Nd, ...index: number[]): number {
  return data[offset(shape, index)] ?? Number.NaN;
}

/** Every index of `shape`, in row-major order. */
export function* indices(shape: readonly number[]): Generator<number[]> {
  const size = shape.reduce((a, b) => a * b, 1);
  const index = shape.map(() => 0);
  for (let flat = 0; flat < size; flat++) {
    yield index.slice();
    advance(index, shape);
  }
}

/** `index` becomes the one after it in row-major order. */
function advance(index: number[], shape: readonly number[]): void {
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = (index[axis] ?? 0) + 1;
    if (index[axis] !== shape[axis]) return;
    index[axis] = 0;
  }
}

/** An array filled from a function of the index. */
export function fill(shape: readonly number[], value: (...index: number[]) => number): Nd {
  const filled = nd(shape);
  const index = shape.map(() => 0);
  for (let flat = 0; flat < filled.data.length; flat++) {
    filled.data[flat] = value(...index);
    advance(index, shape);
  }
  return filled;
}

/** Σ a·b. */
export function inner(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

/** Deterministic numbers in [0, 1) (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
