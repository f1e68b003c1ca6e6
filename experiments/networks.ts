import { type ActionNetwork, type Modality, SingleStreamNetwork } from '../src/amr/action-network.ts';
import { amr } from '../src/amr/amr.ts';
import { TwoStreamNetwork } from '../src/amr/two-stream.ts';
import type { ActionDataset } from '../src/data/dataset.ts';
import type { Backbone } from '../src/models/backbone.ts';
import { VideoResNet } from '../src/models/video-resnet.ts';
import { Initialiser } from '../src/nn/initialisers.ts';
import type { Device } from '../src/tensor/device.ts';
import type { ModelName } from './options.ts';
import type { NetworkSizes } from './presets.ts';
import { skeletonBackbone } from './skeleton-networks.ts';

/** The modalities a data set has. */
export function modalitiesOf(dataset: ActionDataset): Modality[] {
  return [...(dataset.video ? (['rgb'] as const) : []), ...(dataset.skeleton ? (['skeleton'] as const) : [])];
}

/** The networks a data set has the modalities for. */
export function modelsFor(modalities: readonly Modality[]): ModelName[] {
  return modalities.length === 2 ? ['rgb', 'skeleton', 'concat', 'amr'] : [...modalities];
}

/** A fresh network by name, sized for the data set; equal seeds give equal weights. */
export function buildNetwork(
  device: Device,
  model: ModelName,
  dataset: ActionDataset,
  sizes: NetworkSizes,
  seed: number,
): ActionNetwork {
  const init = new Initialiser(device, seed);
  const { dropout } = sizes;
  const classes = dataset.classes.length;
  if (model === 'rgb')
    return new SingleStreamNetwork(init, 'rgb', videoBackbone(init, dataset, sizes), { classes, dropout });
  if (model === 'skeleton') {
    return new SingleStreamNetwork(init, 'skeleton', skeletonBackbone(init, skeletonsOf(dataset), sizes), {
      classes,
      dropout,
    });
  }
  const backbones = [
    videoBackbone(init, dataset, sizes),
    skeletonBackbone(init, skeletonsOf(dataset), sizes),
  ] as const;
  return new TwoStreamNetwork(init, ...backbones, {
    classes,
    dropout,
    fusion: model === 'amr' ? amr() : undefined,
  });
}

function skeletonsOf({ skeleton }: ActionDataset) {
  return { frames: skeleton?.shape[0] ?? 0, parents: skeleton?.parents ?? [] };
}

function videoBackbone(init: Initialiser, dataset: ActionDataset, sizes: NetworkSizes): Backbone {
  const channels = dataset.video?.shape[3] ?? 3;
  return new VideoResNet(init, { in: channels, widths: sizes.videoWidths, kind: sizes.kind });
}

/** Standard deviation of the training pixels, in [0, 1]. */
export function pixelDeviation({ video, splits }: ActionDataset): number {
  if (!video) return 1;
  const size = video.shape.reduce((a, b) => a * b, 1);
  const counts = new Float64Array(256);
  for (const i of splits.train) {
    for (const byte of video.data.subarray(i * size, (i + 1) * size)) counts[byte] = (counts[byte] ?? 0) + 1;
  }
  const n = counts.reduce((a, b) => a + b, 0);
  const mean = counts.reduce((sum, count, byte) => sum + (count * byte) / 255, 0) / n;
  return Math.sqrt(counts.reduce((sum, count, byte) => sum + count * (byte / 255 - mean) ** 2, 0) / n);
}

/** Standard deviation of the training coordinates about the mean joint of each frame, in metres. */
export function skeletonDeviation({ skeleton, splits }: ActionDataset): number {
  if (!skeleton) return 1;
  const [frames, joints] = skeleton.shape;
  let [square, n] = [0, 0];
  for (const i of splits.train) {
    for (let t = 0; t < frames; t++) {
      const start = (i * frames + t) * joints * 3;
      for (let axis = 0; axis < 3; axis++) {
        const row = Array.from({ length: joints }, (_, v) => skeleton.data[start + v * 3 + axis] ?? 0);
        const mean = row.reduce((a, b) => a + b, 0) / joints;
        square += row.reduce((sum, value) => sum + (value - mean) ** 2, 0);
        n += joints;
      }
    }
  }
  return Math.sqrt(square / n);
}
