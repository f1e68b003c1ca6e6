import { attention } from '../../src/kernels/attention.ts';
import { mul } from '../../src/kernels/elementwise.ts';
import { type Input, normal, type OpCase, opCase, values } from './case.ts';
import { at, fill, type Nd } from './nd.ts';

interface Options {
  readonly causal?: boolean;
  readonly scale?: number;
}

type Name = 'q' | 'k' | 'v' | 'mask';

function reference(
  { q, k, v, mask }: { readonly q: Nd; readonly k: Nd; readonly v: Nd; readonly mask?: Nd | undefined },
  { causal = false, scale = 1 / Math.sqrt(q.shape[3] ?? 1) }: Options,
): Nd {
  const [batches = 0, rows = 0, heads = 0, d = 0] = q.shape;
  const keys = k.shape[1] ?? 0;
  const maskAt = (b: number, h: number, i: number, j: number) => {
    if (!mask) return 0;
    if (mask.shape.length === 2) return at(mask, i, j);
    return at(mask, mask.shape[0] === 1 ? 0 : b, mask.shape[1] === 1 ? 0 : h, i, j);
  };
  const weights = fill([batches, heads, rows, keys], (b = 0, h = 0, i = 0, j = 0) => {
    const [query, key] = [((b * rows + i) * heads + h) * d, ((b * keys + j) * heads + h) * d];
    let s = 0;
    for (let c = 0; c < d; c++) s += (q.data[query + c] ?? 0) * (k.data[key + c] ?? 0);
    return causal && j > i ? Number.NEGATIVE_INFINITY : s * scale + maskAt(b, h, i, j);
  });
  for (let row = 0; row < batches * heads * rows; row++)
    softmaxInPlace(weights.data.subarray(row * keys, (row + 1) * keys));
  return fill(q.shape, (b = 0, i = 0, h = 0, c = 0) => {
    const row = ((b * heads + h) * rows + i) * keys;
    let o = 0;
    for (let j = 0; j < keys; j++)
      o += (weights.data[row + j] ?? 0) * (v.data[((b * keys + j) * heads + h) * d + c] ?? 0);
    return o;
  });
}

/** A row without any key gives 0. */
function softmaxInPlace(row: Float64Array): void {
  const most = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (most === Number.NEGATIVE_INFINITY) {
    row.fill(0);
    return;
  }
  const total = row.reduce((sum, s) => sum + Math.exp(s - most), 0);
  for (let j = 0; j < row.length; j++) row[j] = Math.exp((row[j] ?? 0) - most) / total;
}

/** q [B, Lq, H, D], k and v [B, Lk, H, D]. */
function qkv([b = 1, rows = 1, keys = 1, h = 1, d = 1]: readonly number[]) {
  return { q: normal([b, rows, h, d]), k: normal([b, keys, h, d]), v: normal([b, keys, h, d]) };
}

/** `dims` is [B, Lq, Lk, H, D]. */
function attentionCase(
  dims: readonly number[],
  options: Options = {},
  more: Partial<OpCase<'q' | 'k' | 'v'>> = {},
): OpCase {
  const [b = 1, rows = 1, keys = 1, h = 1, d = 1] = dims;
  const extra = Object.entries(options).map(([name, value]) => ` ${name} ${value}`);
  return opCase<'q' | 'k' | 'v'>({
    name: `attention B ${b} Lq ${rows} Lk ${keys} H ${h} D ${d}${extra.join('')}`,
    inputs: qkv(dims),
    op: ({ q, k, v }) => attention(q, k, v, options),
    reference: (inputs) => reference(inputs, options),
    flops: 4 * b * h * rows * keys * d,
    ...more,
  });
}

function maskedCase(
  dims: readonly number[],
  mask: Input,
  options: Options = {},
  more: Partial<OpCase<Name>> = {},
): OpCase {
  return opCase<Name>({
    name: `attention [${dims}] mask [${mask.shape}]${options.causal ? ' causal' : ''}`,
    inputs: { ...qkv(dims), mask },
    op: ({ q, k, v, mask }) => attention(q, k, v, { ...options, mask }),
    reference: (inputs) => reference(inputs, options),
    ...more,
  });
}

