import type { PooledBuffer } from './pool.ts';
import type { Tensor } from './tensor.ts';

/** What a captured step uses that its moving inputs do not change: whether it still is what the steady launches found. */
export class Sources {
  /** Memory that is used as it is. */
  readonly #pinned: readonly PooledBuffer[];
  /** Places of the other inputs that are used. */
  readonly #places: readonly number[];
  /** What the step itself changes: passed as an input, it is another one each time. */
  readonly #own: ReadonlySet<PooledBuffer>;
  readonly #seen: (PooledBuffer | undefined)[];
  readonly #changes: number[];

  constructor(pinned: readonly PooledBuffer[], places: readonly number[], own: ReadonlySet<PooledBuffer>) {
    this.#pinned = pinned;
    this.#places = places;
    this.#own = own;
    const length = pinned.length + places.length;
    this.#seen = new Array(length).fill(undefined);
    this.#changes = new Array(length).fill(0);
  }

  /** Whether nothing has changed since `note`. What an application wraps may change unseen. */
  same(inputs: readonly Tensor[]): boolean {
    for (let i = 0; i < this.#seen.length; i++) {
      const buffer = this.#source(i, inputs);
      const { changes, wrapped } = buffer;
      const same = this.#seen[i] === buffer && this.#changes[i] === changes;
      if (wrapped || !same || (i >= this.#pinned.length && this.#own.has(buffer))) return false;
    }
    return true;
  }

  /** The steady launches have run. */
  note(inputs: readonly Tensor[]): void {
    for (let i = 0; i < this.#seen.length; i++) {
      const buffer = this.#source(i, inputs);
      this.#seen[i] = buffer;
      this.#changes[i] = buffer.changes;
    }
  }

  #source(i: number, inputs: readonly Tensor[]): PooledBuffer {
    const place = this.#places[i - this.#pinned.length];
    if (place === undefined) return this.#pinned[i] as PooledBuffer;
    return (inputs[place] as Tensor).storage('capture').buffer;
  }
}
