import { check } from '../errors.ts';
import { formatShape, type Spec, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  type AttentionAttrs,
  type AttentionInputs,
  attentionVariants,
  launchAttention,
} from './attention-launch.ts';
import { attentionInStrips, stripGradOp } from './attention-strips.ts';
import { add, mul, sub } from './elementwise.ts';
import { ofType } from './elementwise-cast.ts';
import { pad, slice, transpose } from './layout.ts';
import { matmul } from './matmul.ts';
import { checkFloats, checkTensors, defineOp, f32, isTracked, like } from './op.ts';
import { sum, sumTo } from './reduce.ts';
import { run } from './run.ts';
import { maskedSoftmax } from './softmax.ts';
import { attentionWgsl } from './wgsl.gen.ts';

export { type AttentionVariant, attentionVariants } from './attention-launch.ts';

export interface AttentionOptions {
  /** f32, added to the scores: [Lq, Lk] or [1 or B, 1 or H, Lq, Lk]; −Infinity hides a key. */
  readonly mask?: Tensor | undefined;
  /** Row i sees the keys 0 … i only. */
  readonly causal?: boolean;
  /** Factor of the scores: 1/√D by default. */
  readonly scale?: number;
}

type Inputs = { q: Tensor; k: Tensor; v: Tensor; mask: Tensor | undefined };

const streamingOp = defineOp<Inputs, AttentionAttrs, [Spec, Spec]>({
  name: 'attention',
  outputs({ q }) {
    const [batch = 0, rows = 0, heads = 0] = q.shape;
    return [like(q), f32([batch, heads, rows])];
  },
  forward(inputs, [first, stats], attrs) {
    launchAttention('forward', inputs, { first, stats }, attrs);
  },
  gradient({ inputs, outputs: [o, lse], grads: [upstream], attrs }) {
    const { q, k, v, mask } = inputs;
    const g = upstream as Tensor;
    const whole = formula(inputs, g, attrs);
    if (isTracked(q, k, v, mask, g)) return whole;
    return { ...fused(inputs, g, { o, lse }, attrs), mask: whole.mask };
  },
});

const stripsOp = defineOp<Inputs, AttentionAttrs, [Spec]>({
  name: 'attention',
  outputs: ({ q }) => [like(q)],
  forward: (inputs, [out], attrs) => attentionInStrips(inputs, out, attrs),
  reads: ({ q, k, v, mask }) => [q, k, v, mask],
  gradient({ inputs, grads: [upstream], attrs }) {
    const { q, k, v, mask } = inputs;
    const g = upstream as Tensor;
    const whole = formula(inputs, g, attrs);
    if (isTracked(q, k, v, mask, g)) return whole;
    const all = once(() => stripGradOp({ ...inputs, g }, attrs));
    return { q: () => all()[0], k: () => all()[1], v: () => all()[2], mask: whole.mask };
  },
});

function fused(
  { q, k, v, mask }: AttentionInputs,
  g: Tensor,
  { o, lse }: { o: Tensor; lse: Tensor },
  attrs: AttentionAttrs,
) {
  const stats = once(() => rowStatsOp({ o, g, lse }, {})[0]);
  const keys = once(() => keyGradOp({ q, k, v, mask, g, stats: stats() }, attrs));
  return {
    q: () => queryGradOp({ q, k, v, mask, g, stats: stats() }, attrs)[0],
    k: () => keys()[0],
    v: () => keys()[1],
  };
}

/** The gradients in differentiable ops, through matrices of all scores. */
function formula({ q, k, v, mask }: AttentionInputs, g: Tensor, { causal, scale }: AttentionAttrs) {
  const heads = (x: Tensor) => transpose(x, [0, 2, 1, 3]);
  const scores = () => {
    const products = mul(matmul(heads(q), heads(k), { transposeB: true }), scale);
    const masked = mask ? add(products, mask) : products;
    return causal ? add(masked, causalMask(q, k)) : masked;
  };
  const p = once(() => maskedSoftmax(scores()));
  const ds = once(() => {
    const dp = matmul(heads(g), heads(v), { transposeB: true });
    return mul(p(), sub(dp, sum(mul(dp, p()), { axes: [-1], keepDims: true })));
  });
  return {
    q: () => heads(mul(matmul(ds(), heads(k)), scale)),
    k: () => heads(mul(matmul(ds(), heads(q), { transposeA: true }), scale)),
    v: () => heads(matmul(p(), heads(g), { transposeA: true })),
    mask: mask && (() => sumTo(ds(), mask.shape)),
  };
}

/** −Infinity above the diagonal of [Lq, Lk]. */
function causalMask(q: Tensor, k: Tensor): Tensor {
  const [rows = 0, keys = 0] = [q.shape[1], k.shape[1]];
  const hidden = (_: unknown, i: number) => (i % keys > Math.floor(i / keys) ? Number.NEGATIVE_INFINITY : 0);
  const table = q.device.tensor(Float32Array.from({ length: rows * keys }, hidden), [rows, keys]);
  return ofType(table, q.dtype);
}

