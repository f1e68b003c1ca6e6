import type { Traits } from '../tensor/device.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { run } from './run.ts';
import { batchNormWgsl } from './wgsl.gen.ts';

/** Rows of channels, and how many rows a thread adds up. */
export interface Chunks {
  readonly rows: number;
  readonly channels: number;
  readonly chunkRows: number;
  readonly chunks: number;
}

export const THREADS = 64;

/**
 * Splits rows so that some thousand threads have work on a GPU. On a software adapter some hundred do, and fewer chunks are
 * sooner added up.
 */
export function chunksOf(rows: number, channels: number, { software }: Traits): Chunks {
  const columns = Math.ceil(channels / 4);
  const even = Math.ceil((rows * columns) / (software ? 512 : 4096));
  const chunkRows = Math.min(Math.max(even, 8), software ? 256 : 32);
  return { rows, channels, chunkRows, chunks: Math.ceil(rows / chunkRows) };
}

/** Threads of a workgroup that adds up chunks: barriers cost more than additions on a software adapter. */
export function combineLanes({ chunks }: Chunks, { software }: Traits): number {
  return software || chunks < 32 ? 1 : 64;
}

/** Runs `fill` on a buffer [2, chunks, channels up to a multiple of 4], and adds its chunks into two tensors [channels]. */
export function throughChunks(
  op: string,
  chunks: Chunks,
  outputs: { readonly first: Tensor; readonly second: Tensor },
  combine: 'combineMoments' | 'combineSums',
  fill: (partial: Tensor) => void,
): void {
  const { device } = outputs.first;
  const quads = Math.ceil(chunks.channels / 4);
  const partial = device.allocate([2, chunks.chunks, 4 * quads], 'f32', op);
  fill(partial);
  const launch = { groups: quads, constants: { LANES: combineLanes(chunks, device.traits) } };
  run(batchNormWgsl, combine, { parts: partial, ...outputs }, { ...chunks, epsilon: 0 }, launch);
  partial.dispose();
}
