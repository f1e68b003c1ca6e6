import type { Traits } from '../tensor/device.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { run } from './run.ts';
import { attentionWgsl } from './wgsl.gen.ts';

/**
 * `strips`: products of matrices and softmax for some rows at a time, by the kernels of matmul and softmax.
 * `tile`: one kernel streams the keys; a workgroup shares keys and scores through its memory.
 */
export type AttentionVariant = 'strips' | 'tile';

/** q [B, Lq, H, D], k and v [B, Lk, H, D], D divisible by four, and the additive mask. */
export interface AttentionInputs {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly mask: Tensor | undefined;
}

export interface AttentionAttrs {
  readonly causal: boolean;
  readonly scale: number;
}

type Entry = 'forward' | 'queryGrad' | 'keyGrad';

/** The largest D the streaming kernel has registers and workgroup memory for. */
const MOST_TILE_WIDTH = 128;
/** Products of matrices [Lq, Lk] with D in each pass: scores and what is made of them. */
const PRODUCTS = { forward: 2, queryGrad: 3, keyGrad: 4 } as const;
/** Vectors a workgroup has: 4·BLOCKS of the shader. */
const TILE_VECTORS = 32;

/** Matmul through registers beats a kernel with barriers on software adapters; elsewhere memory traffic decides. */
export function attentionVariants(
  d: number,
  { software }: Pick<Traits, 'software'>,
): [AttentionVariant, ...AttentionVariant[]] {
  if (d > MOST_TILE_WIDTH) return ['strips'];
  return software ? ['strips', 'tile'] : ['tile', 'strips'];
}

/** Launches one pass; the other tensors of the entry are `stats` (gradients) or `lse` (forward), `first` and `second`. */
export function launchAttention(
  entry: Entry,
  inputs: AttentionInputs & { readonly upstream?: Tensor },
  others: { readonly stats: Tensor; readonly first: Tensor; readonly second?: Tensor },
  attrs: AttentionAttrs,
): void {
  const { q, k, v, mask = q, upstream = q } = inputs;
  const { stats, first, second = first } = others;
  const tensors = { q, k, v, mask, upstream, stats, lse: stats, first, second };
  const [batch = 0, rows = 0, heads = 0, d = 0] = q.shape;
  const keys = k.shape[1] ?? 0;
  const own = entry === 'keyGrad' ? keys : rows;
  const tiles = Math.ceil(own / TILE_VECTORS);
  const [quads, step] = [d / 4, d > 64 ? 8 : 16];
  const params = { batch, rows, keys, heads, tiles, quads, step, ...flags(inputs, attrs) };
  const groups = batch * heads * tiles;
  const seen = attrs.causal ? 0.5 : 1;
  const flops = 2 * PRODUCTS[entry] * seen * batch * heads * rows * keys * d;
  const constants = { QUADS: quads, WIDTH: 8 * quads, STEP: step };
  run(attentionWgsl, entry, tensors, params, { groups, flops, constants });
}

function flags({ mask }: AttentionInputs, { causal, scale }: AttentionAttrs) {
  const [rows = 1, keys = 1] = mask?.shape.slice(-2) ?? [];
  const [batches = 1, heads = 1] = mask && mask.shape.length === 4 ? mask.shape : [];
  return {
    hasMask: mask ? 1 : 0,
    maskBatch: batches > 1 ? heads * rows * keys : 0,
    maskHead: heads > 1 ? rows * keys : 0,
    causal: causal ? 1 : 0,
    scale,
  };
}
