// The library's networks at sizes like published ones, small enough for a software adapter.
import { type ActionNetwork, SingleStreamNetwork } from '../src/amr/action-network.ts';
import { amr } from '../src/amr/amr.ts';
import { TwoStreamNetwork } from '../src/amr/two-stream.ts';
import { randomUniform } from '../src/kernels/random.ts';
import { StGcn } from '../src/models/st-gcn.ts';
import { VideoResNet, type VideoResNetSize } from '../src/models/video-resnet.ts';
import { Initialiser } from '../src/nn/initialisers.ts';
import type { Device } from '../src/tensor/device.ts';
import type { Tensor } from '../src/tensor/tensor.ts';

/** `small`: what the figures are of. `tiny`: that everything runs. */
export type SizeName = 'small' | 'tiny';

export interface Size {
  readonly batch: number;
  readonly classes: number;
  readonly clip: { readonly frames: number; readonly height: number; readonly width: number };
  readonly skeletonFrames: number;
  readonly videoWidths: readonly [number, number, number, number];
  readonly skeletonWidths: readonly [number, number, number, number];
}

export const SIZES: Readonly<Record<SizeName, Size>> = {
  small: {
    batch: 8,
    classes: 60,
    clip: { frames: 8, height: 56, width: 56 },
    skeletonFrames: 32,
    videoWidths: [16, 32, 64, 128],
    skeletonWidths: [64, 64, 128, 128],
  },
  tiny: {
    batch: 2,
    classes: 4,
    clip: { frames: 4, height: 16, width: 16 },
    skeletonFrames: 8,
    videoWidths: [4, 4, 8, 8],
    skeletonWidths: [4, 4, 8, 8],
  },
};

/** Parents of the 25 joints of NTU RGB+D, in the order of Kinect v2 (Shahroudy et al. 2016, figure 2). */
const NTU_PARENTS = [-1, 0, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 1, 7, 7, 11, 11];

const video = (init: Initialiser, { videoWidths: widths }: Size, kind: VideoResNetSize['kind']) =>
  new VideoResNet(init, { in: 3, widths, kind });

const skeleton = (init: Initialiser, { skeletonWidths: widths }: Size) =>
  new StGcn(init, {
    parents: NTU_PARENTS,
    streams: ['position', 'motion'],
    ...{ widths, strides: [1, 2, 2, 1], temporalKernel: 9, dropout: 0.1 },
  });

type Build = (init: Initialiser, size: Size) => ActionNetwork;

/** How each network is made. */
export const networks: Readonly<Record<string, Build>> = {
  r3d: (init, size) => new SingleStreamNetwork(init, 'rgb', video(init, size, 'r3d'), size),
  r2plus1d: (init, size) => new SingleStreamNetwork(init, 'rgb', video(init, size, 'r2plus1d'), size),
  'st-gcn': (init, size) => new SingleStreamNetwork(init, 'skeleton', skeleton(init, size), size),
  'two-stream': (init, size) =>
    new TwoStreamNetwork(init, video(init, size, 'r3d'), skeleton(init, size), size),
  'two-stream-amr': (init, size) =>
    new TwoStreamNetwork(init, video(init, size, 'r3d'), skeleton(init, size), { ...size, fusion: amr() }),
};

/** A network with random weights, and a batch for it. */
export interface Prepared {
  readonly network: ActionNetwork;
  /** In the order of the network's modalities. */
  readonly inputs: readonly Tensor[];
  readonly labels: Tensor;
}

export function prepare(device: Device, build: Build, size: Size): Prepared {
  const network = build(new Initialiser(device, 1), size);
  const { frames, height, width } = size.clip;
  const shapes = {
    rgb: [size.batch, frames, height, width, 3],
    skeleton: [size.batch, size.skeletonFrames, NTU_PARENTS.length, 3],
  };
  const inputs = network.modalities.map((modality, i) =>
    randomUniform(device, shapes[modality], { seed: 2, stream: i }),
  );
  const labels = device.tensor(Int32Array.from({ length: size.batch }, (_, i) => i % size.classes));
  return { network, inputs, labels };
}

export function dispose({ network, inputs, labels }: Prepared): void {
  network.dispose();
  for (const tensor of [...inputs, labels]) tensor.dispose();
}
