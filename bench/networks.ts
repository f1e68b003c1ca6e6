// The library's networks at sizes like published ones, small enough for a software adapter.
import { type ActionNetwork, SingleStreamNetwork } from '../src/amr/action-network.ts';
import { amr } from '../src/amr/amr.ts';
import { NetworkStream } from '../src/amr/network-stream.ts';
import { TwoStreamNetwork } from '../src/amr/two-stream.ts';
import { randomUniform } from '../src/kernels/random.ts';
import type { Network } from '../src/models/backbone.ts';
import { CifarResNet } from '../src/models/cifar-resnet.ts';
import { CtrGcn } from '../src/models/ctr-gcn.ts';
import { Hcn } from '../src/models/hcn.ts';
import { InflatedResNet } from '../src/models/inflated-resnet.ts';
import { Mlp } from '../src/models/mlp.ts';
import { ResNet } from '../src/models/resnet.ts';
import { SkeletonTransformer } from '../src/models/skeleton-transformer.ts';
import { StGcn } from '../src/models/st-gcn.ts';
import { StGcn18 } from '../src/models/st-gcn-18.ts';
import { TimeSformer } from '../src/models/timesformer.ts';
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
  /** First channels of the published networks for images and for skeletons. */
  readonly width: number;
  readonly videoWidths: readonly [number, number, number, number];
  readonly skeletonWidths: readonly [number, number, number, number];
}

export const SIZES: Readonly<Record<SizeName, Size>> = {
  small: {
    batch: 8,
    classes: 60,
    clip: { frames: 8, height: 56, width: 56 },
    skeletonFrames: 32,
    width: 64,
    videoWidths: [16, 32, 64, 128],
    skeletonWidths: [64, 64, 128, 128],
  },
  tiny: {
    batch: 2,
    classes: 4,
    clip: { frames: 4, height: 16, width: 16 },
    skeletonFrames: 16,
    width: 4,
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

/** How a network is made, and whether its clips have a single frame. */
export interface Recipe {
  readonly make: (init: Initialiser, size: Size) => ActionNetwork;
  readonly images?: boolean;
}

type MakePublished = (init: Initialiser, size: Size) => Network;

const ofImages = (make: MakePublished): Recipe => ({
  make: (init, size) => new NetworkStream('rgb', make(init, size), { images: true }),
  images: true,
});

const ofClips = (make: MakePublished): Recipe => ({
  make: (init, size) => new NetworkStream('rgb', make(init, size)),
});

const ofSkeletons = (make: MakePublished): Recipe => ({
  make: (init, size) => new NetworkStream('skeleton', make(init, size)),
});

const narrow = ({ classes, videoWidths }: Size) => ({ classes, width: videoWidths[0] });

/** All of `src/models/`, and two streams. Those of clips are a quarter as wide as published at most. */
export const networks: Readonly<Record<string, Recipe>> = {
  r3d: { make: (init, size) => new SingleStreamNetwork(init, 'rgb', video(init, size, 'r3d'), size) },
  r2plus1d: {
    make: (init, size) => new SingleStreamNetwork(init, 'rgb', video(init, size, 'r2plus1d'), size),
  },
  'st-gcn': { make: (init, size) => new SingleStreamNetwork(init, 'skeleton', skeleton(init, size), size) },
  'two-stream': {
    make: (init, size) => new TwoStreamNetwork(init, video(init, size, 'r3d'), skeleton(init, size), size),
  },
  'two-stream-amr': {
    make: (init, size) =>
      new TwoStreamNetwork(init, video(init, size, 'r3d'), skeleton(init, size), { ...size, fusion: amr() }),
  },
  mlp: ofImages(
    (init, { classes, clip }) => new Mlp(init, { classes, in: clip.height * clip.width * 3, width: 512 }),
  ),
  'cifar-resnet20': ofImages((init, { classes }) => new CifarResNet(init, { classes })),
  resnet18: ofImages((init, size) => new ResNet(init, size)),
  resnet50: ofImages((init, size) => new ResNet(init, { ...size, depth: 50 })),
  'r3d-18': ofClips((init, size) => VideoResNet.published(init, 'r3d', narrow(size))),
  'mc3-18': ofClips((init, size) => VideoResNet.published(init, 'mc3', narrow(size))),
  'r2plus1d-18': ofClips((init, size) => VideoResNet.published(init, 'r2plus1d', narrow(size))),
  'inflated-resnet': ofClips((init, size) => new InflatedResNet(init, narrow(size))),
  timesformer: ofClips((init, { classes, clip, width }) => {
    const { frames, height: image } = clip;
    return new TimeSformer(init, { classes, frames, image, patch: 8, width: 2 * width, depth: 4, heads: 4 });
  }),
  hcn: ofSkeletons((init, { classes, skeletonFrames: frames, width }) => {
    return new Hcn(init, { classes, frames, width });
  }),
  'st-gcn-18': ofSkeletons((init, { classes, width }) => new StGcn18(init, { classes, width })),
  'ctr-gcn': ofSkeletons((init, { classes, width }) => new CtrGcn(init, { classes, width, persons: 1 })),
  'skeleton-transformer': ofSkeletons((init, { classes, skeletonFrames: frames, width }) => {
    return new SkeletonTransformer(init, { classes, frames, width: 2 * width });
  }),
};

/** A network with random weights, and a batch for it. */
export interface Prepared {
  readonly network: ActionNetwork;
  /** In the order of the network's modalities. */
  readonly inputs: readonly Tensor[];
  readonly labels: Tensor;
}

export function prepare(device: Device, { make, images }: Recipe, size: Size): Prepared {
  const network = make(new Initialiser(device, 1), size);
  const { frames, height, width } = size.clip;
  const shapes = {
    rgb: [size.batch, images ? 1 : frames, height, width, 3],
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
