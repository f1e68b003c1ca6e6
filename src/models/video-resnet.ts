import { add, relu, sub } from '../kernels/elementwise.ts';
import { mean } from '../kernels/reduce.ts';
import { type Layers, runLayers } from '../nn/chain.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Conv3d, Linear, Relu } from '../nn/layers.ts';
import { Layer, type Mode } from '../nn/module.ts';
import { BatchNorm } from '../nn/norms.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Network, Stage } from './backbone.ts';
import { checkKnown, checkWidth } from './checks.ts';

/** `r3d`: k×k×k kernels; `mc3`: those in the first layer, 1×k×k later; `r2plus1d`: 1×k×k, then k×1×1. */
export type VideoResNetKind = 'r3d' | 'mc3' | 'r2plus1d';

/** One number for each of the four stages. */
type PerStage = readonly [number, number, number, number];

export interface VideoResNetSize {
  /** Channels of a frame: 3 for RGB, 1 for depth. */
  readonly in: number;
  /** Channels after each of the four stages. */
  readonly widths: PerStage;
  readonly kind: VideoResNetKind;
  /** Residual blocks of each stage, the stem not counted; one in each but the first when left out. */
  readonly blocks?: PerStage;
  /** `small`: 1×3×3, the mean over time subtracted first. `published`: torchvision's, 3×7×7 or its factors. */
  readonly stem?: 'small' | 'published';
  /** Logits of the head; without it the network is a backbone only. */
  readonly classes?: number;
}

type Step = readonly [time: number, height: number, width: number];

/** The published networks: 2 blocks a stage, 64 to 512 channels (torchvision's r3d_18, mc3_18, r2plus1d_18). */
const EIGHTEEN = { blocks: [2, 2, 2, 2], stem: 'published' } as const;

/**
 * A residual network for clips [N, T, H, W, C] in [0, 1], R3D, MC3 or R(2+1)D (Tran et al. 2018, arXiv:1711.11248), under
 * torchvision's names: a stem that halves space and has no pool, then up to four stages of residual blocks, each but the
 * first halving space, and time too unless its kernels see none (mc3). Stage 1 is the stem with the first layer.
 */
export class VideoResNet extends Network {
  readonly channels: readonly number[];
  readonly stem: Layers;
  readonly layer1: Layers;
  readonly layer2: Layers;
  readonly layer3: Layers;
  readonly layer4: Layers;
  readonly fc: Linear | undefined;
  readonly #published: boolean;

