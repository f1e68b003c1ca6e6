import { check, FormatError, need } from '../errors.ts';
import { duplicateKey } from './json-keys.ts';
import {
  ARRAYS,
  arrayOf,
  checkBytes,
  checkedEntries,
  elements,
  isCounts,
  type StoredDtype,
  type StoredTensor,
} from './stored.ts';

/** The content of a safetensors file. */
export interface StoredTensors {
  tensors: Map<string, StoredTensor>;
  metadata: Record<string, string>;
}

interface HeaderEntry {
  dtype: StoredDtype;
  shape: number[];
  data_offsets: [number, number];
}

const OP = 'decodeSafetensors';
const PREFIX = 8;
/** No header of the reference implementation is longer. */
const LONGEST_HEADER = 100_000_000;

/**
 * Reads a safetensors file: named arrays and the `__metadata__` of its header, `metadata` being {} without one.
 * The arrays are copies. `what` names the file in errors.
 * Throws `FormatError` if the file is truncated, its header is malformed or has a key twice, or its arrays overlap, leave gaps or do
 * not have the size that shape × element type gives. Format: https://github.com/huggingface/safetensors.
 */
export function decodeSafetensors(bytes: Uint8Array, what: string): StoredTensors {
  const { header, start } = readHeader(bytes, what);
  const { __metadata__: metadata = {}, ...rest } = header;
  const entries = Object.entries(rest).map(
    ([name, value]) => [name, headerEntry(value, name, what)] as const,
  );
  checkCoverage(entries, bytes.length - start, what);
  const tensors = entries.map(([name, entry]) => [name, readTensor(entry, bytes.subarray(start))] as const);
  return { tensors: new Map(tensors), metadata: checkMetadata(metadata, what) };
}

/**
 * Writes named arrays as a safetensors file. The bytes depend on names, arrays and metadata only, not on the order
 * of `entries`: wide element types come first so that every array is aligned, then names sorted by code unit.
 * Throws `ShapeError` if an array does not have as many elements as its shape says, or is named `__metadata__`.
 */
export function encodeSafetensors(
  entries: Iterable<readonly [string, StoredTensor]>,
  metadata: Record<string, string> = {},
): Uint8Array {
  const sorted = checkedEntries('encodeSafetensors', entries).sort(byWidthThenName);
  need(isStrings(metadata), 'encodeSafetensors', 'metadata, strings by name', metadata);
  for (const [name, tensor] of sorted) checkTensor(name, tensor);
  const header = headerBytes(sorted, metadata);
  const size = sorted.reduce((sum, [, { data }]) => sum + data.byteLength, PREFIX + header.length);
  const out = new Uint8Array(size);
  new DataView(out.buffer).setBigUint64(0, BigInt(header.length), true);
  out.set(header, PREFIX);
  let offset = PREFIX + header.length;
  for (const [, { data }] of sorted) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return out;
}

function readHeader(bytes: Uint8Array, what: string): { header: Record<string, unknown>; start: number } {
  checkBytes(OP, bytes, what);
  if (bytes.length < PREFIX) fail(what, `holds ${bytes.length} bytes, too few for a safetensors file`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const start = PREFIX + length;
  if (start > bytes.length) fail(what, `its header ends at byte ${start}, the file at ${bytes.length}`);
  if (length > LONGEST_HEADER)
    fail(what, `its header has ${length} bytes; expected at most ${LONGEST_HEADER}`);
  const header = parseHeader(bytes.subarray(PREFIX, start), what);
  if (!isRecord(header)) fail(what, 'its header is not a JSON object');
  return { header, start };
}

function parseHeader(bytes: Uint8Array, what: string): unknown {
  let header: unknown;
  let twice: string | undefined;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    header = JSON.parse(text);
    twice = duplicateKey(text);
  } catch {
    return undefined;
  }
  if (twice !== undefined) fail(what, `its header has the key "${twice}" twice`);
  return header;
}

