import { check } from '../errors.ts';
import { crc32 } from './crc32.ts';

/** What an entry of an archive holds. */
export type ZipContent = readonly [name: string, data: Uint8Array];

const ALIGNMENT = 64;
const LOCAL_SIZE = 30;
const CENTRAL_SIZE = 46;
const END_SIZE = 22;
/** Version 2.0 of the format and names in UTF-8; the first of January 1980, the earliest date there is. */
const [VERSION, UTF8, DATE] = [20, 0x800, 0x21];

/**
 * A zip archive of stored entries, the data of each at a multiple of 64 bytes as `torch.save` puts them, so that a reader may
 * map them into memory. Equal entries give equal bytes. Throws `ShapeError` beyond 4 GB, where zip64 would begin.
 */
export function encodeZip(contents: readonly ZipContent[], op: string): Uint8Array<ArrayBuffer> {
  const entries = layOut(contents);
  const directory = entries.reduce((_, { start, data }) => start + data.length, 0);
  const size = entries.reduce((sum, { name }) => sum + CENTRAL_SIZE + name.length, directory + END_SIZE);
  check(size < 2 ** 32, op, () => `a file of ${size} bytes; expected less than 4 GB`);
  const out = new Uint8Array(size);
  let at = directory;
  for (const entry of entries) {
    const crc = crc32(entry.data);
    writeHeader(out, entry.offset, 0x04034b50, entry, crc);
    out.set(entry.data, entry.start);
    writeHeader(out, at, 0x02014b50, entry, crc);
    at += CENTRAL_SIZE + entry.name.length;
  }
  const end = new DataView(out.buffer, at);
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, entries.length, true);
  end.setUint16(10, entries.length, true);
  end.setUint32(12, at - directory, true);
  end.setUint32(16, directory, true);
  return out;
}

interface Placed {
  readonly name: Uint8Array;
  readonly data: Uint8Array;
  /** Of its local header. */
  readonly offset: number;
  /** Of its data. */
  readonly start: number;
}

function layOut(contents: readonly ZipContent[]): Placed[] {
  let offset = 0;
  return contents.map(([text, data]) => {
    const name = new TextEncoder().encode(text);
    // A padding field has a header of four bytes.
    const start = Math.ceil((offset + LOCAL_SIZE + name.length + 4) / ALIGNMENT) * ALIGNMENT;
    const placed = { name, data, offset, start };
    offset = start + data.length;
    return placed;
  });
}

/** A local header with its padding, or a header of the directory: the fields from the version to the name are the same. */
function writeHeader(
  out: Uint8Array<ArrayBuffer>,
  at: number,
  signature: number,
  entry: Placed,
  crc: number,
) {
  const local = signature === 0x04034b50;
  const view = new DataView(out.buffer, at);
  const extra = local ? entry.start - at - LOCAL_SIZE - entry.name.length : 0;
  const fields = local ? 4 : 6;
  view.setUint32(0, signature, true);
  if (!local) view.setUint16(4, VERSION, true);
  view.setUint16(fields, VERSION, true);
  view.setUint16(fields + 2, UTF8, true);
  view.setUint16(fields + 8, DATE, true);
  view.setUint32(fields + 10, crc, true);
  view.setUint32(fields + 14, entry.data.length, true);
  view.setUint32(fields + 18, entry.data.length, true);
  view.setUint16(fields + 22, entry.name.length, true);
  view.setUint16(fields + 24, extra, true);
  if (!local) view.setUint32(42, entry.offset, true);
  out.set(entry.name, at + (local ? LOCAL_SIZE : CENTRAL_SIZE));
  if (!local) return;
  // "FB", as in PyTorch's own padding.
  view.setUint16(LOCAL_SIZE + entry.name.length, 0x4246, true);
  view.setUint16(LOCAL_SIZE + entry.name.length + 2, extra - 4, true);
}
