import { FormatError } from '../errors.ts';

/** Reads little-endian numbers and bytes one after another. Every read past the end is a `FormatError`. */
export class ByteReader {
  readonly bytes: Uint8Array;
  /** Where the next read begins. */
  at: number;
  readonly #view: DataView;
  readonly #fail: (problem: string) => never;

  constructor(bytes: Uint8Array, { op, what, at = 0 }: { op: string; what: string; at?: number }) {
    this.bytes = bytes;
    this.at = at;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fail = (problem) => {
      throw new FormatError(op, `${what}: ${problem}`);
    };
  }

  /** Throws `FormatError` with the file's name before `problem`. */
  fail(problem: string): never {
    return this.#fail(problem);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  /** More than 2⁵³ where the eight bytes say so; no file is as long. */
  u64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  i64(): number {
    return Number(this.#view.getBigInt64(this.#take(8), true));
  }

  /** Big-endian, as pickles hold it. */
  f64be(): number {
    return this.#view.getFloat64(this.#take(8), false);
  }

  /** The next bytes, not copied. */
  take(length: number): Uint8Array {
    const begin = this.#take(length);
    return this.bytes.subarray(begin, begin + length);
  }

  /** The next bytes as UTF-8. */
  text(length: number): string {
    const bytes = this.take(length);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return this.fail(`the text at byte ${this.at - length} is not UTF-8`);
    }
  }

  /** The text up to the next line feed, which is skipped. */
  line(): string {
    const end = this.bytes.indexOf(10, this.at);
    if (end < 0) this.fail(`truncated: a line begins at byte ${this.at} and does not end`);
    const text = this.text(end - this.at);
    this.at++;
    return text;
  }

  #take(length: number): number {
    const begin = this.at;
    if (!(length >= 0 && length <= this.bytes.length - begin))
      this.fail(`truncated: ${length} bytes are needed at byte ${begin} of ${this.bytes.length}`);
    this.at += length;
    return begin;
  }
}
