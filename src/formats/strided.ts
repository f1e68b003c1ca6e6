import { ARRAYS, elements, type StoredDtype } from './stored.ts';

/** Row-major strides of a shape, in elements. */
export function denseStrides(shape: readonly number[]): number[] {
  return shape.map((_, axis) => elements(shape.slice(axis + 1)));
}

/** One more than the last element of a view, which begins at `offset`; 0 without elements. May be beyond any file. */
export function endOfView(offset: number, shape: readonly number[], strides: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((end, size, axis) => end + (size - 1) * (strides[axis] ?? 0), offset + 1);
}

/** Whether the elements of a view lie one after another in row-major order. */
export function isDense(shape: readonly number[], strides: readonly number[]): boolean {
  const dense = denseStrides(shape);
  return shape.includes(0) || shape.every((size, axis) => size === 1 || strides[axis] === dense[axis]);
}

/** Copies the elements of a view into row-major order. The view must lie within `bytes`. */
export function gatherView(
  bytes: Uint8Array,
  dtype: StoredDtype,
  { offset, shape, strides }: { offset: number; shape: readonly number[]; strides: readonly number[] },
): Uint8Array {
  const width = ARRAYS[dtype].BYTES_PER_ELEMENT;
  const out = new Uint8Array(elements(shape) * width);
  const at = new Array<number>(shape.length).fill(0);
  let from = offset;
  for (let to = 0; to < out.length; to += width) {
    for (let byte = 0; byte < width; byte++) out[to + byte] = bytes[from * width + byte] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const [size, stride] = [shape[axis] ?? 0, strides[axis] ?? 0];
      from += stride;
      at[axis] = (at[axis] ?? 0) + 1;
      if ((at[axis] ?? 0) < size) break;
      from -= stride * size;
      at[axis] = 0;
    }
  }
  return out;
}
