import type { Spec } from '../tensor/shape.ts';
import { stridesOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { AttentionAttrs, AttentionInputs } from './attention-launch.ts';
import { add, greater, mul, where } from './elementwise.ts';
import { filledInF32, ofType } from './elementwise-cast.ts';
import { zerosLike } from './fill.ts';
import { concat, pad, slice, transpose } from './layout.ts';
import { copyStrided } from './layout-copy.ts';
import { matmul } from './matmul.ts';
import { defineOp, like, unrecorded } from './op.ts';
import { maskedSoftmax, softmaxGrad } from './softmax.ts';

/** Rows `from … to` of all heads, which see the first `keys` keys. */
interface Strip {
  readonly from: number;
  readonly to: number;
  readonly keys: number;
}

const MOST_ROWS = 128;
const FEWEST_ROWS = 16;
/** Scores in a strip where that leaves it enough rows: 16 MiB. */
const MOST_SCORES = 2 ** 22;
/** [B, L, H, D] to [B, H, L, D], and back. */
const SWAP = [0, 2, 1, 3];

/** How the rows are cut, so that memory grows with Lq + Lk and not with their product; pure. */
export function stripsOf(
  [batch = 0, rows = 0, heads = 0]: readonly number[],
  keys: number,
  causal: boolean,
): Strip[] {
  const fitting = Math.floor(MOST_SCORES / Math.max(1, batch * heads * keys) / FEWEST_ROWS) * FEWEST_ROWS;
  const height = Math.min(MOST_ROWS, Math.max(FEWEST_ROWS, fitting));
  return Array.from({ length: Math.ceil(rows / height) }, (_, i) => {
    const [from, to] = [i * height, Math.min((i + 1) * height, rows)];
    return { from, to, keys: causal ? Math.min(to, keys) : keys };
  });
}

/** Attention by products of matrices, strip by strip. */
export function attentionInStrips(inputs: AttentionInputs, out: Tensor, attrs: AttentionAttrs): void {
  unrecorded(out.device, () => {
    const heads = headsFirst(inputs, attrs);
    const strips = stripsOf(inputs.q.shape, inputs.k.shape[1] ?? 0, attrs.causal);
    const rows = strips.map((strip) =>
      out.device.scope(() => matmul(weightsOf(heads, strip, attrs), take(heads.v, 0, strip.keys))),
    );
    if (rows.length > 0) storeSwapped(concat(rows, { axis: 2 }), out);
  });
}

interface GradInputs extends AttentionInputs {
  readonly [name: string]: Tensor | undefined;
  readonly g: Tensor;
}

/** (dq, dk, dv) of attention in strips, with the weights computed anew. */
export const stripGradOp = defineOp<GradInputs, AttentionAttrs, [Spec, Spec, Spec]>({
  name: 'attentionGrad',
  outputs: ({ q, k, v }) => [like(q), like(k), like(v)],
  forward({ g, ...inputs }, [dq, dk, dv], attrs) {
    const { device } = g;
    unrecorded(device, () => {
      const heads = { ...headsFirst(inputs, attrs), g: transpose(ofType(g, 'f32'), SWAP) };
      const strips = stripsOf(inputs.q.shape, inputs.k.shape[1] ?? 0, attrs.causal);
      const rows: Tensor[] = [];
      let sums: Sums | undefined;
      // The last strip sees most keys, so the sums never grow.
      for (const strip of strips.reverse()) {
        const found = device.scope(() => gradientsOf(heads, strip, attrs));
        rows.unshift(found.q);
        sums = sums ? { k: gained(sums.k, found.k), v: gained(sums.v, found.v) } : found;
      }
      if (rows.length > 0) storeSwapped(mul(concat(rows, { axis: 2 }), attrs.scale), dq);
      const keys = inputs.k.shape[1] ?? 0;
      storeSwapped(sums ? widened(sums.k, keys) : zerosLike(heads.k), dk);
      storeSwapped(sums ? widened(sums.v, keys) : zerosLike(heads.v), dv);
    });
  },
});

interface Sums {
  readonly k: Tensor;
  readonly v: Tensor;
}

/** With q scaled, as [B, H, L, D], in f32 so that scores are: f16 has too few digits for large ones. */
function headsFirst({ q, k, v, mask }: AttentionInputs, { scale }: AttentionAttrs): AttentionInputs {
  const swapped = (x: Tensor) => transpose(ofType(x, 'f32'), SWAP);
  return { q: mul(swapped(q), scale), k: swapped(k), v: swapped(v), mask: mask && ofType(mask, 'f32') };
}

/** `softmax(q·kᵀ + mask)` of a strip, [B, H, rows, keys]. */
function weightsOf({ q, k, mask }: AttentionInputs, strip: Strip, { causal }: AttentionAttrs): Tensor {
  const { device } = q;
  return device.scope(() => {
    const products = matmul(take(q, strip.from, strip.to), take(k, 0, strip.keys), { transposeB: true });
    const masked = mask ? add(products, maskOf(mask, strip)) : products;
    return maskedSoftmax(causal ? add(masked, hiddenKeys(q, strip)) : masked);
  });
}

function gradientsOf(
  heads: AttentionInputs & { readonly g: Tensor },
  strip: Strip,
  attrs: AttentionAttrs,
): { readonly q: Tensor } & Sums {
  const p = weightsOf(heads, strip, attrs);
  const [q, g] = [take(heads.q, strip.from, strip.to), take(heads.g, strip.from, strip.to)];
  const [k, v] = [take(heads.k, 0, strip.keys), take(heads.v, 0, strip.keys)];
  const ds = softmaxGrad(p, matmul(g, v, { transposeB: true }));
  return { q: matmul(ds, k), k: matmul(ds, q, { transposeA: true }), v: matmul(p, g, { transposeA: true }) };
}

/** x + y, y covering the first keys only. */
function gained(x: Tensor, y: Tensor): Tensor {
  const { device } = x;
  const sum = device.scope(() => add(x, widened(y, x.shape[2] ?? 0)));
  for (const part of [x, y]) device.release(part);
  return sum;
}

/** [B, H, L, D] with zeros up to L = `keys`. */
function widened(x: Tensor, keys: number): Tensor {
  const missing = keys - (x.shape[2] ?? 0);
  const none = [0, 0] as const;
  return missing === 0 ? x : pad(x, [none, none, [0, missing], none]);
}

/** Positions `from … to` of [B, H, L, D]; x itself where that is all of it. */
function take(x: Tensor, from: number, to: number): Tensor {
  if (from === 0 && to === x.shape[2]) return x;
  return slice(x, { begin: [0, 0, from], size: [undefined, undefined, to - from] });
}

function maskOf(mask: Tensor, { from, to, keys }: Strip): Tensor {
  const outer = mask.shape.length - 2;
  const region = { begin: [from, 0], size: [to - from, keys] };
  const all = <V>(value: V) => Array.from({ length: outer }, () => value);
  return slice(mask, { begin: [...all(0), ...region.begin], size: [...all(undefined), ...region.size] });
}

/** −Infinity where a key comes after the row, [rows, keys]. */
function hiddenKeys({ device }: Tensor, { from, to, keys }: Strip): Tensor {
  const rows = Float32Array.from({ length: to - from }, (_, i) => from + i);
  const columns = Float32Array.from({ length: keys }, (_, j) => j);
  const after = greater(device.tensor(columns), device.tensor(rows, [to - from, 1]));
  return where(after, Number.NEGATIVE_INFINITY, 0);
}

/** out [B, L, H, D] from x [B, H, L, D] in f32. */
function storeSwapped(x: Tensor, out: Tensor): void {
  const strides = stridesOf(x.shape);
  const walk = { dims: out.shape, strides: SWAP.map((axis) => strides[axis] ?? 0), start: 0 };
  filledInF32(out, (target) => copyStrided(x, target, walk, 'attention'));
}
