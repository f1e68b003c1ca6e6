import type { ActionInputs, Modality } from '../amr/action-network.ts';
import { type Augmentation, augmentClips, augmentSkeletons } from '../data/augment.ts';
import { gatherLabels, gatherSkeleton, gatherVideo } from '../data/batches.ts';
import type { ActionDataset } from '../data/dataset.ts';
import { Rng } from '../data/rng.ts';
import type { Device } from '../tensor/device.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Samples on the device. */
export interface Batch {
  readonly inputs: ActionInputs;
  /** i32 [N]. */
  readonly labels: Tensor;
  readonly size: number;
}

/** Varies training samples by `amount`, reproducibly from the seeds. */
export interface Variation {
  readonly amount: Augmentation;
  readonly seed: number;
  readonly epoch: number;
}

/** Uploads the samples `indices` of `dataset`: the modalities asked for, and the labels. */
export function uploadBatch(
  device: Device,
  dataset: ActionDataset,
  indices: readonly number[],
  modalities: readonly Modality[],
  variation?: Variation,
): Batch {
  const keys = variation && indices.map((i) => new Rng(variation.seed, variation.epoch, i).uint32());
  const inputs: Partial<Record<Modality, Tensor>> = {};
  if (modalities.includes('rgb') && dataset.video) {
    const clips = gatherVideo(dataset, indices);
    if (keys) augmentClips(clips, dataset.video.shape, keys, variation.amount);
    inputs.rgb = device.tensor(clips, [indices.length, ...dataset.video.shape]);
  }
  if (modalities.includes('skeleton') && dataset.skeleton) {
    const skeletons = gatherSkeleton(dataset, indices);
    if (keys) augmentSkeletons(skeletons, dataset.skeleton.shape, keys, variation.amount);
    inputs.skeleton = device.tensor(skeletons, [indices.length, ...dataset.skeleton.shape]);
  }
  return { inputs, labels: device.tensor(gatherLabels(dataset, indices)), size: indices.length };
}