  constructor(init: Initialiser, size: VideoResNetSize) {
    super();
    const { widths, blocks = [0, 1, 1, 1], classes } = size;
    checkKnown('VideoResNet', 'kind', size.kind, { r3d: 1, mc3: 1, r2plus1d: 1 });
    for (const width of widths) checkWidth('VideoResNet', width);
    this.#published = size.stem === 'published';
    this.channels = widths;
    const layer = (i: 0 | 1 | 2 | 3) =>
      Array.from({ length: blocks[i] }, (_, k) => {
        const kind = size.kind === 'mc3' && i === 0 ? 'r3d' : size.kind;
        const ends = { in: k === 0 ? (widths[i - 1] ?? widths[0]) : widths[i], out: widths[i] };
        const halves = k === 0 && i > 0;
        return new VideoBlock(init, { ...ends, kind, halves, published: this.#published });
      });
    this.stem = (this.#published ? publishedStem : smallStem)(init, size);
    [this.layer1, this.layer2, this.layer3, this.layer4] = [layer(0), layer(1), layer(2), layer(3)];
    this.fc = classes ? new Linear(init, { in: widths[3], out: classes }) : undefined;
  }

  /** R3D-18, MC3-18 or R(2+1)D-18; `width`: channels of the stem, 64 as published. */
  static published(
    init: Initialiser,
    kind: VideoResNetKind,
    options: { classes?: number; in?: number; width?: number } = {},
  ): VideoResNet {
    const { width = 64, in: from = 3, ...head } = options;
    const widths = [width, 2 * width, 4 * width, 8 * width] as const;
    return new VideoResNet(init, { ...EIGHTEEN, ...head, in: from, widths, kind });
  }

  get stages(): readonly Layer[] {
    const [first, ...rest] = [this.layer1, this.layer2, this.layer3, this.layer4];
    return [
      new Stage((x, mode) => {
        const clip = this.#published ? x : centreInTime(x);
        return runLayers([this.stem, first ?? []], clip, mode);
      }),
      ...rest.map((layer) => new Stage((x, mode) => runLayers(layer, x, mode))),
    ];
  }

  get head(): Linear | undefined {
    return this.fc;
  }
}

/** Subtracts each pixel's mean over the clip, so that what stands still cancels out; the batch norm sets the scale. */
function centreInTime(x: Tensor): Tensor {
  return sub(x, mean(x, { axes: 1, keepDims: true }));
}

function smallStem(init: Initialiser, { in: from, widths: [to] }: VideoResNetSize): Layers {
  return [
    new Conv3d(init, { in: from, out: to, kernel: [1, 3, 3], stride: [1, 2, 2] }),
    new BatchNorm(init, to),
    new Relu(),
  ];
}

/** 3×7×7, or 1×7×7 to 45 of 64 channels and 3×1×1. */
function publishedStem(init: Initialiser, { in: from, kind, widths: [to] }: VideoResNetSize): Layers {
  const factored = kind === 'r2plus1d';
  const middle = factored ? Math.floor((45 * to) / 64) : to;
  const first = new Conv3d(init, {
    ...{ in: from, out: middle },
    ...{ kernel: [factored ? 1 : 3, 7, 7], stride: [1, 2, 2] },
  });
  const stem = [first, new BatchNorm(init, middle), new Relu()];
  if (!factored) return stem;
  const second = new Conv3d(init, { in: middle, out: to, kernel: [3, 1, 1] });
  return [...stem, second, new BatchNorm(init, to), new Relu()];
}

interface VideoBlockSize {
  readonly in: number;
  readonly out: number;
  readonly kind: VideoResNetKind;
  readonly halves: boolean;
  readonly published: boolean;
}

/** `relu(conv2(conv1(x)) + downsample(x))`; norms and the first activation belong to `conv1` and `conv2`. */
class VideoBlock extends Layer {
  readonly conv1: Layers;
  readonly conv2: Layers;
  readonly downsample: Layers | undefined;

  constructor(init: Initialiser, { in: from, out: to, kind, halves, published }: VideoBlockSize) {
    super();
    const step: Step = halves ? [kind === 'mc3' ? 1 : 2, 2, 2] : [1, 1, 1];
    const middle = middlePlanes(from, to);
    // torchvision takes the planes of a block's first convolution for both; the small network counts each its own.
    const second = published ? middle : middlePlanes(to, to);
    const first = convolution(init, kind, { in: from, middle, out: to }, step);
    this.conv1 = [first, new BatchNorm(init, to), new Relu()];
    const other = convolution(init, kind, { in: to, middle: second, out: to }, [1, 1, 1]);
    this.conv2 = [other, new BatchNorm(init, to)];
    const same = from === to && !halves;
    this.downsample = same
      ? undefined
      : [new Conv3d(init, { in: from, out: to, kernel: [1, 1, 1], stride: step }), new BatchNorm(init, to)];
  }

  forward(x: Tensor, mode: Mode): Tensor {
    const y = runLayers([this.conv1, this.conv2], x, mode);
    return relu(add(y, this.downsample ? runLayers(this.downsample, x, mode) : x));
  }
}

/** As many weights in the two factors as in one 3×3×3 convolution (ibid., section 3.5). */
function middlePlanes(from: number, to: number): number {
  return Math.floor((from * to * 27) / (from * 9 + to * 3));
}

/** One convolution, or its factors in space and time. */
function convolution(
  init: Initialiser,
  kind: VideoResNetKind,
  size: { in: number; middle: number; out: number },
  [t, h, w]: Step,
): Layer | Layers {
  const { in: from, middle, out: to } = size;
  if (kind !== 'r2plus1d')
    return new Conv3d(init, { in: from, out: to, kernel: [kind === 'r3d' ? 3 : 1, 3, 3], stride: [t, h, w] });
  return [
    new Conv3d(init, { in: from, out: middle, kernel: [1, 3, 3], stride: [1, h, w] }),
    new BatchNorm(init, middle),
    new Relu(),
    new Conv3d(init, { in: middle, out: to, kernel: [3, 1, 1], stride: [t, 1, 1] }),
  ];
}
