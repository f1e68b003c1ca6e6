import { check } from '../errors.ts';
import { reshape, slice } from '../kernels/layout.ts';
import { mean } from '../kernels/reduce.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Conv2d, Linear } from '../nn/layers.ts';
import type { Layer, Mode } from '../nn/module.ts';
import { BatchNorm, LayerNorm } from '../nn/norms.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Network, Stage } from './backbone.ts';
import { type DividedBlock, dividedBlocks, transformerTaps, withPositions } from './divided-attention.ts';
import { perPerson, withPersons } from './persons.ts';

export interface SkeletonTransformerOptions {
  /** Logits of the head; without it the network is a backbone only. */
  readonly classes?: number;
  /** Coordinates of a joint; 3 when left out. */
  readonly in?: number;
  /** 25 when left out. */
  readonly joints?: number;
  /** Frames of a sequence; 64 when left out. */
  readonly frames?: number;
  /** Frames in a token, which divide `frames`; 4 when left out. */
  readonly span?: number;
  /** Channels of a token; 128 when left out. */
  readonly width?: number;
  /** 4 when left out. */
  readonly depth?: number;
  /** 4 when left out. */
  readonly heads?: number;
  /** Stochastic depth of the last block; 0.1 when left out. */
  readonly dropPath?: number;
}

/**
 * A transformer for skeletons [N, T, V, 3] of one person or [N, persons, T, V, 3], made by this project: the blocks of
 * TimeSformer (divided space-time attention) with joints in place of patches, an idea it shares with ST-TR (Plizzari et
 * al. 2021, arXiv:2008.07404). A batch norm of each joint's channels, `span` frames of a joint as a token, learned
 * positions, and the mean of the persons' class tokens before a linear head. One block is one stage, whose map is
 * [N, persons, 1 + T/span·V, width]. Throws `ShapeError` unless `span` divides the frames and the heads the width, and for
 * skeletons of another size.
 */
export class SkeletonTransformer extends Network {
  readonly channels: readonly number[];
  readonly data_bn: BatchNorm;
  readonly embed: Conv2d;
  readonly cls_token: Tensor;
  readonly pos_embed: Tensor;
  readonly time_embed: Tensor;
  readonly blocks: readonly DividedBlock[];
  readonly norm: LayerNorm;
  readonly head: Linear | undefined;
  readonly #size: { readonly frames: number; readonly joints: number; readonly in: number };

  constructor(init: Initialiser, options: SkeletonTransformerOptions = {}) {
    super();
    const { classes, in: from = 3, joints = 25, frames = 64, span = 4 } = options;
    const { width = 128, depth = 4, heads = 4, dropPath = 0.1 } = options;
    check(frames % span === 0, 'SkeletonTransformer', () => `span ${span} must divide ${frames} frames`);
    this.#size = { frames, joints, in: from };
    this.channels = new Array(depth).fill(width);
    this.data_bn = new BatchNorm(init, joints * from);
    const time = { kernel: [span, 1], stride: [span, 1], padding: [0, 0] };
    this.embed = new Conv2d(init, { in: from, out: width, ...time, bias: true });
    this.cls_token = init.normal([1, 1, width], 0.02);
    this.pos_embed = init.normal([1, joints + 1, width], 0.02);
    this.time_embed = init.zeros([1, frames / span, width]);
    const grid = { frames: frames / span, places: joints };
    this.blocks = dividedBlocks(init, depth, { width, heads, dropPath, grid });
    this.norm = new LayerNorm(init, width, { epsilon: 1e-6 });
    this.head = classes ? new Linear(init, { in: width, out: classes }) : undefined;
  }

  get stages(): readonly Layer[] {
    return this.blocks.map((block, i) => {
      const run = (x: Tensor, mode: Mode) => perPerson(x, (person) => block.forward(person, mode));
      return new Stage(i === 0 ? (x, mode) => run(this.#tokens(x, mode), mode) : run);
    });
  }

  override get taps(): readonly number[] {
    return transformerTaps(this.blocks.length);
  }

  /** The class tokens, normalised and averaged over persons: [N, M, 1 + T·V, D] → [N, D]. */
  override pool(features: Tensor, _mode: Mode): Tensor {
    const [n = 0, persons = 0, , width = 0] = features.shape;
    const cls = slice(features, { size: [n, persons, 1, width] });
    return mean(this.norm.forward(reshape(cls, [n, persons, width])), { axes: 1 });
  }

  /** [N, M, T, V, C] → [N, M, 1 + T/span·V, D]. */
  #tokens(input: Tensor, mode: Mode): Tensor {
    const { frames, joints, in: from } = this.#size;
    const x = withPersons('SkeletonTransformer', input, joints, from);
    check(x.shape[2] === frames, 'SkeletonTransformer', () => `needs ${frames} frames; got ${x.shape[2]}`);
    const normed = reshape(this.data_bn.forward(reshape(x, [-1, joints * from]), mode), x.shape);
    const positions = { cls: this.cls_token, place: this.pos_embed, time: this.time_embed };
    return perPerson(normed, (person) => withPositions(this.embed.forward(person), positions));
  }
}
