import { channelMatmul } from '../kernels/channel-matmul.ts';
import { add, mul, relu, sub, tanh } from '../kernels/elementwise.ts';
import { concat, reshape, slice, transpose } from '../kernels/layout.ts';
import { mean } from '../kernels/reduce.ts';
import { type Layers, runLayers } from '../nn/chain.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Conv2d, Dropout, Linear, Relu } from '../nn/layers.ts';
import { Layer, type Mode, Module } from '../nn/module.ts';
import { BatchNorm } from '../nn/norms.ts';
import { MaxPool } from '../nn/pooling.ts';
import { inTypeOf } from '../nn/precision.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Network, Stage } from './backbone.ts';
import { checkWidth } from './checks.ts';
import { perPerson, withPersons } from './persons.ts';
import { directedPartition, NTU_PARENTS, PARTITIONS } from './skeleton-graph.ts';

/** Channels (of a width of 64) and stride in time of the ten units (Chen et al. 2021, section 3.4). */
const UNITS = [
  [1, 1],
  [1, 1],
  [1, 1],
  [1, 1],
  [2, 2],
  [2, 1],
  [2, 1],
  [4, 2],
  [4, 1],
  [4, 1],
] as const;

/** The last units of 64, 128 and 256 channels. */
const TAPS = [3, 6, 9];

/** Dilations of the two temporal convolutions of five frames; the other two branches are a pool and a 1×1 convolution. */
const DILATIONS = [1, 2];

export interface CtrGcnOptions {
  /** Logits of the head; without it the network is a backbone only. */
  readonly classes?: number;
  /** Channels of a joint; 3 when left out. */
  readonly in?: number;
  /** Channels of the first unit, a multiple of 4; 64 as published. */
  readonly width?: number;
  /** Parent of each joint, −1 for the root; the 25 joints of NTU RGB+D when left out. */
  readonly parents?: readonly number[];
  /** Persons in a sequence, whose joints are normalised apart; 2 when left out. */
  readonly persons?: number;
  /** Before the head; 0 when left out. */
  readonly dropout?: number;
}

/**
 * Channel-wise topology refinement graph convolution network (Chen et al. 2021, arXiv:2107.12213) under the names of its
 * public code, written from the paper's formulas: skeletons [N, persons, T, V, 3] (or [N, T, V, 3] with `persons: 1`), a
 * batch norm of every person's joints, ten units of a CTR-GC and a multi-scale temporal convolution, and the mean over time,
 * joints and persons before a linear head. One unit is one stage; fusion taps the last of each width. Throws `ShapeError`
 * when `parents` is no tree, and for skeletons of other joints, channels or persons.
 */
export class CtrGcn extends Network {
  readonly channels: readonly number[];
  readonly data_bn: BatchNorm;
  readonly l1: Unit;
  readonly l2: Unit;
  readonly l3: Unit;
  readonly l4: Unit;
  readonly l5: Unit;
  readonly l6: Unit;
  readonly l7: Unit;
  readonly l8: Unit;
  readonly l9: Unit;
  readonly l10: Unit;
  readonly fc: Linear | undefined;
  readonly #joint: { readonly joints: number; readonly channels: number };
  readonly #dropout: Dropout;

  constructor(init: Initialiser, options: CtrGcnOptions = {}) {
    super();
    const { classes, in: from = 3, width = 64, parents = NTU_PARENTS, persons = 2, dropout = 0 } = options;
    checkWidth('CtrGcn', width, 4);
    const adjacency = directedPartition(parents);
    this.#joint = { joints: parents.length, channels: from };
    this.#dropout = new Dropout(dropout, 1000);
    this.channels = UNITS.map(([times]) => times * width);
    this.data_bn = new BatchNorm(init, persons * parents.length * from);
    const units = UNITS.map(([, stride], i) => {
      const ends = { in: this.channels[i - 1] ?? from, out: this.channels[i] ?? 0 };
      return new Unit(init, { ...ends, stride, residual: i > 0, adjacency, joints: parents.length });
    }) as [Unit, Unit, Unit, Unit, Unit, Unit, Unit, Unit, Unit, Unit];
    [this.l1, this.l2, this.l3, this.l4, this.l5, this.l6, this.l7, this.l8, this.l9, this.l10] = units;
    this.fc = classes ? new Linear(init, { in: 4 * width, out: classes }) : undefined;
  }

