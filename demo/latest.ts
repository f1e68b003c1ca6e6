/** How long a value must have stood before work on it begins, in milliseconds. */
const PAUSE = 80;

/** Runs `work` on the latest value asked for, one at a time: values that come meanwhile replace each other. */
export class Latest<T> {
  readonly #work: (value: T) => Promise<void>;
  #next: { value: T } | undefined;
  #busy = false;

  constructor(work: (value: T) => Promise<void>) {
    this.#work = work;
  }

  /** A newer value waits for its turn. */
  get waiting(): boolean {
    return this.#next !== undefined;
  }

  request(value: T): void {
    this.#next = { value };
    if (!this.#busy) void this.#run();
  }

  async #run(): Promise<void> {
    this.#busy = true;
    while (this.#next) {
      await this.#settled();
      const { value } = this.#next;
      this.#next = undefined;
      await this.#work(value);
    }
    this.#busy = false;
  }

  async #settled(): Promise<void> {
    for (let seen: unknown; seen !== this.#next; ) {
      seen = this.#next;
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }
}
