import { add, relu } from '../kernels/elementwise.ts';
import { type Layers, runLayers } from '../nn/chain.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Conv2d, Conv3d } from '../nn/layers.ts';
import { Layer, type Mode } from '../nn/module.ts';
import { BatchNorm } from '../nn/norms.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** `basic`: two k×k convolutions; `bottleneck`: 1×1, k×k, 1×1, the last of four times the channels (He et al. 2016). */
export type BlockKind = 'basic' | 'bottleneck';

/** How many times its planes a block's output has channels. */
export const EXPANSION: Readonly<Record<BlockKind, number>> = { basic: 1, bottleneck: 4 };

export interface BlockSize {
  readonly kind: BlockKind;
  readonly in: number;
  /** Channels of the k×k convolutions. */
  readonly planes: number;
  /** Of rows and columns, at the first k×k convolution. */
  readonly stride: number;
  /** Frames a k×k convolution spans; undefined in a network for images. */
  readonly frames?: number | undefined;
}

/**
 * A residual block under torchvision's names: `relu(bn2(conv2(relu(bn1(conv1(x))))) + downsample(x))`, and with a third
 * convolution in a bottleneck; images [N, H, W, C] or clips [N, T, H, W, C], never strided in time.
 */
export class ResidualBlock extends Layer {
  readonly conv1: Layer;
  readonly bn1: BatchNorm;
  readonly conv2: Layer;
  readonly bn2: BatchNorm;
  readonly conv3: Layer | undefined;
  readonly bn3: BatchNorm | undefined;
  readonly downsample: Layers | undefined;

  constructor(init: Initialiser, { kind, in: from, planes, stride, frames }: BlockSize) {
    super();
    const to = planes * EXPANSION[kind];
    const conv = (kernel: number, ends: { in: number; out: number }, step = 1) =>
      convolution(init, kernel, ends, step, frames);
    const basic = kind === 'basic';
    this.conv1 = conv(basic ? 3 : 1, { in: from, out: planes }, basic ? stride : 1);
    this.bn1 = new BatchNorm(init, planes);
    this.conv2 = conv(3, { in: planes, out: planes }, basic ? 1 : stride);
    this.bn2 = new BatchNorm(init, planes);
    this.conv3 = basic ? undefined : conv(1, { in: planes, out: to });
    this.bn3 = basic ? undefined : new BatchNorm(init, to);
    const same = stride === 1 && from === to;
    this.downsample = same ? undefined : [conv(1, { in: from, out: to }, stride), new BatchNorm(init, to)];
  }

  forward(x: Tensor, mode: Mode): Tensor {
    let y = relu(this.bn1.forward(this.conv1.forward(x, mode), mode));
    y = this.bn2.forward(this.conv2.forward(y, mode), mode);
    if (this.conv3 && this.bn3) y = this.bn3.forward(this.conv3.forward(relu(y), mode), mode);
    return relu(add(y, this.downsample ? runLayers(this.downsample, x, mode) : x));
  }
}

function convolution(
  init: Initialiser,
  kernel: number,
  ends: { in: number; out: number },
  stride: number,
  frames: number | undefined,
): Layer {
  if (frames === undefined)
    return new Conv2d(init, { ...ends, kernel: [kernel, kernel], stride: [stride, stride] });
  const span = kernel === 1 ? 1 : frames;
  return new Conv3d(init, { ...ends, kernel: [span, kernel, kernel], stride: [1, stride, stride] });
}

/** The blocks of one layer: the first changes channels and size, the others keep them. */
export function residualLayer(init: Initialiser, first: BlockSize, blocks: number): ResidualBlock[] {
  const rest = { ...first, in: first.planes * EXPANSION[first.kind], stride: 1 };
  return Array.from({ length: blocks }, (_, i) => new ResidualBlock(init, i === 0 ? first : rest));
}
