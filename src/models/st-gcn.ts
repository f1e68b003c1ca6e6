import { check } from '../errors.ts';
import { sub } from '../kernels/elementwise.ts';
import { concat, gather, pad, reshape, slice } from '../kernels/layout.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Conv2d, Dropout, GraphConv, Relu, Sequential } from '../nn/layers.ts';
import { Layer, type Mode } from '../nn/module.ts';
import { BatchNorm } from '../nn/norms.ts';
import { Residual } from '../nn/residual.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Backbone } from './backbone.ts';
import { centreOf, spatialPartition } from './skeleton-graph.ts';

/** What of a skeleton sequence a network sees, each three channels: positions, steps in time, bone vectors. */
export type SkeletonStream = 'position' | 'motion' | 'bone';

export interface StGcnSize {
  /** Parent of each joint, −1 for the root. */
  readonly parents: readonly number[];
  /** Joint that partitions are measured from; the most central one when left out. */
  readonly centre?: number;
  readonly streams: readonly SkeletonStream[];
  /** Channels after each stage. */
  readonly widths: readonly number[];
  /** Stride in time of each stage. */
  readonly strides: readonly number[];
  /** Frames a temporal convolution spans. */
  readonly temporalKernel: number;
  readonly dropout?: number;
}

/**
 * Spatial-temporal graph convolutional network for skeletons [N, T, V, 3] in metres (Yan et al. 2018), one block a
 * stage. Centring, differences and the batch norm of each joint's channels are a part of the network. Throws `ShapeError`
 * when `parents` is no tree, `centre` no joint, or there are not as many strides as widths.
 */
export class StGcn extends Backbone {
  readonly stages: readonly Layer[];
  readonly channels: readonly number[];

  constructor(init: Initialiser, size: StGcnSize) {
    super();
    const [widths, strides] = [size.widths.length, size.strides.length];
    check(
      widths === strides,
      'StGcn',
      () => `needs a stride for each width; got ${widths} widths and ${strides} strides`,
    );
    const centre = size.centre ?? centreOf(size.parents);
    const adjacency = spatialPartition(size.parents, centre);
    const input = new SkeletonInput(init, size.parents, centre, size.streams);
    let from = size.streams.length * 3;
    const blocks = size.widths.map((to, i) => {
      const made = block(init, {
        from,
        to,
        stride: size.strides[i] ?? 1,
        adjacency,
        stream: i,
        first: i === 0,
        size,
      });
      from = to;
      return made;
    });
    const [first, ...rest] = blocks;
    this.stages = [new Sequential(input, ...(first ? [first] : [])), ...rest];
    this.channels = size.widths;
  }
}

interface BlockSize {
  readonly from: number;
  readonly to: number;
  readonly stride: number;
  readonly adjacency: Float32Array<ArrayBuffer>;
  /** Random stream of its dropout. */
  readonly stream: number;
  /** The first block has no residual connection. */
  readonly first: boolean;
  readonly size: StGcnSize;
}

/** `relu(tcn(gcn(x)) + residual(x))`. */
function block(init: Initialiser, { from, to, stride, adjacency, stream, first, size }: BlockSize): Layer {
  const main = [
    new GraphConv(init, { in: from, out: to, adjacency, joints: size.parents.length }),
    new BatchNorm(init, to),
    new Relu(),
    new Conv2d(init, { in: to, out: to, kernel: [size.temporalKernel, 1], stride: [stride, 1] }),
    new BatchNorm(init, to),
    new Dropout(size.dropout ?? 0, stream),
  ];
  if (first) return new Sequential(...main, new Relu());
  if (from === to && stride === 1) return new Residual(new Sequential(...main));
  const strided = new Conv2d(init, { in: from, out: to, kernel: [1, 1], stride: [stride, 1] });
  return new Residual(new Sequential(...main), new Sequential(strided, new BatchNorm(init, to)));
}

/** Centres a sequence on its central joint in the first frame, derives the streams, and normalises each joint. */
class SkeletonInput extends Layer {
  readonly norm: BatchNorm;
  readonly #centre: number;
  readonly #streams: readonly SkeletonStream[];
  readonly #parents: Int32Array<ArrayBuffer>;

  constructor(
    init: Initialiser,
    parents: readonly number[],
    centre: number,
    streams: readonly SkeletonStream[],
  ) {
    super();
    this.norm = new BatchNorm(init, parents.length * streams.length * 3);
    this.#centre = centre;
    this.#streams = streams;
    this.#parents = Int32Array.from(parents, (parent, joint) => (parent < 0 ? joint : parent));
  }

  forward(x: Tensor, mode: Mode): Tensor {
    const [n = 0, frames = 0, joints = 0] = x.shape;
    const origin = slice(x, { begin: [0, 0, this.#centre, 0], size: [n, 1, 1, 3] });
    const position = sub(x, origin);
    const streams = this.#streams.map((stream) => this.#stream(stream, position));
    const channels = streams.length * 3;
    const joined = streams.length === 1 ? (streams[0] as Tensor) : concat(streams, { axis: -1 });
    const flat = reshape(joined, [n, frames, joints * channels]);
    return reshape(this.norm.forward(flat, mode), [n, frames, joints, channels]);
  }

  #stream(stream: SkeletonStream, position: Tensor): Tensor {
    if (stream === 'position') return position;
    if (stream === 'motion') return motion(position);
    const parents = position.device.tensor(this.#parents);
    return sub(position, gather(position, parents, { axis: 2 }));
  }
}

/** `x[t + 1] − x[t]`, zero in the last frame: [N, T, V, 3] → the same. */
function motion(x: Tensor): Tensor {
  const [n = 0, frames = 0, joints = 0] = x.shape;
  const size = [n, frames - 1, joints, 3];
  const later = slice(x, { begin: [0, 1, 0, 0], size });
  const sooner = slice(x, { size });
  return pad(sub(later, sooner), [
    [0, 0],
    [0, 1],
    [0, 0],
    [0, 0],
  ]);
}
