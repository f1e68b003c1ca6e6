import type { ActionInputs, Modality } from '../amr/action-network.ts';
import { type Augmentation, augmentClips, augmentSkeletons } from '../data/augment.ts';
import { gatherLabels, gatherSkeleton, gatherVideo } from '../data/batches.ts';
import type { ActionDataset } from '../data/dataset.ts';
import { BatchMixer, type Mixing } from '../data/mix.ts';
import { Rng } from '../data/rng.ts';
import { mirrorJoints } from '../data/skeleton-variations.ts';
import type { Device } from '../tensor/device.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Target } from './target.ts';

/** Samples on the device. */
export interface Batch {
  readonly inputs: ActionInputs;
  /** i32 [N]. */
  readonly labels: Tensor;
  /** The labels, and those mixed in. */
  readonly target: Target;
  readonly size: number;
}

/** Varies training samples by `amount`, and mixes them, reproducibly from the seeds. */
export interface Variation {
  readonly amount: Augmentation;
  readonly mixing?: Mixing | undefined;
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
  const mixer = variation?.mixing && mixerOf(variation, variation.mixing, indices);
  const inputs: Partial<Record<Modality, Tensor>> = {};
  if (modalities.includes('rgb') && dataset.video) {
    const { shape } = dataset.video;
    const clips = gatherVideo(dataset, indices);
    if (keys) augmentClips(clips, shape, keys, variation.amount);
    mixer?.clips(clips, shape);
    inputs.rgb = device.tensor(clips, [indices.length, ...shape]);
  }
  if (modalities.includes('skeleton') && dataset.skeleton) {
    const { shape, joints } = dataset.skeleton;
    const skeletons = gatherSkeleton(dataset, indices);
    const mirror = variation?.amount.flip ? mirrorJoints(joints) : undefined;
    if (keys) augmentSkeletons(skeletons, shape, keys, variation.amount, mirror);
    mixer?.skeletons(skeletons, shape);
    inputs.skeleton = device.tensor(skeletons, [indices.length, ...shape]);
  }
  const own = gatherLabels(dataset, indices);
  const labels = device.tensor(own);
  const mixed = mixer && {
    labels: device.tensor(Int32Array.from(mixer.order, (i) => own[i] ?? 0)),
    share: device.tensor([mixer.share], []),
  };
  return { inputs, labels, target: { labels, mixed }, size: indices.length };
}

function mixerOf({ seed, epoch }: Variation, mixing: Mixing, indices: readonly number[]): BatchMixer {
  return new BatchMixer(mixing, indices.length, new Rng(seed, epoch, indices[0] ?? 0, 6));
}
