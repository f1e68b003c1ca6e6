/** Writes the few opcodes of pickle protocol 2 that a state_dict needs. */
export class PickleWriter {
  readonly #bytes: number[] = [0x80, 2];

  global(module: string, name: string): this {
    return this.#put(0x63, ...encoded(`${module}\n${name}\n`));
  }

  text(value: string): this {
    const bytes = encoded(value);
    return this.#put(0x58, ...word(bytes.length), ...bytes);
  }

  /** A count: BININT, or LONG1 where 31 bits are too few. */
  count(value: number): this {
    if (value < 2 ** 31) return this.#put(0x4a, ...word(value));
    return this.#put(0x8a, 8, ...word(value % 2 ** 32), ...word(Math.floor(value / 2 ** 32)));
  }

  false(): this {
    return this.#put(0x89);
  }

  /** A tuple of what `items` writes. */
  tuple(items: () => void): this {
    this.#put(0x28);
    items();
    return this.#put(0x74);
  }

  /** An empty OrderedDict. */
  orderedDict(): this {
    return this.global('collections', 'OrderedDict').#put(0x29, 0x52);
  }

  /** Sets the keys and values that `items` writes in the dictionary before. */
  setItems(items: () => void): this {
    this.#put(0x28);
    items();
    return this.#put(0x75);
  }

  /** Calls the global before the tuple before. */
  reduce(): this {
    return this.#put(0x52);
  }

  /** The object that the tuple before names. */
  persistent(): this {
    return this.#put(0x51);
  }

  finish(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#put(0x2e).#bytes);
  }

  #put(...bytes: readonly number[]): this {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }
}

function encoded(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Little-endian, 32 bits. */
function word(value: number): number[] {
  return [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, (value >>> 24) & 255];
}
