import { check } from '../errors.ts';
import { reshape, slice } from '../kernels/layout.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Conv2d, Linear } from '../nn/layers.ts';
import { type Layer, type Mode, Module } from '../nn/module.ts';
import { LayerNorm } from '../nn/norms.ts';
import { formatShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Network, Stage } from './backbone.ts';
import { checkKnown } from './checks.ts';
import { type DividedBlock, dividedBlocks, transformerTaps, withPositions } from './divided-attention.ts';

/** Width, blocks and heads: `base` is the published TimeSformer, the others have the sizes of DeiT (Touvron et al. 2021). */
const SIZES = {
  tiny: { width: 192, depth: 12, heads: 3 },
  small: { width: 384, depth: 12, heads: 6 },
  base: { width: 768, depth: 12, heads: 12 },
} as const;

export interface TimeSformerOptions {
  /** `tiny` when left out. */
  readonly size?: keyof typeof SIZES;
  /** Logits of the head; without it the network is a backbone only. */
  readonly classes?: number;
  /** Channels of a frame; 3 when left out. */
  readonly in?: number;
  /** Frames of a clip; 8 when left out. */
  readonly frames?: number;
  /** Rows and columns of a frame; 224 when left out. */
  readonly image?: number;
  /** Rows and columns of a patch, which divide `image`; 16 when left out. */
  readonly patch?: number;
  /** Channels of a token, in place of that of `size`. */
  readonly width?: number;
  readonly depth?: number;
  readonly heads?: number;
  /** Stochastic depth of the last block; 0.1 when left out. */
  readonly dropPath?: number;
}

/** Patches as tokens. */
class PatchEmbedding extends Module {
  readonly proj: Conv2d;
  readonly #patch: number;

  constructor(init: Initialiser, size: { in: number; out: number; patch: number }) {
    super();
    const [kernel, ends] = [[size.patch, size.patch], { in: size.in, out: size.out }];
    this.proj = new Conv2d(init, { ...ends, kernel, stride: kernel, padding: [0, 0], bias: true });
    this.#patch = size.patch;
  }

  /** [N, T, H, W, C] → [N, T, P, D], rows of patches one after another. */
  forward(x: Tensor): Tensor {
    const [n = 0, frames = 0, height = 0, width = 0, channels = 0] = x.shape;
    const y = this.proj.forward(reshape(x, [n * frames, height, width, channels]));
    return reshape(y, [n, frames, (height / this.#patch) * (width / this.#patch), -1]);
  }
}

/**
 * TimeSformer with divided space-time attention (Bertasius et al. 2021, arXiv:2102.05095) under the names of its public
 * code: clips [N, T, H, W, 3], patches as tokens with learned positions in space and time and a class token, then
 * pre-norm blocks. One block is one stage, whose map is [N, 1 + T·P, width]; the head reads the class token. Fusion taps
 * half, three quarters and all of the blocks. Throws `ShapeError` unless patches divide the image and heads the width,
 * and for clips of another size.
 */
export class TimeSformer extends Network {
  readonly channels: readonly number[];
  readonly cls_token: Tensor;
  readonly pos_embed: Tensor;
  readonly time_embed: Tensor;
  readonly patch_embed: PatchEmbedding;
  readonly blocks: readonly DividedBlock[];
  readonly norm: LayerNorm;
  readonly head: Linear | undefined;
  readonly #clip: readonly number[];

  constructor(init: Initialiser, options: TimeSformerOptions = {}) {
    super();
    const { classes, in: from = 3, frames = 8, image = 224, patch = 16, dropPath = 0.1 } = options;
    checkKnown('TimeSformer', 'size', options.size ?? 'tiny', SIZES);
    const { width, depth, heads } = { ...SIZES[options.size ?? 'tiny'], ...defined(options) };
    check(image % patch === 0, 'TimeSformer', () => `patches of ${patch} must divide the image of ${image}`);
    const places = (image / patch) ** 2;
    this.#clip = [frames, image, image, from];
    this.channels = new Array(depth).fill(width);
    this.cls_token = init.normal([1, 1, width], 0.02);
    this.pos_embed = init.normal([1, places + 1, width], 0.02);
    this.time_embed = init.zeros([1, frames, width]);
    this.patch_embed = new PatchEmbedding(init, { in: from, out: width, patch });
    this.blocks = dividedBlocks(init, depth, { width, heads, dropPath, grid: { frames, places } });
    this.norm = new LayerNorm(init, width, { epsilon: 1e-6 });
    this.head = classes ? new Linear(init, { in: width, out: classes }) : undefined;
  }

  get stages(): readonly Layer[] {
    return this.blocks.map((block, i) =>
      i === 0 ? new Stage((x, mode) => block.forward(this.#embed(x), mode)) : block,
    );
  }

  override get taps(): readonly number[] {
    return transformerTaps(this.blocks.length);
  }

  /** The class token, normalised: [N, 1 + T·P, D] → [N, D]. */
  override pool(features: Tensor, _mode: Mode): Tensor {
    const [n = 0, , width = 0] = features.shape;
    return this.norm.forward(reshape(slice(features, { size: [n, 1, width] }), [n, width]));
  }

  #embed(x: Tensor): Tensor {
    check(
      `${x.shape.slice(1)}` === `${this.#clip}`,
      'TimeSformer',
      () => `needs clips [N, ${this.#clip}]; got ${formatShape(x.shape)}`,
    );
    const positions = { cls: this.cls_token, place: this.pos_embed, time: this.time_embed };
    return withPositions(this.patch_embed.forward(x), positions);
  }
}

/** What was set of the three numbers of a size. */
function defined({
  width,
  depth,
  heads,
}: TimeSformerOptions): Partial<Record<'width' | 'depth' | 'heads', number>> {
  return { ...(width && { width }), ...(depth && { depth }), ...(heads && { heads }) };
}
