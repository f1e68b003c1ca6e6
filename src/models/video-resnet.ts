import { sub } from '../kernels/elementwise.ts';
import { mean } from '../kernels/reduce.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Conv3d, Relu, Sequential } from '../nn/layers.ts';
import { Layer } from '../nn/module.ts';
import { BatchNorm } from '../nn/norms.ts';
import { Residual } from '../nn/residual.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Backbone } from './backbone.ts';

export interface VideoResNetSize {
  /** Channels of a frame: 3 for RGB, 1 for depth. */
  readonly in: number;
  /** Channels after each of the four stages. */
  readonly widths: readonly [number, number, number, number];
  /** `r3d`: k×k×k kernels; `r2plus1d`: 1×k×k, then k×1×1. */
  readonly kind: 'r3d' | 'r2plus1d';
}

/**
 * A residual network for clips [N, T, H, W, C] in [0, 1], after R3D and R(2+1)D (Tran et al. 2018): a strided stem that
 * is stage 1, then three stages of one residual block, each halving time and space. The mean over time is subtracted first.
 */
export class VideoResNet extends Backbone {
  readonly stages: readonly Layer[];
  readonly channels: readonly number[];

  constructor(init: Initialiser, size: VideoResNetSize) {
    super();
    const [first, ...rest] = size.widths;
    this.channels = size.widths;
    const stem = new Sequential(
      new CentreInTime(),
      new Conv3d(init, { in: size.in, out: first, kernel: [1, 3, 3], stride: [1, 2, 2] }),
      new BatchNorm(init, first),
      new Relu(),
    );
    const blocks = rest.map((out, i) => block(init, size.kind, size.widths[i] ?? first, out));
    this.stages = [stem, ...blocks];
  }
}

/** Subtracts each pixel's mean over the clip, so that what stands still cancels out; the batch norm sets the scale. */
class CentreInTime extends Layer {
  forward(x: Tensor): Tensor {
    return sub(x, mean(x, { axes: 1, keepDims: true }));
  }
}

function block(init: Initialiser, kind: VideoResNetSize['kind'], from: number, to: number): Layer {
  const main = new Sequential(
    ...convolution(init, kind, from, to, [2, 2, 2]),
    new BatchNorm(init, to),
    new Relu(),
    ...convolution(init, kind, to, to, [1, 1, 1]),
    new BatchNorm(init, to),
  );
  const shortcut = new Sequential(
    new Conv3d(init, { in: from, out: to, kernel: [1, 1, 1], stride: [2, 2, 2] }),
    new BatchNorm(init, to),
  );
  return new Residual(main, shortcut);
}

/** One 3×3×3 convolution, or its factors in space and time with as many weights between them (ibid., section 3.5). */
function convolution(
  init: Initialiser,
  kind: VideoResNetSize['kind'],
  from: number,
  to: number,
  [t, h, w]: readonly [number, number, number],
): Layer[] {
  if (kind === 'r3d') return [new Conv3d(init, { in: from, out: to, kernel: [3, 3, 3], stride: [t, h, w] })];
  const middle = Math.floor((from * to * 27) / (from * 9 + to * 3));
  return [
    new Conv3d(init, { in: from, out: middle, kernel: [1, 3, 3], stride: [1, h, w] }),
    new BatchNorm(init, middle),
    new Relu(),
    new Conv3d(init, { in: middle, out: to, kernel: [3, 1, 1], stride: [t, 1, 1] }),
  ];
}
