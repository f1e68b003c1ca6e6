import { crossEntropy, klDiv } from '../../src/kernels/loss.ts';
import { logSoftmax, softmax } from '../../src/kernels/softmax.ts';
import { integers, normal, type OpCase, opCase, uniform, values } from './case.ts';
import { type Nd, nd } from './nd.ts';

type Reduction = 'mean' | 'sum' | 'none';

function crossEntropies(logits: Nd, labels: Nd, smoothing: number): Nd {
  const n = logits.shape.at(-1) ?? 1;
  return nd(
    labels.shape,
    [...labels.data].map((label, row) => {
      const x = logits.data.slice(row * n, (row + 1) * n);
      if (label < 0 || label >= n) return Number.NaN;
      const most = x.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const total = x.reduce((sum, v) => sum + Math.exp(v - most), 0);
      const minusLog = (j: number) => Math.log(total) - ((x[j] ?? 0) - most);
      let loss = (1 - smoothing) * minusLog(label);
      if (smoothing > 0) for (let j = 0; j < n; j++) loss += (smoothing / n) * minusLog(j);
      return loss;
    }),
  );
}

function reduced({ shape, data }: Nd, reduction: Reduction | 'batchMean'): Nd {
  if (reduction === 'none') return nd(shape, data);
  const total = data.reduce((a, b) => a + b, 0);
  return nd([], [reduction === 'sum' ? total : total / data.length]);
}

function entropyCase(
  shape: readonly number[],
  labelSmoothing: number,
  reduction: Reduction,
  more: Partial<OpCase<'logits' | 'labels'>> = {},
): OpCase {
  return opCase<'logits' | 'labels'>({
    name: `crossEntropy [${shape}] smoothing ${labelSmoothing} ${reduction}`,
    inputs: { logits: normal(shape), labels: integers(shape.slice(0, -1), 0, shape.at(-1) ?? 1) },
    op: ({ logits, labels }) => crossEntropy(logits, labels, { labelSmoothing, reduction }),
    reference: ({ logits, labels }) => reduced(crossEntropies(logits, labels, labelSmoothing), reduction),
    bytes: 4 * shape.reduce((a, b) => a * b, 1),
    ...more,
  });
}

function divergences(input: Nd, target: Nd, logTarget: boolean): Nd {
  const n = input.shape.at(-1) ?? 1;
  const out = nd(input.shape.slice(0, -1));
  for (const [i, t] of target.data.entries()) {
    const probability = logTarget ? Math.exp(t) : t;
    if (probability === 0) continue;
    const row = Math.floor(i / n);
    out.data[row] =
      (out.data[row] ?? 0) + probability * ((logTarget ? t : Math.log(t)) - (input.data[i] ?? 0));
  }
  return out;
}

function divergenceCase(
  shape: readonly number[],
  logTarget: boolean,
  reduction: 'batchMean' | 'sum' | 'none',
  more: Partial<OpCase<'input' | 'target'>> = {},
): OpCase {
  return opCase<'input' | 'target'>({
    name: `klDiv [${shape}] ${logTarget ? 'logTarget ' : ''}${reduction}`,
    inputs: {
      input: uniform(shape, -3, 0),
      target: logTarget ? uniform(shape, -3, 0) : uniform(shape, 0.05, 1),
    },
    op: ({ input, target }) => klDiv(input, target, { logTarget, reduction }),
    reference: ({ input, target }) => reduced(divergences(input, target, logTarget), reduction),
    secondOrder: true,
    ...more,
  });
}

const inf = Number.POSITIVE_INFINITY;

export const cases: readonly OpCase[] = [
  entropyCase([4, 8], 0, 'mean', { secondOrder: true }),
  entropyCase([5, 7], 0.1, 'sum', { secondOrder: true }),
  entropyCase([2, 3, 5], 0.1, 'none', { secondOrder: true }),
  entropyCase([3, 1], 0, 'none'),
  entropyCase([6, 12], 1, 'mean'),
  entropyCase([0, 4], 0, 'none'),
  entropyCase([200, 60], 0.1, 'none', { gradients: [] }),
  entropyCase([3, 5001], 0.1, 'none', { gradients: [] }),
  entropyCase([2, 10_000], 0, 'none', { gradients: [] }),
  entropyCase([65_537, 3], 0, 'none', { gradients: [], large: true }),
  entropyCase([4, 8], 0, 'mean', {
    name: 'crossEntropy of logits up to 1e4 [4, 8]',
    inputs: { logits: uniform([4, 8], -1e4, 1e4), labels: integers([4], 0, 8) },
  }),
  entropyCase([6, 4], 0, 'none', {
    name: 'crossEntropy with labels out of range is NaN [6, 4]',
    inputs: {
      logits: normal([6, 4]),
      labels: values([6], [0, -1, 3, 4, 2_000_000_000, -2_000_000_000], 'i32'),
    },
    gradients: [],
  }),
  entropyCase([4, 4], 0, 'none', {
    name: 'crossEntropy with masked, infinite and NaN logits [4, 4]',
    inputs: {
      logits: values([4, 4], [0, -inf, 1, 2, -inf, -inf, -inf, -inf, 1, inf, 0, 0, Number.NaN, 1, 2, 3]),
      labels: values([4], [2, 0, 0, 1], 'i32'),
    },
    gradients: [],
  }),
  divergenceCase([3, 4], false, 'batchMean'),
  divergenceCase([3, 4], true, 'sum'),
  divergenceCase([2, 3, 5], false, 'none'),
  divergenceCase([2, 3, 5], true, 'none'),
  divergenceCase([7], true, 'none'),
  divergenceCase([0, 4], false, 'none', { secondOrder: false }),
  divergenceCase([50, 33], false, 'batchMean', { gradients: [], secondOrder: false }),
  divergenceCase([2, 3], false, 'none', {
    name: 'klDiv with zero probabilities [2, 3]',
    inputs: { input: normal([2, 3]), target: values([2, 3], [0, 0.5, 0.5, 0, 0, 1]) },
    gradients: ['input'],
  }),
  divergenceCase([2, 3], true, 'none', {
    name: 'klDiv with log-probabilities of -Infinity [2, 3]',
    inputs: { input: normal([2, 3]), target: values([2, 3], [-inf, -1, -1, -inf, -inf, 0]) },
    gradients: ['input'],
    secondOrder: false,
  }),
  opCase<'p' | 'q'>({
    name: 'klDiv of two softmaxes is never negative [6, 9]',
    inputs: { p: normal([6, 9]), q: normal([6, 9]) },
    op: ({ p, q }) => klDiv(logSoftmax(q), softmax(p), { reduction: 'none' }),
    reference: ({ p, q }) => divergences(logSoftmaxOf(q), mapExp(logSoftmaxOf(p)), false),
    property: ([y]) => (y?.data.every((value) => value >= 0) ? undefined : 'is negative'),
    tolerance: 1e-4,
  }),
];

function logSoftmaxOf(x: Nd): Nd {
  const n = x.shape.at(-1) ?? 1;
  return nd(
    x.shape,
    x.data.map((value, i) => {
      const row = x.data.slice(Math.floor(i / n) * n, (Math.floor(i / n) + 1) * n);
      return value - Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0));
    }),
  );
}

function mapExp(x: Nd): Nd {
  return nd(x.shape, x.data.map(Math.exp));
}