const scaledBy = (x: Nd, factors: Nd): Nd => ({
  ...x,
  data: x.data.map((value, i) => value * (factors.data[i % factors.data.length] ?? 0)),
});

/** With so many rows and keys, gradients of all of q and k would take minutes: factors of their columns stand for them. */
function inTwoStrips(): OpCase {
  return opCase<'q' | 'k' | 'v' | 'ofQ' | 'ofK'>({
    name: 'attention in two strips',
    inputs: { ...qkv([1, 700, 1600, 1, 2]), ofQ: normal([2]), ofK: normal([2]) },
    op: ({ q, k, v, ofQ, ofK }) => attention(mul(q, ofQ), mul(k, ofK), v),
    reference: ({ q, k, v, ofQ, ofK }) => reference({ q: scaledBy(q, ofQ), k: scaledBy(k, ofK), v }, {}),
    gradients: ['ofQ', 'ofK'],
    linear: ['v'],
    large: true,
  });
}

const inf = Number.POSITIVE_INFINITY;
const forwardOnly = { gradients: [] };

export const cases: readonly OpCase[] = [
  attentionCase([2, 3, 5, 2, 4], {}, { secondOrder: true }),
  attentionCase([1, 5, 5, 2, 16], { causal: true }, { secondOrder: true }),
  attentionCase([1, 4, 3, 1, 7], { scale: 0.3 }, { secondOrder: true }),
  attentionCase([2, 1, 1, 1, 1]),
  attentionCase([1, 6, 2, 2, 3], { causal: true }),
  attentionCase([1, 2, 6, 1, 16], { causal: true }),
  attentionCase([0, 3, 3, 2, 4]),
  attentionCase([1, 0, 3, 2, 4]),
  attentionCase([1, 3, 0, 2, 4]),
  attentionCase([1, 37, 41, 1, 2], {}, { gradientTolerance: 1e-3 }),
  attentionCase([2, 70, 67, 2, 16], { causal: true }, forwardOnly),
  attentionCase([1, 100, 90, 2, 32], {}, forwardOnly),
  attentionCase([1, 20, 40, 1, 64], { causal: true }, forwardOnly),
  attentionCase([1, 9, 11, 1, 128], {}, forwardOnly),
  attentionCase([1, 4, 6, 1, 132], {}, forwardOnly),
  attentionCase([1, 256, 256, 4, 64], {}, forwardOnly), // scores in tiles of 64 columns on SwiftShader
  attentionCase([1, 133, 3, 1, 2]),
  inTwoStrips(),
  attentionCase(
    [1, 130, 131, 1, 1],
    { causal: true },
    { name: 'causal attention in two strips', gradientTolerance: 1e-3 },
  ),
  attentionCase([1, 40, 3, 1, 100], {}, forwardOnly),
  attentionCase([1, 9, 40, 2, 16], { scale: 40 }, { name: 'attention with large scores', ...forwardOnly }),
  maskedCase([2, 3, 4, 2, 4], normal([3, 4]), {}, { secondOrder: true }),
  maskedCase([2, 3, 4, 2, 4], normal([2, 2, 3, 4])),
  maskedCase([2, 3, 4, 2, 4], normal([1, 2, 3, 4])),
  maskedCase([2, 3, 4, 2, 4], normal([2, 1, 3, 4]), { causal: true }),
  maskedCase([2, 35, 19, 2, 16], normal([2, 1, 35, 19]), {}, forwardOnly),
  maskedCase(
    [1, 3, 4, 2, 4],
    values([3, 4], [0, -inf, 0, -inf, -inf, -inf, -inf, -inf, 0, 0, 0, -inf]),
    {},
    {
      name: 'attention with hidden keys and a row without any',
      gradients: ['q', 'k', 'v'],
      secondOrder: true,
    },
  ),
  maskedCase(
    [1, 4, 5, 1, 4],
    values([4, 5], [0, 0, Number.NaN, 0, 0, 0, 0, inf, 0, 0, 0, -inf]),
    {},
    {
      name: 'attention with NaN and Infinity in the mask',
      ...forwardOnly,
    },
  ),
];
