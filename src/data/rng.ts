/**
 * xoshiro128** 1.1 (Blackman and Vigna, 2018), seeded by hashing any number of integer keys with the finaliser
 * of MurmurHash3: the same keys give the same numbers on every platform, and there is no global state.
 */
export class Rng {
  readonly #state: Uint32Array;

  /** A generator for `keys`, e.g. `new Rng(seed, epoch)`; keys are taken modulo 2³². */
  constructor(...keys: number[]) {
    const key = keys.reduce((hash, k) => mix(hash + mix(k)), keys.length);
    this.#state = Uint32Array.from([1, 2, 3, 4], (i) => mix(key + i * 0x9e3779b9));
  }

  /** A generator with this exact state of four 32-bit words, not all zero. */
  static fromState(state: readonly [number, number, number, number]): Rng {
    const rng = new Rng();
    rng.#state.set(state);
    return rng;
  }

  /** The next 32 bits, as an integer in [0, 2³²). */
  uint32(): number {
    const s = this.#state;
    const [s0, s1, s2, s3] = s as unknown as [number, number, number, number];
    const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9);
    const a = s2 ^ s0;
    const b = s3 ^ s1;
    s[0] = s0 ^ b;
    s[1] = s1 ^ a;
    s[2] = a ^ (s1 << 9);
    s[3] = rotateLeft(b, 11);
    return result >>> 0;
  }

  /** A number in [low, high), uniform over 2³² steps. */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * (this.uint32() / 2 ** 32);
  }

  /** An integer in [0, n), uniform up to 2⁻³². */
  integer(n: number): number {
    return Math.floor(this.uniform(0, n));
  }

  /**
   * A number of mean 0 and standard deviation 1: the sum of twelve uniforms minus 6 (Irwin-Hall). It is close to
   * normal and, unlike methods that use a logarithm, bit-identical everywhere.
   */
  gaussian(): number {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += this.uniform();
    return sum;
  }

  /** One element of a non-empty list. */
  pick<T>(items: readonly T[]): T {
    return items[this.integer(items.length)]!;
  }

  /** A copy of `items` in random order (Fisher-Yates). */
  shuffled<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }
}

function rotateLeft(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

/** fmix32 of MurmurHash3 (Appleby, 2011), with a constant added first because it maps 0 to 0. */
function mix(x: number): number {
  let h = (x + 0x9e3779b9) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
