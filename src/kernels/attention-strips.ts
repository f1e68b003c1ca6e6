import type { Spec } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { AttentionAttrs, AttentionInputs } from './attention-launch.ts';
import { add, greater, mul, where } from './elementwise.ts';
import { filledInF32, ofType } from './elementwise-cast.ts';
import { zerosLike } from './fill.ts';
import { slice } from './layout.ts';
import { multiply } from './matmul-launch.ts';
import type { BatchAxes, Rows } from './matmul-product.ts';
import { defineOp, like, unrecorded } from './op.ts';
import { maskedSoftmax, softmaxGrad } from './softmax.ts';
import { accumulateUpdate } from './update.ts';

/** Rows `from … to` of all heads, which see the first `keys` keys. */
interface Strip {
  readonly from: number;
  readonly to: number;
  readonly keys: number;
}

const FEWEST_ROWS = 16;
/** Rows of a strip where that keeps its scores within 16 MiB. More as long as 4 MiB hold them, but not where strips see different keys. */
const USUAL_ROWS = 128;
const MOST_SCORES = 2 ** 22;
const FEW_SCORES = 2 ** 20;
/** How the rows are cut, so that memory grows with Lq + Lk and not with their product; pure. */
export function stripsOf(
  [batch = 0, rows = 0, heads = 0]: readonly number[],
  keys: number,
  causal: boolean,
): Strip[] {
  const fitting = (scores: number) =>
    Math.floor(scores / Math.max(1, batch * heads * keys) / FEWEST_ROWS) * FEWEST_ROWS;
  const usual = Math.min(USUAL_ROWS, Math.max(FEWEST_ROWS, fitting(MOST_SCORES)));
  const height = causal ? usual : Math.max(usual, fitting(FEW_SCORES));
  return Array.from({ length: Math.ceil(rows / height) }, (_, i) => {
    const [from, to] = [i * height, Math.min((i + 1) * height, rows)];
    return { from, to, keys: causal ? Math.min(to, keys) : keys };
  });
}

/** Attention by products of matrices, strip by strip. */
export function attentionInStrips(inputs: AttentionInputs, out: Tensor, attrs: AttentionAttrs): void {
  const { device } = out;
  unrecorded(device, () => {
    const floats = scaledInF32(inputs, attrs);
    const strips = stripsOf(inputs.q.shape, inputs.k.shape[1] ?? 0, attrs.causal);
    filledInF32(out, (y) => {
      for (const strip of strips) {
        device.scope(() => {
          const weights = scoresOf(weightsOf(floats, strip, attrs));
          product(weights, headsOf(floats.v, 0, strip.keys), headsOf(y, strip.from, strip.to));
        });
      }
    });
  });
}

interface Upstream extends AttentionInputs {
  readonly [name: string]: Tensor | undefined;
  readonly g: Tensor;
}

/** (dq, dk, dv) of attention in strips, with the weights computed anew. */
export const stripGradOp = defineOp<Upstream, AttentionAttrs, [Spec, Spec, Spec]>({
  name: 'attentionGrad',
  outputs: ({ q, k, v }) => [like(q), like(k), like(v)],
  forward({ g, ...inputs }, [dq, dk, dv], attrs) {
    unrecorded(g.device, () => {
      const floats = { ...scaledInF32(inputs, attrs), g: ofType(g, 'f32') };
      filledInF32(dq, (q) =>
        filledInF32(dk, (k) => filledInF32(dv, (v) => fill(floats, { q, k, v }, attrs))),
      );
    });
  },
});

