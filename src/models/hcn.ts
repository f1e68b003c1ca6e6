import { check } from '../errors.ts';
import { sub } from '../kernels/elementwise.ts';
import { concat, reshape, slice, transpose } from '../kernels/layout.ts';
import { max } from '../kernels/reduce.ts';
import { resize } from '../kernels/resize.ts';
import { type Layers, runLayers } from '../nn/chain.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Conv2d, Dropout, Linear, Relu } from '../nn/layers.ts';
import type { Layer, Mode } from '../nn/module.ts';
import { MaxPool } from '../nn/pooling.ts';
import { StructuredDropout } from '../nn/structured-dropout.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Network, Stage } from './backbone.ts';
import { checkWidth } from './checks.ts';
import { perPerson, withPersons } from './persons.ts';

export interface HcnOptions {
  /** Logits of the head; without it the network is a backbone only. */
  readonly classes?: number;
  /** Coordinates of a joint; 3 when left out. */
  readonly in?: number;
  /** 25 when left out. */
  readonly joints?: number;
  /** Frames of a sequence, a multiple of 16; 64 as published, 32 in MMTM. */
  readonly frames?: number;
  /** Channels of the first convolution, 64 as published. */
  readonly width?: number;
  /** 0.5 when left out. */
  readonly dropout?: number;
}

/**
 * Hierarchical co-occurrence network (Li et al. 2018, arXiv:1804.06055) under the names of huguyuehuhu/HCN-pytorch, for
 * skeletons [N, T, V, 3] of one person or [N, persons, T, V, 3]. Positions and their motion, each: a convolution of single
 * joints and one over time, then **joints become channels** and two convolutions see them all at once. Stage 1 ends with
 * both concatenated, [N, M, T/4, T/4, 128]; stages 2 and 3 are conv5 and conv6; stage 4 takes the maximum over persons and
 * is fc7, [N, 512]. Throws `ShapeError` for skeletons of other frames, joints or channels, and unless 16 divides `frames`.
 */
export class Hcn extends Network {
  readonly channels: readonly number[];
  readonly conv1: Layers;
  readonly conv2: Conv2d;
  readonly conv3: Layers;
  readonly conv4: Layers;
  readonly conv1m: Layers;
  readonly conv2m: Conv2d;
  readonly conv3m: Layers;
  readonly conv4m: Layers;
  readonly conv5: Layers;
  readonly conv6: Layers;
  readonly fc7: Layers;
  readonly fc8: Linear | undefined;
  readonly #size: { readonly frames: number; readonly joints: number; readonly in: number };

  constructor(init: Initialiser, options: HcnOptions = {}) {
    super();
    const { classes, in: from = 3, joints = 25, frames = 64, width = 64, dropout = 0.5 } = options;
    this.#size = { frames, joints, in: from };
    checkWidth('Hcn', width, 2);
    check(frames % 16 === 0, 'Hcn', () => `frames must be a multiple of 16; got ${frames}`);
    const first = () => [conv(init, from, width, 1), new Relu()];
    const second = () =>
      new Conv2d(init, { in: width, out: frames, kernel: [3, 1], padding: [1, 0], bias: true });
    const third = () => [conv(init, joints, width / 2, 3), new MaxPool({ size: 2 })];
    const drop = (stream: number) => new StructuredDropout('channel', dropout, stream);
    const fourth = (stream: number) => [
      ...[conv(init, width / 2, width, 3), drop(stream), new MaxPool({ size: 2 })],
    ];
    const later = (ends: readonly [number, number], stream: number) => [
      ...[conv(init, ...ends, 3), new Relu(), drop(stream), new MaxPool({ size: 2 })],
    ];
    [this.conv1, this.conv2, this.conv3, this.conv4] = [first(), second(), third(), fourth(1)];
    [this.conv1m, this.conv2m, this.conv3m, this.conv4m] = [first(), second(), third(), fourth(2)];
    this.conv5 = later([2 * width, 2 * width], 3);
    this.conv6 = later([2 * width, 4 * width], 4);
    const flat = 4 * width * (frames / 16) ** 2;
    this.fc7 = [new Linear(init, { in: flat, out: 8 * width }), new Relu(), new Dropout(dropout, 5)];
    this.fc8 = classes ? new Linear(init, { in: 8 * width, out: classes }) : undefined;
    this.channels = [2 * width, 2 * width, 4 * width, 8 * width];
  }

  get stages(): readonly Layer[] {
    const each = (layers: Layers) =>
      new Stage((x, mode) => perPerson(x, (person) => runLayers(layers, person, mode)));
    return [
      new Stage((x, mode) => this.#streams(x, mode)),
      each(this.conv5),
      each(this.conv6),
      new Stage((x, mode) => runLayers(this.fc7, flattenAsTorch(max(x, { axes: 1 })), mode)),
    ];
  }

  get head(): Layer | undefined {
    return this.fc8;
  }

  /** [N, M, T, V, C] → [N, M, T/4, T/4, 2·width]. */
  #streams(input: Tensor, mode: Mode): Tensor {
    const { frames, joints, in: from } = this.#size;
    const x = withPersons('Hcn', input, joints, from);
    check(x.shape[2] === frames, 'Hcn', () => `needs ${frames} frames; got ${x.shape[2]}`);
    return perPerson(x, (position) => {
      const streams = [
        this.#stream(position, [this.conv1, this.conv2], [this.conv3, this.conv4], mode),
        this.#stream(motionOf(position), [this.conv1m, this.conv2m], [this.conv3m, this.conv4m], mode),
      ];
      return concat(streams, { axis: -1 });
    });
  }

  /** Point by point, [B, T, V, C] → [B, T, V, T]; then joints as channels, [B, T, T, V] → [B, T/4, T/4, width]. */
  #stream(x: Tensor, points: Layers, global: Layers, mode: Mode): Tensor {
    return runLayers(global, transpose(runLayers(points, x, mode), [0, 1, 3, 2]), mode);
  }
}

function conv(init: Initialiser, from: number, to: number, kernel: number): Conv2d {
  return new Conv2d(init, { in: from, out: to, kernel: [kernel, kernel], bias: true });
}

/** `x[t + 1] − x[t]`, T − 1 frames resized bilinearly to T: [B, T, V, C] → the same. */
function motionOf(x: Tensor): Tensor {
  const [batch = 0, frames = 0, joints = 0, channels = 0] = x.shape;
  const size = [batch, frames - 1, joints, channels];
  const steps = sub(slice(x, { begin: [0, 1, 0, 0], size }), slice(x, { size }));
  const rows = reshape(steps, [batch, frames - 1, joints * channels]);
  return reshape(resize(rows, { size: [frames] }), x.shape);
}

/** [N, H, W, C] → [N, C·H·W], in the order of PyTorch's channels-first maps, so that its fc7 fits. */
function flattenAsTorch(x: Tensor): Tensor {
  return reshape(transpose(x, [0, 3, 1, 2]), [x.shape[0] ?? 0, -1]);
}
