import { add, mul, relu } from '../kernels/elementwise.ts';
import { reshape, transpose } from '../kernels/layout.ts';
import { matmul } from '../kernels/matmul.ts';
import { type Layers, runLayers } from '../nn/chain.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Conv2d, Dropout, Relu } from '../nn/layers.ts';
import { type Layer, type Mode, Module } from '../nn/module.ts';
import { BatchNorm } from '../nn/norms.ts';
import { inTypeOf } from '../nn/precision.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Network, Stage } from './backbone.ts';
import { checkWidth } from './checks.ts';
import { perPerson, withPersons } from './persons.ts';
import { centreOf, NTU_PARENTS, type PartitionStrategy, skeletonPartition } from './skeleton-graph.ts';

/** Channels (of a width of 64) and stride in time of the ten blocks (Yan et al. 2018, section 3.5, as in mmskeleton). */
const BLOCKS = [
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

/** The last blocks of 64, 128 and 256 channels. */
const TAPS = [3, 6, 9];

/** Frames a temporal convolution spans. */
const TEMPORAL = 9;

export interface StGcn18Options {
  /** Logits of the head; without it the network is a backbone only. */
  readonly classes?: number;
  /** Channels of a joint; 3 when left out. */
  readonly in?: number;
  /** Channels of the first block, 64 as published. */
  readonly width?: number;
  /** Parent of each joint, −1 for the root; the 25 joints of NTU RGB+D when left out. */
  readonly parents?: readonly number[];
  /** Joint that partitions are measured from; the most central one (of NTU RGB+D joint 21) when left out. */
  readonly centre?: number;
  /** `spatial` when left out; published weights need `mmskeleton`. */
  readonly partition?: PartitionStrategy;
  /** 0.5 when left out; the first block has none. */
  readonly dropout?: number;
}

/**
 * ST-GCN with its ten blocks (Yan et al. 2018, arXiv:1801.07455) under the names of mmskeleton's ST_GCN_18: skeletons
 * [N, T, V, 3] of one person or [N, persons, T, V, 3], a batch norm of each joint's channels, then blocks
 * `relu(tcn(gcn(x)) + residual(x))` with a learned mask over the edges each, 64, 128 and 256 channels, and the mean over
 * time, joints and persons before a linear head. One block is one stage; fusion taps the last of each width. Throws
 * `ShapeError` when `parents` is no tree, and for skeletons of other joints or channels.
 */
export class StGcn18 extends Network {
  readonly A: Tensor;
  readonly data_bn: BatchNorm;
  readonly st_gcn_networks: readonly Block[];
  readonly edge_importance: readonly Tensor[];
  readonly fcn: Conv2d | undefined;
  readonly channels: readonly number[];
  readonly #joint: { readonly joints: number; readonly channels: number };

  constructor(init: Initialiser, options: StGcn18Options = {}) {
    super();
    const { classes, in: from = 3, width = 64, parents = NTU_PARENTS, dropout = 0.5 } = options;
    const { partition = 'spatial', centre = centreOf(parents) } = options;
    checkWidth('StGcn18', width);
    const joints = parents.length;
    const adjacency = skeletonPartition(parents, centre, partition);
    const shape = [adjacency.length / joints ** 2, joints, joints];
    this.#joint = { joints, channels: from };
    this.A = init.values(adjacency, shape);
    this.data_bn = new BatchNorm(init, joints * from);
    this.channels = BLOCKS.map(([times]) => times * width);
    this.st_gcn_networks = BLOCKS.map(([, stride], i) => {
      const ends = { in: this.channels[i - 1] ?? from, out: this.channels[i] ?? 0 };
      return new Block(init, { ...ends, partitions: shape[0] ?? 1, stride, index: i, dropout });
    });
    this.edge_importance = BLOCKS.map(() => init.ones(shape));
    this.fcn = classes ? pointwise(init, this.channels.at(-1) ?? 0, classes) : undefined;
  }

  get stages(): readonly Layer[] {
    return this.st_gcn_networks.map((block, i) => {
      const run = (x: Tensor, mode: Mode) =>
        perPerson(x, (person) => block.forward(person, this.#edges(i), mode));
      return new Stage(i === 0 ? (x, mode) => run(this.#normalise(x, mode), mode) : run);
    });
  }

  override get taps(): readonly number[] {
    return TAPS;
  }

  get head(): Layer | undefined {
    const fcn = this.fcn;
    if (!fcn) return undefined;
    return new Stage((x) => {
      const [n = 0, channels = 0] = x.shape;
      return reshape(fcn.forward(reshape(x, [n, 1, 1, channels])), [n, -1]);
    });
  }

  protected override bufferNames(): readonly string[] {
    return ['A'];
  }

  #edges(block: number): Tensor {
    return mul(this.A, this.edge_importance[block] as Tensor);
  }

  /** The batch norm of V·C channels over samples, persons and frames. */
  #normalise(input: Tensor, mode: Mode): Tensor {
    const { joints, channels } = this.#joint;
    const x = withPersons('StGcn18', input, joints, channels);
    return reshape(this.data_bn.forward(reshape(x, [-1, joints * channels]), mode), x.shape);
  }
}

function pointwise(init: Initialiser, from: number, to: number, stride = 1): Conv2d {
  return new Conv2d(init, { in: from, out: to, kernel: [1, 1], stride: [stride, 1], bias: true });
}

/** `y[v] = Σ_k Σ_u A[k, u, v] (x[u] W_k + b_k)`; the weights of all K partitions are one 1×1 convolution. */
class Gcn extends Module {
  readonly conv: Conv2d;

  constructor(init: Initialiser, size: { in: number; out: number; partitions: number }) {
    super();
    this.conv = pointwise(init, size.in, size.out * size.partitions);
  }

  /** [B, T, V, in] and the edges [K, V, V] → [B, T, V, out]. */
  forward(x: Tensor, edges: Tensor): Tensor {
    const [partitions = 0, joints = 0] = edges.shape;
    const [batch = 0, frames = 0] = x.shape;
    const sent = reshape(this.conv.forward(x), [batch * frames, joints * partitions, -1]);
    const receive = reshape(transpose(inTypeOf(x, edges), [2, 1, 0]), [joints, joints * partitions]);
    return reshape(matmul(receive, sent), [batch, frames, joints, -1]);
  }
}

interface BlockSize {
  readonly in: number;
  readonly out: number;
  readonly partitions: number;
  readonly stride: number;
  readonly index: number;
  readonly dropout: number;
}

/** `relu(tcn(gcn(x)) + residual(x))`; the first block has no residual. */
class Block extends Module {
  readonly gcn: Gcn;
  readonly tcn: Layers;
  readonly residual: Layers | undefined;

  constructor(init: Initialiser, { stride, index, dropout, ...size }: BlockSize) {
    super();
    const to = size.out;
    this.gcn = new Gcn(init, size);
    this.tcn = [
      new BatchNorm(init, to),
      new Relu(),
      new Conv2d(init, { in: to, out: to, kernel: [TEMPORAL, 1], stride: [stride, 1], bias: true }),
      new BatchNorm(init, to),
      new Dropout(index === 0 ? 0 : dropout, index),
    ];
    const same = size.in === to && stride === 1;
    const strided = () => [pointwise(init, size.in, to, stride), new BatchNorm(init, to)];
    this.residual = index === 0 ? undefined : same ? [] : strided();
  }

  forward(x: Tensor, edges: Tensor, mode: Mode): Tensor {
    const y = runLayers(this.tcn, this.gcn.forward(x, edges), mode);
    return relu(this.residual ? add(y, runLayers(this.residual, x, mode)) : y);
  }
}
