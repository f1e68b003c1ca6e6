// How much memory a training step cannot do without.
import type { Device } from '../src/tensor/device.ts';
import { Recording } from '../src/tensor/recording.ts';
import type { Tensor } from '../src/tensor/tensor.ts';

/** What tensors take in the pool. */
export function bytesOf(tensors: readonly Tensor[]): number {
  return tensors.reduce((sum, tensor) => sum + tensor.storage('bench').buffer.bytes, 0);
}

/**
 * Bytes of what a forward pass makes and its backward pass reads. `step` differentiates `loss` and begins with its launches.
 * Both are run once.
 */
export function savedBytes(device: Device, loss: () => unknown, step: () => unknown): number {
  const before = device.queue.dispatches;
  device.scope(() => void loss());
  const forward = device.queue.dispatches - before;
  const recording = new Recording();
  device.record(recording, () => device.scope(() => void step()));
  for (const buffer of recording.constants) device.pool.give(buffer);
  const values = new Set(recording.launches.flatMap((launch) => launch.values));
  const saved = [...values].filter(({ inner, first, last }) => inner && first < forward && last >= forward);
  return saved.reduce((sum, { bytes }) => sum + bytes, 0);
}
