import { check, FormatError, kindOf, need, shown } from '../errors.ts';
import { halfToFloat } from './half.ts';

/** The array that holds elements of each type; those of F16 and BF16 are their bits. */
export const ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U64: BigUint64Array,
  U32: Uint32Array,
  U16: Uint16Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const;

/** The element types that are read and written, under the names of the safetensors format. */
export type StoredDtype = keyof typeof ARRAYS;

/** A named array in a file: `data` is row-major and has as many elements as `shape` says. F16 and BF16 are bit patterns. */
export type StoredTensor = {
  [D in StoredDtype]: { dtype: D; shape: number[]; data: InstanceType<(typeof ARRAYS)[D]> };
}[StoredDtype];

/** Number of elements of `shape`; NaN or more than 2⁵³ for sizes that no file has. */
export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Whether `value` is a list of sizes: integers from 0 up that a number holds exactly. */
export function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((v) => Number.isSafeInteger(v) && v >= 0);
}

/** `F32 [2, 3]`, for messages. */
export function describe({ dtype, shape }: Pick<StoredTensor, 'dtype' | 'shape'>): string {
  return `${dtype} [${shape.join(', ')}]`;
}

/** Throws `FormatError` for a file that is not given by its bytes. */
export function checkBytes(op: string, bytes: Uint8Array, what: string): void {
  if (kindOf(bytes) === 'Uint8Array') return;
  throw new FormatError(op, `${what}: needs its bytes, a Uint8Array; got ${shown(bytes)}`);
}

/** Throws `ShapeError` for what is no stored tensor: no object, an element type that there is not, no sizes, or no array of that type. */
export function checkStored(op: string, name: string, stored: StoredTensor): void {
  const known = Object.hasOwn(ARRAYS, stored?.dtype ?? '') && isCounts(stored.shape);
  const kind = known && ARRAYS[stored.dtype].name;
  const { dtype, shape, data } = Object(stored) as StoredTensor;
  const got = `dtype ${shown(dtype)}, shape ${shown(shape)}, data ${shown(data)}`;
  check(
    known && kindOf(data) === kind,
    op,
    () => `"${name}" must be a StoredTensor, such as dtype 'F32', shape [2], data Float32Array; got ${got}`,
  );
}

/** Named stored tensors. Throws `ShapeError` for what is no list of pairs. */
export function checkedEntries(
  op: string,
  entries: Iterable<readonly [string, StoredTensor]>,
): (readonly [string, StoredTensor])[] {
  const pairs = typeof entries?.[Symbol.iterator] === 'function' ? [...entries] : [undefined];
  for (const pair of pairs) need(Array.isArray(pair), op, 'a Map of stored tensors by name', pair ?? entries);
  const named = pairs as (readonly [string, StoredTensor])[];
  for (const [name, stored] of named) checkStored(op, name, stored);
  return named;
}

/** Little-endian bytes as an array of `dtype`: a view where they are aligned, else a copy. The length must fit. */
export function arrayOf<D extends StoredDtype>(
  dtype: D,
  bytes: Uint8Array,
): InstanceType<(typeof ARRAYS)[D]> {
  const width = ARRAYS[dtype].BYTES_PER_ELEMENT;
  // Not slice(): that of a Node Buffer does not copy.
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  const { buffer, byteOffset, length } = aligned;
  const made = new ARRAYS[dtype](buffer as ArrayBuffer, byteOffset, length / width);
  return made as InstanceType<(typeof ARRAYS)[D]>;
}

const INTEGERS = {
  i32: [-(2 ** 31), 2 ** 31 - 1],
  u32: [0, 2 ** 32 - 1],
} as const;

/**
 * The elements of an array from a file as those of a tensor. F64 is rounded to the nearest f32, F16 and BF16 are exact,
 * NaN and ±∞ stay; integers and BOOL become i32 or u32. Throws `FormatError`, naming the first element that does not fit
 * (beyond the range of the type, or BOOL other than 0 and 1), and for integers where floats are asked for and the reverse.
 */
export function asFloats(tensor: StoredTensor, name: string): Float32Array<ArrayBuffer> {
  const { dtype, data } = tensor;
  switch (dtype) {
    case 'F32':
      return data as Float32Array<ArrayBuffer>;
    case 'F16':
      return Float32Array.from(data, halfToFloat);
    case 'BF16':
      return new Float32Array(Uint32Array.from(data, (bits) => bits << 16).buffer);
    case 'F64': {
      const floats = Float32Array.from(data);
      const wrong = floats.findIndex((value, i) => Math.abs(value) === Infinity && value !== data[i]);
      if (wrong >= 0) fail(name, `element ${wrong} is ${data[wrong]}, which f32 cannot hold`);
      return floats;
    }
    default:
      return fail(name, `${describe(tensor)} holds no floating-point numbers`);
  }
}

/** As `asFloats`, for i32 and u32. */
export function asIntegers(
  tensor: StoredTensor,
  as: 'i32' | 'u32',
  name: string,
): Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> {
  const { dtype, data } = tensor;
  if (/^B?F/.test(dtype)) fail(name, `${describe(tensor)} holds no integers`);
  const [low, high] = dtype === 'BOOL' ? [0, 1] : INTEGERS[as];
  const out = as === 'i32' ? new Int32Array(data.length) : new Uint32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = Number(data[i]);
    if (value < low || value > high) fail(name, `element ${i} is ${data[i]}, outside [${low}, ${high}]`);
    out[i] = value;
  }
  return out;
}

/** What an array from a file is on a device: f32 for floats, i32 for signed integers, u32 for the others and BOOL. */
export function nativeDtype(dtype: StoredDtype): 'f32' | 'i32' | 'u32' {
  if (/^B?F/.test(dtype)) return 'f32';
  return dtype.startsWith('I') ? 'i32' : 'u32';
}

/** An array from a file for `device.tensor(…, shape)`: `asFloats` or `asIntegers` by `nativeDtype`; throws as they do. */
export function toNative(
  tensor: StoredTensor,
  name: string,
): Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> {
  const dtype = nativeDtype(tensor.dtype);
  return dtype === 'f32' ? asFloats(tensor, name) : asIntegers(tensor, dtype, name);
}

function fail(name: string, problem: string): never {
  throw new FormatError('toNative', `"${name}": ${problem}`);
}
