import { check } from '../errors.ts';
import { attention } from '../kernels/attention.ts';
import { add, gelu } from '../kernels/elementwise.ts';
import { broadcastTo, concat, reshape, split, transpose } from '../kernels/layout.ts';
import { mean } from '../kernels/reduce.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Linear } from '../nn/layers.ts';
import { Layer, type Mode, Module } from '../nn/module.ts';
import { LayerNorm } from '../nn/norms.ts';
import { inTypeOf } from '../nn/precision.ts';
import { StructuredDropout } from '../nn/structured-dropout.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Self-attention with query, key and value in one layer, as in timm: [N, L, width] → [N, L, width]. */
class QkvAttention extends Module {
  readonly qkv: Linear;
  readonly proj: Linear;
  readonly #heads: number;

  constructor(init: Initialiser, width: number, heads: number) {
    super();
    this.qkv = new Linear(init, { in: width, out: 3 * width });
    this.proj = new Linear(init, { in: width, out: width });
    this.#heads = heads;
  }

  forward(x: Tensor): Tensor {
    const [n = 0, length = 0, width = 0] = x.shape;
    const parts = split(this.qkv.forward(x), [width, width, width], { axis: 2 });
    const [q, k, v] = parts.map((part) => reshape(part, [n, length, this.#heads, width / this.#heads]));
    return this.proj.forward(reshape(attention(q!, k!, v!), [n, length, width]));
  }
}

/** `W₂ gelu(W₁ x + b₁) + b₂` with four times the width between. */
class FeedForward extends Module {
  readonly fc1: Linear;
  readonly fc2: Linear;

  constructor(init: Initialiser, width: number) {
    super();
    this.fc1 = new Linear(init, { in: width, out: 4 * width });
    this.fc2 = new Linear(init, { in: 4 * width, out: width });
  }

  forward(x: Tensor): Tensor {
    return this.fc2.forward(gelu(this.fc1.forward(x)));
  }
}

/** Tokens of one sample: a class token, then `places` (patches, joints) for each of `frames`. */
export interface TokenGrid {
  readonly frames: number;
  readonly places: number;
}

export interface DividedBlockSize {
  readonly width: number;
  readonly heads: number;
  readonly grid: TokenGrid;
  /** Place of the block in its network. */
  readonly index: number;
  /** Probability that a residual branch is left out in training (stochastic depth). */
  readonly dropPath: number;
}

/**
 * A transformer block with divided space-time attention (Bertasius et al. 2021, arXiv:2102.05095, section 3) under the
 * names of TimeSformer: each place attends over its frames, then each frame over its places and the class token, whose
 * copies are averaged, then a feed-forward layer; all before a residual. Tokens [N, 1 + T·P, width] → the same.
 * Throws `ShapeError` unless the heads divide the width.
 */
export class DividedBlock extends Layer {
  readonly norm1: LayerNorm;
  readonly attn: QkvAttention;
  readonly temporal_norm1: LayerNorm;
  readonly temporal_attn: QkvAttention;
  readonly temporal_fc: Linear;
  readonly norm2: LayerNorm;
  readonly mlp: FeedForward;
  readonly #grid: TokenGrid;
  readonly #drop: readonly StructuredDropout[];

  constructor(init: Initialiser, { width, heads, grid, index, dropPath }: DividedBlockSize) {
    super();
    check(
      width % heads === 0,
      'DividedBlock',
      () => `width ${width} must be a multiple of the ${heads} heads`,
    );
    const norm = () => new LayerNorm(init, width, { epsilon: 1e-6 });
    this.norm1 = norm();
    this.attn = new QkvAttention(init, width, heads);
    this.temporal_norm1 = norm();
    this.temporal_attn = new QkvAttention(init, width, heads);
    // All blocks but the first start without attention over time.
    this.temporal_fc = new Linear(init, { in: width, out: width, zero: index > 0 });
    this.norm2 = norm();
    this.mlp = new FeedForward(init, width);
    this.#grid = grid;
    this.#drop = [0, 1, 2].map((i) => new StructuredDropout('sample', dropPath, 3 * index + i));
  }

  forward(tokens: Tensor, mode: Mode): Tensor {
    const [n = 0, length = 0, width = 0] = tokens.shape;
    const { frames, places } = this.#grid;
    const [cls, rest] = split(tokens, [1, length - 1], { axis: 1 });
    const moved = this.#overTime(reshape(rest!, [n, frames, places, width]), mode);
    const y = this.#overSpace(cls!, moved, mode);
    return add(y, this.#dropped(2, this.mlp.forward(this.norm2.forward(y)), mode));
  }

  /** [N, T, P, D] → the same. */
  #overTime(x: Tensor, mode: Mode): Tensor {
    const [n = 0, frames = 0, places = 0, width = 0] = x.shape;
    const rows = reshape(transpose(x, [0, 2, 1, 3]), [n * places, frames, width]);
    const attended = this.temporal_attn.forward(this.temporal_norm1.forward(rows));
    const back = transpose(
      reshape(this.#dropped(0, attended, mode), [n, places, frames, width]),
      [0, 2, 1, 3],
    );
    return add(x, this.temporal_fc.forward(back));
  }

  /** The class token [N, 1, D] and [N, T, P, D] → [N, 1 + T·P, D]. */
  #overSpace(cls: Tensor, x: Tensor, mode: Mode): Tensor {
    const [n = 0, frames = 0, places = 0, width = 0] = x.shape;
    const copies = broadcastTo(reshape(cls, [n, 1, 1, width]), [n, frames, 1, width]);
    const rows = reshape(concat([copies, x], { axis: 2 }), [n * frames, 1 + places, width]);
    const attended = this.#dropped(1, this.attn.forward(this.norm1.forward(rows)), mode);
    const all = reshape(attended, [n, frames, 1 + places, width]);
    const [own, others] = split(all, [1, places], { axis: 2 });
    const flat = reshape(add(x, others!), [n, frames * places, width]);
    return concat([add(cls, mean(own!, { axes: 1 })), flat], { axis: 1 });
  }

  #dropped(branch: number, x: Tensor, mode: Mode): Tensor {
    return this.#drop[branch]?.forward(x, mode) ?? x;
  }
}

/** Learned class token and positions, added to what was embedded: [N, T, P, D] → tokens [N, 1 + T·P, D]. */
export function withPositions(x: Tensor, learned: { cls: Tensor; place: Tensor; time: Tensor }): Tensor {
  const [cls, place, time] = [learned.cls, learned.place, learned.time].map((weight) =>
    inTypeOf(x, weight),
  ) as [Tensor, Tensor, Tensor];
  const [n = 0, frames = 0, places = 0, width = 0] = x.shape;
  const [ofClass, own] = split(place, [1, places], { axis: 1 });
  const first = broadcastTo(add(cls, ofClass!), [n, 1, width]);
  const placed = add(add(x, reshape(own!, [1, 1, places, width])), reshape(time, [1, frames, 1, width]));
  return concat([first, reshape(placed, [n, frames * places, width])], { axis: 1 });
}

/** Blocks whose stochastic depth grows linearly from 0 to `dropPath`. */
export function dividedBlocks(
  init: Initialiser,
  depth: number,
  { dropPath, ...size }: Omit<DividedBlockSize, 'index'>,
): DividedBlock[] {
  return Array.from(
    { length: depth },
    (_, index) =>
      new DividedBlock(init, { ...size, index, dropPath: (dropPath * index) / Math.max(depth - 1, 1) }),
  );
}

/** The blocks after which fusion plugs in: half, three quarters and all of the way through. */
export function transformerTaps(depth: number): readonly number[] {
  return [...new Set([2, 3, 4].map((quarters) => Math.ceil((quarters * depth) / 4) - 1))];
}
