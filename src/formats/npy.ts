// NumPy's files: one array (.npy), or a zip archive of named ones (.npz). Format: numpy/lib/format.py.
import { FormatError } from '../errors.ts';
import { ByteReader } from './byte-reader.ts';
import {
  ARRAYS,
  arrayOf,
  checkBytes,
  elements,
  isCounts,
  type StoredDtype,
  type StoredTensor,
} from './stored.ts';
import { gatherView } from './strided.ts';
import { type InflateOptions, ZipArchive } from './zip.ts';

const MAGIC = '\x93NUMPY';
const MOST_AXES = 64;
const HEADER =
  /^\{\s*'descr':\s*'([^']*)',\s*'fortran_order':\s*(True|False),\s*'shape':\s*\(([\dL, ]*)\),?\s*\}\s*$/;

const DTYPES: Readonly<Record<string, StoredDtype>> = {
  f8: 'F64',
  f4: 'F32',
  f2: 'F16',
  i8: 'I64',
  i4: 'I32',
  i2: 'I16',
  i1: 'I8',
  u8: 'U64',
  u4: 'U32',
  u2: 'U16',
  u1: 'U8',
  b1: 'BOOL',
};

/** Whether a file begins as `.npy` files do. */
export function isNpy(bytes: Uint8Array): boolean {
  return [...MAGIC].every((char, i) => bytes[i] === char.charCodeAt(0));
}

/**
 * Reads a `.npy` file, versions 1 to 3: numbers and booleans of either byte order, in C or Fortran order. The array is
 * row-major and shares memory with `bytes` where it can. `what` names the file in errors. Throws `FormatError` for Python
 * objects and records, a malformed header, and more or fewer bytes than the shape needs.
 */
export function decodeNpy(bytes: Uint8Array, what: string): StoredTensor {
  checkBytes('decodeNpy', bytes, what);
  const reader = new ByteReader(bytes, { op: 'decodeNpy', what });
  if (!isNpy(bytes)) reader.fail('is no .npy file');
  reader.at = MAGIC.length;
  const version = reader.u8();
  reader.u8();
  if (version < 1 || version > 3) reader.fail(`has version ${version} of the format; expected 1 to 3`);
  const header = reader.text(version === 1 ? reader.u16() : reader.u32());
  const { order, dtype, fortran, shape } = parseHeader(header, reader);
  const width = ARRAYS[dtype].BYTES_PER_ELEMENT;
  const [size, expected] = [bytes.length - reader.at, elements(shape) * width];
  if (size !== expected)
    reader.fail(`has ${size} bytes of data; ${dtype} [${shape.join(', ')}] needs ${expected}`);
  const stored = reader.take(size);
  const data = order === '>' ? swapped(stored, width) : stored;
  const rows = fortran ? gatherView(data, dtype, { offset: 0, shape, strides: fortranStrides(shape) }) : data;
  return { dtype, shape, data: arrayOf(dtype, rows) } as StoredTensor;
}

/**
 * Reads a `.npz` archive of `numpy.savez` or `savez_compressed`: its arrays by name. All of them together may take `limit`
 * bytes when decompressed, 2 GiB when left out. Throws `FormatError` as `decodeNpy` does, and for a damaged archive.
 */
export async function decodeNpz(
  bytes: Uint8Array,
  what: string,
  { limit }: InflateOptions = {},
): Promise<Map<string, StoredTensor>> {
  checkBytes('decodeNpz', bytes, what);
  const archive = new ZipArchive(bytes, 'decodeNpz', what, limit);
  const arrays = new Map<string, StoredTensor>();
  for (const name of archive.names) {
    if (!name.endsWith('.npy')) throw new FormatError('decodeNpz', `${what}: "${name}" is no .npy file`);
    arrays.set(name.slice(0, -4), decodeNpy(await archive.read(name), `${what}/${name}`));
  }
  return arrays;
}

/** The header is a literal of Python with these three keys, which NumPy sorts. */
function parseHeader(header: string, reader: ByteReader) {
  const [, descr = '', fortran, sizes = ''] = HEADER.exec(header) ?? [];
  if (fortran === undefined)
    return reader.fail(
      `its header is ${JSON.stringify(header.slice(0, 100))}; expected descr, fortran_order and shape`,
    );
  const dtype = Object.hasOwn(DTYPES, descr.slice(1)) ? DTYPES[descr.slice(1)] : undefined;
  if (!dtype || !/^[<>|]/.test(descr))
    return reader.fail(`holds elements of type '${descr.slice(0, 20)}'; expected numbers or booleans`);
  const items = sizes.split(',').map((size) => size.trim().replace(/L$/, ''));
  if (items.at(-1) === '') items.pop();
  const shape = items.map((size) => (/^\d+$/.test(size) ? Number(size) : Number.NaN));
  if (!isCounts(shape) || shape.length > MOST_AXES)
    return reader.fail(`has the shape (${sizes.slice(0, 100)})`);
  return { order: descr[0], dtype, fortran: fortran === 'True', shape };
}

/** Each element with its bytes reversed. */
function swapped(bytes: Uint8Array, width: number): Uint8Array {
  const out = new Uint8Array(bytes);
  for (let i = 0; i < out.length; i += width) out.subarray(i, i + width).reverse();
  return out;
}

/** Strides in elements where the first axis is the fastest. */
function fortranStrides(shape: readonly number[]): number[] {
  return shape.map((_, axis) => elements(shape.slice(0, axis)));
}
