import { crc32, deflateRawSync } from 'node:zlib';

/** An entry of an archive, which may be wrong in any way. */
export interface Entry {
  readonly name: string;
  readonly data: Uint8Array;
  readonly deflated?: boolean;
  readonly flags?: number;
  readonly method?: number;
  readonly crc?: number;
  readonly size?: number;
  readonly compressed?: number;
  /** Where the directory says that it begins. */
  readonly offset?: number;
  /** The name before its data. */
  readonly localName?: string;
}

const u16 = (value: number): number[] => [value & 255, (value >>> 8) & 255];
const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)];
const text = (value: string): number[] => [...new TextEncoder().encode(value)];

/** A zip archive, written field by field. */
export function zipOf(entries: readonly Entry[], end: { count?: number; comment?: string } = {}): Uint8Array {
  const out: number[] = [];
  const directory: number[] = [];
  for (const entry of entries) {
    const body = entry.deflated ? deflateRawSync(entry.data) : entry.data;
    const common = [
      ...[
        ...u16(20),
        ...u16(entry.flags ?? 0),
        ...u16(entry.method ?? (entry.deflated ? 8 : 0)),
        0,
        0,
        33,
        0,
      ],
      ...[...u32(entry.crc ?? crc32(entry.data)), ...u32(entry.compressed ?? body.length)],
      ...u32(entry.size ?? entry.data.length),
    ];
    const [name, local] = [text(entry.name), text(entry.localName ?? entry.name)];
    const offset = u32(entry.offset ?? out.length);
    const rest = [...u16(name.length), ...new Array<number>(12).fill(0)];
    directory.push(...u32(0x02014b50), ...u16(20), ...common, ...rest, ...offset, ...name);
    out.push(...u32(0x04034b50), ...common, ...u16(local.length), 0, 0, ...local);
    for (const byte of body) out.push(byte);
  }
  const count = u16(end.count ?? entries.length);
  const comment = text(end.comment ?? '');
  const sizes = [...count, ...count, ...u32(directory.length), ...u32(out.length)];
  return Uint8Array.from([
    ...out.concat(directory),
    ...[...u32(0x06054b50), 0, 0, 0, 0, ...sizes, ...u16(comment.length), ...comment],
  ]);
}
