import type { Traits } from '../tensor/device.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { hasQuads, type TileTraits } from './matmul-launch.ts';
import { run } from './run.ts';
import { attentionSubgroupWgsl, attentionWgsl } from './wgsl.gen.ts';

/**
 * `quad`: a thread has its share of four or eight rows in registers and exchanges scores within its subgroup.
 * `tile`: a workgroup shares keys and scores through its memory.
 */
export type AttentionVariant = 'quad' | 'tile';

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

/** Vectors a quad of threads has in its registers. */
const QUAD_VECTORS = { forward: 8, queryGrad: 4, keyGrad: 4 } as const;
/** The largest D of the quad variant: more registers would take compilers minutes. */
const MOST_QUAD_WIDTH = 64;
/** Products of matrices [Lq, Lk] with D in each pass: scores and what is made of them. */
const PRODUCTS = { forward: 2, queryGrad: 3, keyGrad: 4 } as const;
/** Vectors a workgroup of the tile variant has: 4·BLOCKS of the shader. */
const TILE_VECTORS = 32;

type AttentionTraits = TileTraits & Pick<Traits, 'software'>;

/** Registers first where workgroup memory and barriers are dear: on software adapters that have subgroups. */
export function attentionVariants(
  d: number,
  traits: AttentionTraits,
): [AttentionVariant, ...AttentionVariant[]] {
  if (!hasQuads(traits) || d % 16 !== 0 || d > MOST_QUAD_WIDTH) return ['tile'];
  return traits.software ? ['quad', 'tile'] : ['tile', 'quad'];
}

/** What D is padded to a multiple of, so that the best variant can have it. */
export function granularity(d: number, traits: AttentionTraits): number {
  return traits.software && hasQuads(traits) && d <= MOST_QUAD_WIDTH ? 16 : 4;
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
  const { device } = q;
  const [batch = 0, rows = 0, heads = 0, d = 0] = q.shape;
  const keys = k.shape[1] ?? 0;
  const own = entry === 'keyGrad' ? keys : rows;
  const quad = device.variants.choose('attention', attentionVariants(d, device.traits)) === 'quad';
  const width = own > 2 * QUAD_VECTORS[entry] ? 64 : 16;
  const tiles = Math.ceil(own / (quad ? (width / 4) * QUAD_VECTORS[entry] : TILE_VECTORS));
  const params = { batch, rows, keys, heads, tiles, ...flags(inputs, attrs) };
  const groups = batch * heads * tiles;
  const seen = attrs.causal ? 0.5 : 1;
  const flops = 2 * PRODUCTS[entry] * seen * batch * heads * rows * keys * d;
  if (quad) {
    const launch = { groups, flops, constants: { WIDTH: width }, lines: { TILE_PARTS: `${d / 16}u` } };
    run(attentionSubgroupWgsl, entry, tensors, params, launch);
  } else {
    const [quads, step] = [d / 4, d > 64 ? 8 : 16];
    const constants = { QUADS: quads, WIDTH: 8 * quads, STEP: step };
    run(attentionWgsl, entry, tensors, { ...params, quads, step }, { groups, flops, constants });
  }
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