function headerEntry(value: unknown, name: string, what: string): HeaderEntry {
  if (!isRecord(value)) fail(what, `the header of "${name}" is not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(ARRAYS, dtype))
    fail(
      what,
      `"${name}" has dtype ${JSON.stringify(dtype)}; expected one of ${Object.keys(ARRAYS).join(', ')}`,
    );
  if (!isCounts(shape)) fail(what, `"${name}" has shape ${JSON.stringify(shape)}; expected sizes`);
  if (!isCounts(offsets) || offsets.length !== 2)
    fail(what, `"${name}" has data_offsets ${JSON.stringify(offsets)}; expected [begin, end]`);
  const entry = { dtype: dtype as StoredDtype, shape, data_offsets: offsets as [number, number] };
  const expected = elements(shape) * ARRAYS[entry.dtype].BYTES_PER_ELEMENT;
  const found = entry.data_offsets[1] - entry.data_offsets[0];
  if (found !== expected) fail(what, `"${name}" has ${found} bytes; ${dtype} [${shape}] needs ${expected}`);
  return entry;
}

/** The format asks for arrays side by side from the first data byte to the last. */
function checkCoverage(entries: (readonly [string, HeaderEntry])[], size: number, what: string): void {
  const sorted = [...entries].sort(
    ([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1],
  );
  let end = 0;
  for (const [name, entry] of sorted) {
    const [begin, next] = entry.data_offsets;
    if (begin !== end) fail(what, `"${name}" begins at data byte ${begin}; expected ${end} (overlap or gap)`);
    if (next > size) fail(what, `truncated: "${name}" ends at data byte ${next}, the file at ${size}`);
    end = next;
  }
  if (end !== size) fail(what, `its arrays end at data byte ${end}, the file at ${size}`);
}

function readTensor(entry: HeaderEntry, data: Uint8Array): StoredTensor {
  const own = new Uint8Array(data.subarray(...entry.data_offsets));
  return { dtype: entry.dtype, shape: entry.shape, data: arrayOf(entry.dtype, own) } as StoredTensor;
}

function checkMetadata(metadata: unknown, what: string): Record<string, string> {
  if (!isStrings(metadata)) fail(what, '__metadata__ is not a map of strings');
  return metadata;
}

function isStrings(value: unknown): value is Record<string, string> {
  return isRecord(value) && Object.values(value).every((v) => typeof v === 'string');
}

function checkTensor(name: string, { dtype, shape, data }: StoredTensor): void {
  check(name !== '__metadata__', 'encodeSafetensors', () => 'no array can be named __metadata__');
  check(
    data.length === elements(shape),
    'encodeSafetensors',
    () =>
      `"${name}" has ${data.length} elements in a ${data.constructor.name}; ${dtype} [${shape}] needs ${elements(shape)}`,
  );
}

function byWidthThenName(
  [a, x]: readonly [string, StoredTensor],
  [b, y]: readonly [string, StoredTensor],
): number {
  const width = y.data.BYTES_PER_ELEMENT - x.data.BYTES_PER_ELEMENT;
  return width || Number(a > b) - Number(a < b);
}

/** The JSON header, padded with spaces so that the data begin at a multiple of eight bytes. */
function headerBytes(
  entries: (readonly [string, StoredTensor])[],
  metadata: Record<string, string>,
): Uint8Array {
  const fields: [string, unknown][] = [];
  const keys = Object.entries(metadata).sort(([a], [b]) => Number(a > b) - Number(a < b));
  if (keys.length > 0) fields.push(['__metadata__', Object.fromEntries(keys)]);
  let offset = 0;
  for (const [name, { dtype, shape, data }] of entries) {
    fields.push([name, { dtype, shape, data_offsets: [offset, offset + data.byteLength] }]);
    offset += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(fields)));
  const padded = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
  padded.set(json);
  return padded;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fail(what: string, problem: string): never {
  throw new FormatError(OP, `${what}: ${problem}`);
}
