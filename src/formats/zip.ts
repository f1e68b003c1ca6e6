// Zip archives (PKWARE's APPNOTE.TXT 6.3.9), as far as PyTorch and NumPy write them: stored or deflated, with zip64.
import { ByteReader } from './byte-reader.ts';
import { crc32 } from './crc32.ts';
import { inflate } from './inflate.ts';

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END_SIZE = 22;
const END64_LOCATOR = 0x07064b50;
const END64_LOCATOR_SIZE = 20;
const END64 = 0x06064b50;
const STORED = 0;
const DEFLATED = 8;
/** Bytes that an archive may decompress to unless told otherwise: 2 GiB. */
const INFLATE_LIMIT = 2 ** 31;

/** How much memory a compressed file may take. */
export interface InflateOptions {
  /** Bytes that its entries may decompress to in all; 2 GiB when left out. */
  readonly limit?: number | undefined;
}

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly compressed: number;
  readonly size: number;
  /** Where its local header begins. */
  readonly offset: number;
}

/** A zip archive in memory. Nothing is decompressed before `read`. */
export class ZipArchive {
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #starts: ReadonlyMap<string, number>;
  readonly #reader: ByteReader;

  /**
   * Reads the directory. Throws `FormatError` for a truncated one, names that come twice, encryption, compression by another
   * method than deflate, entries that overlap or lie outside the file, and more than `limit` bytes to decompress in all.
   */
  constructor(bytes: Uint8Array, op: string, what: string, limit: number = INFLATE_LIMIT) {
    this.#reader = new ByteReader(bytes, { op, what });
    const { entries, start } = readDirectory(this.#reader);
    const deflated = [...entries.values()].filter(({ method }) => method === DEFLATED);
    const total = deflated.reduce((sum, { size }) => sum + size, 0);
    if (total > limit) this.#fail(`takes ${total} bytes when decompressed; the limit is ${limit}`);
    this.#entries = entries;
    this.#starts = dataStarts(this.#reader, entries, start);
  }

  get names(): string[] {
    return [...this.#entries.keys()];
  }

  /** Bytes of an entry when decompressed; undefined where there is none. */
  sizeOf(name: string): number | undefined {
    return this.#entries.get(name)?.size;
  }

  /** The bytes of an entry: a view of the file's where it is stored. Throws `FormatError` where they are damaged. */
  async read(name: string): Promise<Uint8Array> {
    const entry = this.#entries.get(name) ?? this.#fail(`the archive has no "${name}"`);
    const start = this.#starts.get(name) ?? 0;
    const data = this.#reader.bytes.subarray(start, start + entry.compressed);
    const fail = (problem: string): never => this.#fail(`"${name}": ${problem}`);
    if (entry.method === DEFLATED) return inflate({ data, size: entry.size, crc: entry.crc }, fail);
    if (crc32(data) !== entry.crc) fail('its bytes are damaged (the checksum differs)');
    return data;
  }

  #fail(problem: string): never {
    return this.#reader.fail(problem);
  }
}

function readDirectory(reader: ByteReader): { entries: Map<string, Entry>; start: number } {
  const { count, start, size, end } = findDirectory(reader);
  if (start + size > end) reader.fail(`its directory at byte ${start} ends after byte ${end}`);
  reader.at = start;
  const entries = new Map<string, Entry>();
  for (let i = 0; i < count; i++) {
    const entry = readEntry(reader);
    if (entries.has(entry.name)) reader.fail(`two entries have the name "${entry.name.slice(0, 100)}"`);
    entries.set(entry.name, entry);
  }
  if (reader.at !== start + size)
    reader.fail(`its directory of ${count} entries does not have ${size} bytes`);
  return { entries, start };
}

interface Directory {
  readonly count: number;
  readonly size: number;
  readonly start: number;
  /** Where the directory must have ended. */
  readonly end: number;
}

function findDirectory(reader: ByteReader): Directory {
  const end = findEnd(reader);
  reader.at = end + 4;
  const [disk, directoryDisk, here] = [reader.u16(), reader.u16(), reader.u16()];
  const [count, size, start] = [reader.u16(), reader.u32(), reader.u32()];
  if (count === 0xffff || size === 0xffffffff || start === 0xffffffff) return findDirectory64(reader, end);
  if (disk !== 0 || directoryDisk !== 0 || here !== count) reader.fail('is a part of a split archive');
  return { count, size, start, end };
}

/** The last record ends with the file, after a comment whose length it holds. */
function findEnd(reader: ByteReader): number {
  const last = reader.bytes.length - END_SIZE;
  for (let at = last; at >= Math.max(0, last - 0xffff); at--) {
    reader.at = at;
    if (reader.u32() !== END) continue;
    reader.at = at + END_SIZE - 2;
    if (at + END_SIZE + reader.u16() === reader.bytes.length) return at;
  }
  return reader.fail('truncated, or no zip archive: it has no end record');
}

function findDirectory64(reader: ByteReader, end: number): Directory {
  reader.at = Math.max(0, end - END64_LOCATOR_SIZE);
  if (reader.u32() !== END64_LOCATOR) reader.fail('has no zip64 end record');
  reader.take(4);
  const record = reader.u64();
  reader.at = record <= end ? record : reader.fail('its zip64 end record is outside the file');
  if (reader.u32() !== END64) reader.fail('has no zip64 end record');
  reader.take(20);
  const [here, count, size, start] = [reader.u64(), reader.u64(), reader.u64(), reader.u64()];
  if (here !== count) reader.fail('is a part of a split archive');
  return { count, size, start, end: record };
}

function readEntry(reader: ByteReader): Entry {
  if (reader.u32() !== CENTRAL) reader.fail(`no entry begins at byte ${reader.at - 4} of its directory`);
  reader.take(4);
  const [flags, method] = [reader.u16(), reader.u16()];
  reader.take(4);
  const sizes = { crc: reader.u32(), compressed: reader.u32(), size: reader.u32() };
  const [nameLength, extraLength, commentLength] = [reader.u16(), reader.u16(), reader.u16()];
  reader.take(8);
  const offset = reader.u32();
  const name = reader.text(nameLength);
  const extraEnd = reader.at + extraLength;
  const entry = { name, method, offset, ...sizes };
  const large = [entry.size, entry.compressed, offset].includes(0xffffffff);
  const found = large ? { ...entry, ...sizes64(reader, entry, extraEnd) } : entry;
  reader.at = extraEnd;
  reader.take(commentLength);
  checkEntry(reader, found, flags);
  return found;
}

/** The zip64 extra field holds, in this order, those of the three numbers that did not fit into 32 bits. */
function sizes64(
  reader: ByteReader,
  entry: Entry,
  end: number,
): Pick<Entry, 'size' | 'compressed' | 'offset'> {
  while (reader.at + 4 <= end) {
    const [id, length] = [reader.u16(), reader.u16()];
    if (id !== 1) {
      reader.take(length);
      continue;
    }
    const next = (value: number) => (value === 0xffffffff ? reader.u64() : value);
    return { size: next(entry.size), compressed: next(entry.compressed), offset: next(entry.offset) };
  }
  return reader.fail(`"${entry.name}" has no zip64 sizes`);
}

function checkEntry(reader: ByteReader, { name, method, compressed, size }: Entry, flags: number): void {
  if (flags & 1) reader.fail(`"${name}" is encrypted`);
  if (method !== STORED && method !== DEFLATED)
    reader.fail(`"${name}" is compressed by method ${method}; expected 0 (stored) or 8 (deflated)`);
  if (method === STORED && compressed !== size) reader.fail(`"${name}" is stored with two different sizes`);
}

/** Where the data of each entry begin, after a check that entries lie side by side before the directory. */
function dataStarts(reader: ByteReader, entries: ReadonlyMap<string, Entry>, directory: number) {
  const starts = new Map<string, number>();
  let end = 0;
  for (const entry of [...entries.values()].sort((a, b) => a.offset - b.offset)) {
    if (entry.offset < end) reader.fail(`"${entry.name}" overlaps the entry before it`);
    reader.at = Math.min(entry.offset, directory);
    if (reader.u32() !== LOCAL) reader.fail(`"${entry.name}" does not begin at byte ${entry.offset}`);
    reader.take(22);
    const [nameLength, extraLength] = [reader.u16(), reader.u16()];
    if (reader.text(nameLength) !== entry.name) reader.fail(`"${entry.name}" has another name at its data`);
    reader.take(extraLength);
    starts.set(entry.name, reader.at);
    end = reader.at + entry.compressed;
    if (end > directory) reader.fail(`"${entry.name}" ends at byte ${end}, in the directory at ${directory}`);
  }
  return starts;
}