  get stages(): readonly Layer[] {
    const { l1, l2, l3, l4, l5, l6, l7, l8, l9, l10 } = this;
    return [l1, l2, l3, l4, l5, l6, l7, l8, l9, l10].map((unit, i) => {
      const run = (x: Tensor, mode: Mode) => perPerson(x, (person) => unit.forward(person, mode));
      return new Stage(i === 0 ? (x, mode) => run(this.#normalise(x, mode), mode) : run);
    });
  }

  override get taps(): readonly number[] {
    return TAPS;
  }

  get head(): Layer | undefined {
    return this.fc;
  }

  override classify(pooled: Tensor, mode: Mode): Tensor {
    return super.classify(this.#dropout.forward(pooled, mode), mode);
  }

  /** The batch norm of M·V·C channels over samples and frames. */
  #normalise(input: Tensor, mode: Mode): Tensor {
    const { joints, channels } = this.#joint;
    const x = withPersons('CtrGcn', input, joints, channels);
    const [n = 0, persons = 0, frames = 0] = x.shape;
    const byFrame = transpose(x, [0, 2, 1, 3, 4]);
    const y = this.data_bn.forward(reshape(byFrame, [n * frames, persons * joints * channels]), mode);
    return transpose(reshape(y, byFrame.shape), [0, 2, 1, 3, 4]);
  }
}

function pointwise(init: Initialiser, from: number, to: number, stride = 1): Conv2d {
  return new Conv2d(init, { in: from, out: to, kernel: [1, 1], stride: [stride, 1], bias: true });
}

/**
 * One partition: `R[u, v] = α ξ(tanh(mean_t φ(x)[u] − mean_t ψ(x)[v])) + A[u, v]`, a matrix for each output channel, and
 * `y[u] = Σ_v R[u, v] θ(x)[v]`, with φ, ψ, θ, ξ the 1×1 convolutions conv1 to conv4 (section 3.2).
 */
class ChannelTopology extends Module {
  readonly conv1: Conv2d;
  readonly conv2: Conv2d;
  readonly conv3: Conv2d;
  readonly conv4: Conv2d;

  constructor(init: Initialiser, { in: from, out: to }: { in: number; out: number }) {
    super();
    const relations = from === 3 || from === 9 ? 8 : Math.max(1, Math.floor(from / 8));
    this.conv1 = pointwise(init, from, relations);
    this.conv2 = pointwise(init, from, relations);
    this.conv3 = pointwise(init, from, to);
    this.conv4 = pointwise(init, relations, to);
  }

  /** x [B, T, V, in], its mean over time [B, 1, V, in], A [V, V] and α [1] → [B, T, V, out]. */
  forward(x: Tensor, still: Tensor, adjacency: Tensor, alpha: Tensor): Tensor {
    const [batch = 0, , joints = 0] = x.shape;
    const receiver = reshape(this.conv1.forward(still), [batch, joints, 1, -1]);
    const sender = reshape(this.conv2.forward(still), [batch, 1, joints, -1]);
    const relation = this.conv4.forward(tanh(sub(receiver, sender)));
    const fixed = inTypeOf(x, reshape(adjacency, [joints, joints, 1]));
    const topology = add(mul(relation, inTypeOf(x, alpha)), fixed);
    // For each sample and channel [T, v] · [u, v]ᵀ.
    return channelMatmul(this.conv3.forward(x), topology, { transposeB: true });
  }
}

interface UnitSize {
  readonly in: number;
  readonly out: number;
  readonly stride: number;
  readonly residual: boolean;
  readonly adjacency: Float32Array<ArrayBuffer>;
  readonly joints: number;
}

/** CTR-GC: `relu(bn(Σ_k topology_k(x)) + down(x))`; A (`PA`) is learned too, and the norm starts close to zero. */
class Spatial extends Layer {
  readonly PA: Tensor;
  readonly alpha: Tensor;
  readonly convs: readonly ChannelTopology[];
  readonly down: Layers;
  readonly bn: BatchNorm;

  constructor(init: Initialiser, { in: from, out: to, adjacency, joints }: UnitSize) {
    super();
    this.PA = init.values(adjacency, [PARTITIONS, joints, joints]);
    this.alpha = init.zeros([1]);
    this.convs = Array.from({ length: PARTITIONS }, () => new ChannelTopology(init, { in: from, out: to }));
    this.down = from === to ? [] : [pointwise(init, from, to), new BatchNorm(init, to)];
    this.bn = new BatchNorm(init, to, { gamma: 1e-6 });
  }

  forward(x: Tensor, mode: Mode): Tensor {
    const still = mean(x, { axes: 1, keepDims: true });
    const [, joints = 0] = this.PA.shape;
    const received = this.convs.map((topology, k) => {
      const own = slice(this.PA, { begin: [k, 0, 0], size: [1, joints, joints] });
      return topology.forward(x, still, own, this.alpha);
    });
    const y = this.bn.forward(
      received.reduce((a, b) => add(a, b)),
      mode,
    );
    return relu(add(y, runLayers(this.down, x, mode)));
  }
}

/** A convolution over time with its norm. */
class ConvNorm extends Layer {
  readonly conv: Conv2d;
  readonly bn: BatchNorm;

  constructor(init: Initialiser, ends: { in: number; out: number }, [kernel, stride, dilation]: TimeWindow) {
    super();
    const time = { kernel: [kernel, 1], stride: [stride, 1], dilation: [dilation, 1] };
    this.conv = new Conv2d(init, { ...ends, ...time, bias: true });
    this.bn = new BatchNorm(init, ends.out);
  }

  forward(x: Tensor, mode: Mode): Tensor {
    return this.bn.forward(this.conv.forward(x), mode);
  }
}

type TimeWindow = readonly [kernel: number, stride: number, dilation: number];

/** Four branches of a quarter of the channels each, side by side. */
class Temporal extends Layer {
  readonly branches: readonly Layers[];

  constructor(init: Initialiser, channels: number, stride: number) {
    super();
    const own = channels / (DILATIONS.length + 2);
    const narrow = () => [pointwise(init, channels, own), new BatchNorm(init, own), new Relu()];
    const pool = new MaxPool({ size: [3, 1], stride: [stride, 1], padding: [1, 0] });
    this.branches = [
      ...DILATIONS.map((dilation) => [
        ...narrow(),
        new ConvNorm(init, { in: own, out: own }, [5, stride, dilation]),
      ]),
      [...narrow(), pool, new BatchNorm(init, own)],
      [pointwise(init, channels, own, stride), new BatchNorm(init, own)],
    ];
  }

  forward(x: Tensor, mode: Mode): Tensor {
    return concat(
      this.branches.map((branch) => runLayers(branch, x, mode)),
      { axis: -1 },
    );
  }
}

/** `relu(tcn1(gcn1(x)) + residual(x))`; the first unit has no residual. */
class Unit extends Layer {
  readonly gcn1: Spatial;
  readonly tcn1: Temporal;
  readonly residual: Layer | undefined;
  readonly #identity: boolean;

  constructor(init: Initialiser, size: UnitSize) {
    super();
    const { in: from, out: to, stride, residual } = size;
    const same = from === to && stride === 1;
    this.gcn1 = new Spatial(init, size);
    this.tcn1 = new Temporal(init, to, stride);
    this.residual = residual && !same ? new ConvNorm(init, { in: from, out: to }, [1, stride, 1]) : undefined;
    this.#identity = residual && same;
  }

  forward(x: Tensor, mode: Mode): Tensor {
    const y = this.tcn1.forward(this.gcn1.forward(x, mode), mode);
    if (this.#identity) return relu(add(y, x));
    return relu(this.residual ? add(y, this.residual.forward(x, mode)) : y);
  }
}