function once<R>(compute: () => R): () => R {
  let known: { readonly value: R } | undefined;
  return () => {
    known ??= { value: compute() };
    return known.value;
  };
}

/** (lse, Σ do·o) of each row [B, H, Lq, 2]: what both gradient passes need. */
const rowStatsOp = defineOp<{ o: Tensor; g: Tensor; lse: Tensor }, object, [Spec]>({
  name: 'attentionStats',
  outputs: ({ lse }) => [f32([...lse.shape, 2])],
  forward({ o, g, lse }, [statsOut]) {
    const [batch = 0, rows = 0, heads = 0, d = 0] = o.shape;
    const tensors = { result: o, upstream: g, savedLse: lse, statsOut };
    const groups = Math.ceil((batch * rows * heads) / 64);
    run(attentionWgsl, 'rowStats', tensors, { batch, rows, heads, quads: d / 4 }, { groups });
  },
});

type GradInputs = Inputs & { g: Tensor; stats: Tensor };

const queryGradOp = defineOp<GradInputs, AttentionAttrs, [Spec]>({
  name: 'attentionQueryGrad',
  outputs: ({ q }) => [like(q)],
  forward({ g, stats, ...inputs }, [first], attrs) {
    launchAttention('queryGrad', { ...inputs, upstream: g }, { stats, first }, attrs);
  },
});

const keyGradOp = defineOp<GradInputs, AttentionAttrs, [Spec, Spec]>({
  name: 'attentionKeyGrad',
  outputs: ({ k }) => [like(k), like(k)],
  forward({ g, stats, ...inputs }, [first, second], attrs) {
    launchAttention('keyGrad', { ...inputs, upstream: g }, { stats, first, second }, attrs);
  },
});

/**
 * Scaled dot-product attention: `o_i = Σ_j softmax_j(scale·(q_i · k_j) + mask_ij)·v_j` for each sample and head.
 * q [B, Lq, H, D], k and v [B, Lk, H, D] → [B, Lq, H, D]. On a GPU neither pass stores scores where D ≤ 128; else it holds those
 * of at most 128 rows of each head at a time. The gradient of the mask and gradients of gradients hold all. A row that sees no key gives 0, one with NaN or +Infinity
 * among its scores NaN. Throws `ShapeError` for other shapes or dtypes. Online softmax: Dao et al. 2022.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const { mask, causal = false } = options;
  checkTensors('attention', { q, k, v });
  checkAttention(q, k, v, mask);
  const d = q.shape[3] ?? 0;
  const attrs = { causal, scale: options.scale ?? 1 / Math.sqrt(d) };
  const { variants, traits } = q.device;
  if (variants.choose('attention', attentionVariants(d, traits)) === 'strips')
    return stripsOp({ q, k, v, mask }, attrs)[0];
  const missing = (4 - (d % 4)) % 4;
  if (missing === 0) return streamingOp({ q, k, v, mask }, attrs)[0];
  const widen = (x: Tensor) =>
    pad(x, [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, missing],
    ]);
  const [wide] = streamingOp({ q: widen(q), k: widen(k), v: widen(v), mask }, attrs);
  return slice(wide, { size: q.shape });
}

function checkAttention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | undefined): void {
  const op = 'attention';
  checkFloats(op, { q, k, v, mask });
  for (const [name, x] of Object.entries({ q, k, v })) {
    check(x.shape.length === 4, op, () => `${name} must be [B, L, H, D]; got ${formatShape(x.shape)}`);
  }
  const [b = 0, rows = 0, h = 0, d = 0] = q.shape;
  const keys = k.shape[1] ?? 0;
  check(d >= 1, op, () => `D must be at least 1; got ${formatShape(q.shape)}`);
  const fits = sameShape(k.shape, [b, keys, h, d]) && sameShape(v.shape, k.shape);
  check(
    fits,
    op,
    () =>
      `k and v must be [${b}, Lk, ${h}, ${d}] for q ${formatShape(q.shape)}; ` +
      `got ${formatShape(k.shape)} and ${formatShape(v.shape)}`,
  );
  if (mask) checkMask(mask, { b, h, rows, keys });
}

function checkMask(
  mask: Tensor,
  { b, h, rows, keys }: { b: number; h: number; rows: number; keys: number },
): void {
  const [batches = 0, heads = 0] = mask.shape.length === 4 ? mask.shape : [1, 1];
  const fits =
    (mask.shape.length === 2 || mask.shape.length === 4) &&
    sameShape(mask.shape.slice(-2), [rows, keys]) &&
    (batches === 1 || batches === b) &&
    (heads === 1 || heads === h);
  check(
    fits,
    'attention',
    () =>
      `mask must be [${rows}, ${keys}] or [1 or ${b}, 1 or ${h}, ${rows}, ${keys}]; got ${formatShape(mask.shape)}`,
  );
}
