import { DeviceError } from '../errors.ts';
import type { Device } from './device.ts';
import type { Wanted } from './pipelines.ts';
import type { PooledBuffer } from './pool.ts';
import type { Tensor } from './tensor.ts';

/** Runs a step without launching anything: notes which pipelines it needs, and gives its tensors no memory of their own. */
export class WarmUp {
  readonly wanted: Wanted[] = [];
  readonly #made: Tensor[] = [];
  readonly #standIn: () => PooledBuffer;

  /** `standIn` makes what stands for the memory of a tensor, which nothing reads or writes. */
  constructor(standIn: () => PooledBuffer) {
    this.#standIn = standIn;
  }

  want(wanted: Wanted): void {
    this.wanted.push(wanted);
  }

  memory(): PooledBuffer {
    return this.#standIn();
  }

  adopt(tensor: Tensor): void {
    this.#made.push(tensor);
  }

  /** Disposes of every tensor that was made, kept ones included: there is nothing in them. */
  end(): void {
    for (const tensor of this.#made) tensor.dispose();
  }
}

/** The pipelines that `action` needs. Throws `DeviceError` when it is async, and what it throws. */
export function collect(device: Device, warmUp: WarmUp, action: () => unknown): readonly Wanted[] {
  if (device.warmUp || device.recorders.length > 0 || device.pool.observer)
    throw new DeviceError('warm', 'not inside a warm-up, a captured step or while a gradient is taken');
  device.warmUp = warmUp;
  let result: unknown;
  try {
    result = action();
  } finally {
    device.warmUp = undefined;
    warmUp.end();
  }
  if (!(result instanceof Promise)) return warmUp.wanted;
  result.catch(() => {}); // what it would reject with is not the error to see
  throw new DeviceError('warm', 'the function cannot be async; warm up what it launches');
}
