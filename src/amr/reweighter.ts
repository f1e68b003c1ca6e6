import { check, ShapeError } from '../errors.ts';
import { add, mul, sigmoid } from '../kernels/elementwise.ts';
import { reshape, slice, stack } from '../kernels/layout.ts';
import { matmul } from '../kernels/matmul.ts';
import { softmax } from '../kernels/softmax.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Linear, MultiHeadAttention } from '../nn/layers.ts';
import { Module } from '../nn/module.ts';
import { LayerNorm } from '../nn/norms.ts';
import { inTypeOf, toF32 } from '../nn/precision.ts';
import { excite, squeeze } from '../nn/squeeze.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** The parts of AMR, each of which can be switched off or set. */
export interface ReweighterOptions {
  /** Weigh the modalities against each other. */
  readonly weights?: boolean;
  /** Weigh the channels of each modality. */
  readonly gates?: boolean;
  readonly heads?: number;
  /** Width of a token; `max(32, (Cr + Cs) / 4)`, rounded up to a multiple of `heads`, when left out. */
  readonly width?: number;
}

/** What one reweighting gives. */
export interface Reweighted {
  readonly rgb: Tensor;
  readonly skeleton: Tensor;
  /** Modality weights [N, 2] (RGB, skeleton), f32, which add up to 2; undefined when they are switched off. */
  readonly weights: Tensor | undefined;
}

/** Squeezed features of one modality as a token: `LayerNorm(W m + b)`. */
class Token extends Module {
  readonly project: Linear;
  readonly norm: LayerNorm;

  constructor(init: Initialiser, channels: number, width: number) {
    super();
    this.project = new Linear(init, { in: channels, out: width });
    this.norm = new LayerNorm(init, width);
  }

  forward(features: Tensor): Tensor {
    return this.norm.forward(this.project.forward(squeeze(features)));
  }
}

/**
 * Attention-based Modality Reweighter for one stage (arXiv 2407.19981; a reconstruction, as only its abstract could be
 * read). Two feature maps [N, …, Cr] and [N, …, Cs] of any rank in, the same shapes out:
 * `u_m = LayerNorm(W_m mean(m) + b_m)`, `O = U + MultiHeadAttention(U)`, `w = 2 softmax(v·o_r, v·o_s)`,
 * `g_m = 2 sigmoid(G_m o_m + c_m)`, `m' = w_m (g_m ⊙ m)`. A fresh one changes nothing: v, G and c start at zero.
 * Throws `ShapeError` unless the heads divide the width, and for another number of clips than of skeletons.
 */
export class AttentionModalityReweighter extends Module {
  readonly rgbToken: Token;
  readonly skeletonToken: Token;
  readonly attention: MultiHeadAttention;
  readonly score: Tensor | undefined;
  readonly rgbGate: Linear | undefined;
  readonly skeletonGate: Linear | undefined;

  constructor(
    init: Initialiser,
    channels: { rgb: number; skeleton: number },
    options: ReweighterOptions = {},
  ) {
    super();
    const heads = options.heads ?? 4;
    const count = Number.isInteger(heads) && heads > 0;
    check(count, 'AMR', () => `heads must be a count; got ${heads}`);
    const width = options.width ?? tokenWidth(channels.rgb + channels.skeleton, heads);
    this.rgbToken = new Token(init, channels.rgb, width);
    this.skeletonToken = new Token(init, channels.skeleton, width);
    this.attention = new MultiHeadAttention(init, { width, heads });
    const gates = options.gates ?? true;
    this.score = (options.weights ?? true) ? init.zeros([width, 1]) : undefined;
    this.rgbGate = gates ? new Linear(init, { in: width, out: channels.rgb, zero: true }) : undefined;
    this.skeletonGate = gates
      ? new Linear(init, { in: width, out: channels.skeleton, zero: true })
      : undefined;
  }

  forward(rgb: Tensor, skeleton: Tensor): Reweighted {
    const n = rgb.shape[0] ?? 0;
    if (skeleton.shape[0] !== n)
      throw new ShapeError('AMR', `needs as many clips as skeletons; got ${rgb} and ${skeleton}`);
    const tokens = stack([this.rgbToken.forward(rgb), this.skeletonToken.forward(skeleton)], { axis: 1 });
    const attended = add(tokens, this.attention.forward(tokens));
    const weights = this.#weights(attended);
    return {
      rgb: scale(rgb, gate(this.rgbGate, attended, 0), weights, 0),
      skeleton: scale(skeleton, gate(this.skeletonGate, attended, 1), weights, 1),
      weights,
    };
  }

  #weights(attended: Tensor): Tensor | undefined {
    if (!this.score) return undefined;
    const scores = toF32(matmul(attended, inTypeOf(attended, this.score)));
    return mul(softmax(reshape(scores, [attended.shape[0] ?? 0, 2]), { axis: -1 }), 2);
  }
}

/** `2 sigmoid(G o_m + c)`: [N, 2, d] → [N, C] for modality m. */
function gate(layer: Linear | undefined, attended: Tensor, modality: number): Tensor | undefined {
  if (!layer) return undefined;
  const [n = 0, , width = 0] = attended.shape;
  const own = slice(attended, { begin: [0, modality, 0], size: [n, 1, width] });
  return mul(sigmoid(layer.forward(reshape(own, [n, width]))), 2);
}

/** Multiplies a feature map [N, …, C] by channel gates [N, C] and by its column of the weights [N, 2]. */
function scale(
  map: Tensor,
  gates: Tensor | undefined,
  weights: Tensor | undefined,
  modality: number,
): Tensor {
  const own =
    weights && slice(inTypeOf(map, weights), { begin: [0, modality], size: [map.shape[0] ?? 0, 1] });
  const factor = gates && own ? mul(gates, own) : (gates ?? own);
  return factor ? excite(map, factor) : map;
}

function tokenWidth(channels: number, heads: number): number {
  return Math.ceil(Math.max(32, channels / 4) / heads) * heads;
}
