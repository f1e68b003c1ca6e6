import { DeviceError } from '../errors.ts';

/**
 * Collects what the driver reports about earlier calls, so that the next await throws it.
 * Error scopes are used instead of `uncapturederror`, because the GPUDevice may be the application's.
 */
export class ErrorSink {
  readonly #device: GPUDevice;
  readonly #waiters = new Set<(error: DeviceError) => void>();
  /** What each guarded call came to, in order, until an await has reported it. */
  readonly #pending = new Set<Promise<Error | undefined>>();
  #lost: DeviceError | undefined;

  constructor(device: GPUDevice) {
    this.#device = device;
    void device.lost.then((info) => {
      this.#lose(`lost (${info.reason}): ${info.message.trim()}`);
    });
  }

  /** Runs `action` in an error scope; an error is thrown later by `settle`, after `what`. */
  guard<R>(
    filter: GPUErrorFilter,
    what: string,
    action: () => R,
    explain: (error: GPUError) => Error | Promise<Error> = (error) =>
      new DeviceError(what, error.message.trim()),
  ): R {
    this.#device.pushErrorScope(filter);
    try {
      return action();
    } finally {
      this.#collect(explain);
    }
  }

  /** Closes the innermost error scope; what it caught is reported by `settle`. */
  #collect(explain: (error: GPUError) => Error | Promise<Error>): void {
    const popped = this.#device
      .popErrorScope()
      .then((error) => (error ? explain(error) : undefined))
      .catch(() => undefined); // the device is gone: `lost` says so
    this.#pending.add(popped);
    void popped.then((error) => error ?? this.#pending.delete(popped));
  }

  /** Marks the device as closed by its owner: later calls throw. */
  close(): void {
    this.#lose('was disposed of');
  }

  /** Throws at once if the device is gone. */
  checkAlive(): void {
    if (this.#lost) throw this.#lost;
  }

  /** Waits for every report due so far and throws the first error. Awaits that overlap all throw it. */
  async settle(): Promise<void> {
    const due = [...this.#pending];
    const errors = await this.orLost(Promise.all(due));
    for (const report of due) this.#pending.delete(report);
    const error = errors.find((found) => found !== undefined);
    if (error) throw error;
  }

  /** `work`, or a `DeviceError` as soon as the device is lost, so that no await hangs. */
  orLost<R>(work: Promise<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#waiters.add(reject);
      const done = () => this.#waiters.delete(reject);
      if (this.#lost) reject(this.#lost);
      work.then(
        (value) => {
          done();
          resolve(value);
        },
        (cause: unknown) => {
          done();
          reject(
            this.#lost ?? new DeviceError('device', `a wait on the GPU failed: ${String(cause)}`, { cause }),
          );
        },
      );
    });
  }

  #lose(why: string): void {
    this.#lost ??= new DeviceError('device', `${why}; open a new device`);
    for (const reject of this.#waiters) reject(this.#lost);
    this.#waiters.clear();
  }
}
