import { check } from '../errors.ts';
import type { ActionDataset, SkeletonData, VideoData } from './dataset.ts';
import { Rng } from './rng.ts';

/** Order of the samples: with `shuffle`, a permutation that depends on `seed` and `epoch` alone. */
export interface BatchOptions {
  seed: number;
  epoch: number;
  shuffle: boolean;
}

/**
 * Cuts `indices` into batches of `batchSize`, the last one being what is left: [n] → ⌈n / batchSize⌉ lists.
 * Throws `ShapeError` unless `batchSize` is a positive integer.
 */
export function batches(indices: readonly number[], batchSize: number, options: BatchOptions): number[][] {
  check(
    Number.isInteger(batchSize) && batchSize > 0,
    'batches',
    () => `batchSize must be ≥ 1; got ${batchSize}`,
  );
  const order = options.shuffle ? new Rng(options.seed, options.epoch).shuffled(indices) : indices;
  return Array.from({ length: Math.ceil(order.length / batchSize) }, (_, b) =>
    order.slice(b * batchSize, (b + 1) * batchSize),
  );
}

/** The clips of some samples, byte / 255: [n] indices → [n, T, H, W, C] in [0, 1]. Throws `ShapeError` without video. */
export function gatherVideo(dataset: ActionDataset, indices: readonly number[]): Float32Array {
  return gather('gatherVideo', dataset, dataset.video, indices).map((byte) => byte / 255);
}

/** The skeletons of some samples, in metres: [n] indices → [n, T, V, 3]. Throws `ShapeError` without skeletons. */
export function gatherSkeleton(dataset: ActionDataset, indices: readonly number[]): Float32Array {
  return gather('gatherSkeleton', dataset, dataset.skeleton, indices);
}

/** The classes of some samples: [n] indices → [n]. Throws `ShapeError` for an index out of range. */
export function gatherLabels(dataset: ActionDataset, indices: readonly number[]): Int32Array {
  return Int32Array.from(indices, (i) => dataset.labels[checkIndex('gatherLabels', dataset, i)]!);
}

function gather(
  op: string,
  dataset: ActionDataset,
  part: VideoData | SkeletonData | undefined,
  indices: readonly number[],
): Float32Array {
  check(part !== undefined, op, () => `${dataset.name} has no such modality`);
  const size = part.shape.reduce((product, n) => product * n, 1);
  const out = new Float32Array(indices.length * size);
  for (const [row, i] of indices.entries()) {
    checkIndex(op, dataset, i);
    out.set(part.data.subarray(i * size, (i + 1) * size), row * size);
  }
  return out;
}

function checkIndex(op: string, dataset: ActionDataset, i: number): number {
  check(Number.isInteger(i) && i >= 0 && i < dataset.samples, op, () => `sample ${i} of ${dataset.samples}`);
  return i;
}