interface Gradients {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

function fill(floats: Upstream, gradients: Gradients, attrs: AttentionAttrs): void {
  const { q, k, v } = gradients;
  const strips = stripsOf(q.shape, k.shape[1] ?? 0, attrs.causal);
  const unscaled = q.device.allocate(q.shape, 'f32', 'attention');
  for (const strip of strips) {
    q.device.scope(() => addGradients(floats, { ...gradients, q: unscaled }, strip, attrs));
  }
  accumulateUpdate(q, unscaled, { scale: attrs.scale, fresh: 1 });
  if (strips.length === 0) for (const sum of [k, v]) accumulateUpdate(sum, zerosLike(sum), { fresh: 1 });
}

/** Stores the rows of dq that belong to a strip, and adds to dk and dv what comes from it. */
function addGradients(floats: Upstream, gradients: Gradients, strip: Strip, attrs: AttentionAttrs): void {
  const { from, to, keys } = strip;
  const p = weightsOf(floats, strip, attrs);
  const [q, g] = [headsOf(floats.q, from, to), headsOf(floats.g, from, to)];
  const [k, v] = [headsOf(floats.k, 0, keys), headsOf(floats.v, 0, keys)];
  const dp = p.device.allocate(p.shape, 'f32', 'attention');
  product(g, v, scoresOf(dp), { transposeB: true });
  const ds = scoresOf(softmaxGrad(p, dp));
  product(ds, k, headsOf(gradients.q, from, to));
  addTransposed(ds, q, gradients.k, strip);
  addTransposed(scoresOf(p), g, gradients.v, strip);
}

/** sum += scoresᵀ · rows for the keys that a strip sees; at the first strip, sum is that. */
function addTransposed(scores: Matrices, rows: Matrices, sum: Tensor, { from, keys }: Strip): void {
  const sees = keys === sum.shape[1];
  if (from === 0 && sees) {
    product(scores, rows, headsOf(sum, 0, keys), { transposeA: true });
    return;
  }
  const part = sees ? sum.device.allocate(sum.shape, 'f32', 'attention') : zerosLike(sum);
  product(scores, rows, headsOf(part, 0, keys), { transposeA: true });
  accumulateUpdate(sum, part, { fresh: Number(from === 0) });
}

/** With q scaled, in f32 so that scores are: f16 has too few digits for large ones. */
function scaledInF32({ q, k, v, mask }: AttentionInputs, { scale }: AttentionAttrs): AttentionInputs {
  const [query, key, value] = [q, k, v].map((x) => ofType(x, 'f32')) as [Tensor, Tensor, Tensor];
  return { q: mul(query, scale), k: key, v: value, mask: mask && ofType(mask, 'f32') };
}

/** `softmax(q·kᵀ + mask)` of a strip, [B, H, rows, keys]. */
function weightsOf({ q, k, mask }: AttentionInputs, strip: Strip, { causal }: AttentionAttrs): Tensor {
  const { device } = q;
  return device.scope(() => {
    const [batch = 0, , heads = 0] = q.shape;
    const scores = device.allocate([batch, heads, strip.to - strip.from, strip.keys], 'f32', 'attention');
    product(headsOf(q, strip.from, strip.to), headsOf(k, 0, strip.keys), scoresOf(scores), {
      transposeB: true,
    });
    const masked = mask ? add(scores, maskOf(mask, strip)) : scores;
    return maskedSoftmax(causal ? add(masked, hiddenKeys(q, strip)) : masked);
  });
}

/** A matrix for each head of each batch, and where they lie in a tensor. */
interface Matrices {
  readonly x: Tensor;
  readonly rows: number;
  readonly columns: number;
  readonly batch: BatchAxes;
  readonly layout: Rows & { readonly strides: BatchAxes };
}

/** The matrices [to − from, D] in x [B, L, H, D]. */
function headsOf(x: Tensor, from: number, to: number): Matrices {
  const [batch = 0, length = 0, heads = 0, columns = 0] = x.shape;
  const row = heads * columns;
  const layout = { start: from * row, row, strides: [0, length * row, columns] } as const;
  return { x, rows: to - from, columns, batch: [1, batch, heads], layout };
}

/** The matrices in x [B, H, rows, keys]. */
function scoresOf(x: Tensor): Matrices {
  const [batch = 0, heads = 0, rows = 0, columns = 0] = x.shape;
  const size = rows * columns;
  const layout = { start: 0, row: columns, strides: [0, heads * size, size] } as const;
  return { x, rows, columns, batch: [1, batch, heads], layout };
}

/** out = a · b, matrix by matrix. */
function product(
  a: Matrices,
  b: Matrices,
  out: Matrices,
  { transposeA = false, transposeB = false } = {},
): void {
  const { rows: m, columns: n, batch } = out;
  const k = transposeA ? a.rows : a.columns;
  const layouts = { aRows: a.layout, bRows: b.layout, outRows: out.layout };
  const strides = { aStrides: a.layout.strides, bStrides: b.layout.strides };
  const how = { m, n, k, transposeA, transposeB, batch, ...strides, sumBatches: false, ...layouts };
  multiply(a.x, b.x, out.x, how, { activation: 0, slope: 0 });
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
