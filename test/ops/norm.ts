import { batchNorm, batchNormInference, groupNorm, layerNorm } from '../../src/kernels/norm.ts';
import { type Input, normal, type OpCase, opCase, uniform, values } from './case.ts';
import { type Nd, nd } from './nd.ts';

const EPSILON = 1e-5;

interface Moments {
  readonly mean: number;
  readonly variance: number;
}

function momentsOf(list: readonly number[]): Moments {
  if (!list.every(Number.isFinite)) return { mean: Number.NaN, variance: Number.NaN };
  const mean = list.reduce((a, b) => a + b, 0) / list.length;
  return { mean, variance: list.reduce((a, b) => a + (b - mean) ** 2, 0) / list.length };
}

/** y = (x − mean)/√(variance + ε)·gamma + beta over the elements that share a key. */
function normalized(x: Nd, key: (flat: number) => number, gamma?: Nd, beta?: Nd): [Nd, Moments[]] {
  const cells: number[][] = [];
  for (const [i, value] of x.data.entries()) {
    const k = key(i);
    cells[k] ??= [];
    cells[k].push(value);
  }
  const moments = cells.map(momentsOf);
  const channels = x.shape.at(-1) ?? 1;
  const y = x.data.map((value, i) => {
    const { mean, variance } = moments[key(i)] as Moments;
    const c = i % channels;
    return ((value - mean) / Math.sqrt(variance + EPSILON)) * (gamma?.data[c] ?? 1) + (beta?.data[c] ?? 0);
  });
  return [nd(x.shape, y), moments];
}

function batchReference(x: Nd, gamma: Nd, beta: Nd): Nd[] {
  const channels = x.shape.at(-1) ?? 1;
  const [y, moments] = normalized(x, (i) => i % channels, gamma, beta);
  const mean = moments.map((m) => m.mean);
  return [
    y,
    nd([channels], mean),
    nd(
      [channels],
      moments.map((m) => m.variance),
    ),
  ];
}

type Affine = 'x' | 'gamma' | 'beta';

function batchCase(shape: readonly number[], more: Partial<OpCase<Affine>> = {}): OpCase {
  const channels = shape.slice(-1);
  return opCase<Affine>({
    name: `batchNorm [${shape}]`,
    inputs: { x: normal(shape), gamma: uniform(channels, 0.5, 2), beta: normal(channels) },
    op({ x, gamma, beta }) {
      const { y, mean, variance } = batchNorm(x, gamma, beta);
      return [y, mean, variance];
    },
    reference: ({ x, gamma, beta }) => batchReference(x, gamma, beta),
    bytes: 12 * shape.reduce((a, b) => a * b, 1),
    ...more,
  });
}

function inferenceCase(shape: readonly number[], more: Partial<OpCase> = {}): OpCase {
  const channels = shape.slice(-1);
  return opCase({
    name: `batchNormInference [${shape}]`,
    inputs: {
      x: normal(shape),
      mean: normal(channels),
      variance: uniform(channels, 0.5, 2),
      gamma: uniform(channels, 0.5, 2),
      beta: normal(channels),
    },
    op: ({ x, mean, variance, gamma, beta }) => batchNormInference(x, mean, variance, gamma, beta),
    reference({ x, mean, variance, gamma, beta }) {
      const at = (tensor: Nd, i: number) => tensor.data[i % (shape.at(-1) ?? 1)] ?? 0;
      const y = x.data.map(
        (value, i) =>
          ((value - at(mean, i)) / Math.sqrt(at(variance, i) + EPSILON)) * at(gamma, i) + at(beta, i),
      );
      return nd(x.shape, y);
    },
    ...(more as object),
  });
}

function layerCase(shape: readonly number[], more: Partial<OpCase<Affine>> = {}): OpCase {
  const channels = shape.at(-1) ?? 1;
  return opCase<Affine>({
    name: `layerNorm [${shape}]`,
    inputs: { x: normal(shape), gamma: uniform([channels], 0.5, 2), beta: normal([channels]) },
    op: ({ x, gamma, beta }) => layerNorm(x, gamma, beta),
    reference: ({ x, gamma, beta }) => normalized(x, (i) => Math.floor(i / channels), gamma, beta)[0],
    bytes: 8 * shape.reduce((a, b) => a * b, 1),
    ...more,
  });
}

/** Number of the cell of element i: its sample and group. */
function cellOf(shape: readonly number[], groups: number): (i: number) => number {
  const channels = shape.at(-1) ?? 1;
  const perSample = shape.slice(1).reduce((a, b) => a * b, 1);
  return (i) => Math.floor(i / perSample) * groups + Math.floor((i % channels) / (channels / groups));
}

function groupCase(shape: readonly number[], groups: number, more: Partial<OpCase<Affine>> = {}): OpCase {
  const channels = shape.slice(-1);
  return opCase<Affine>({
    name: `groupNorm [${shape}] groups ${groups}`,
    inputs: { x: normal(shape), gamma: uniform(channels, 0.5, 2), beta: normal(channels) },
    op: ({ x, gamma, beta }) => groupNorm(x, gamma, beta, { groups }),
    reference: ({ x, gamma, beta }) => normalized(x, cellOf(shape, groups), gamma, beta)[0],
    ...more,
  });
}

/** Far from zero: naive Σ x² − (Σ x)² loses all digits here. */
function offset(shape: readonly number[]): Input {
  return { shape, dtype: 'f32', value: (next) => 5000 + next() };
}

function far(shape: readonly number[]) {
  const channels = shape.slice(-1);
  return { x: offset(shape), gamma: uniform(channels, 0.5, 2), beta: normal(channels) };
}

/** Means that are not near zero, which relative errors are measured against. */
function positive(shape: readonly number[]) {
  const channels = shape.slice(-1);
  return { x: uniform(shape, 0, 3), gamma: uniform(channels, 0.5, 2), beta: normal(channels) };
}

/** Neighbours that differ by one or more: the variance of two nearly equal numbers would be mostly rounding. */
const apart = values([65_537, 2], [0, 1, 3, -2, 5, 7, 4]);
const forwardOnly = { gradients: [] };
const special = values(
  [4, 4],
  [0, 1, 2, Number.NaN, 1, 2, Number.POSITIVE_INFINITY, 0, 3, 1, 2, 5, 7, 5, 3, 1],
);

export const cases: readonly OpCase[] = [
  batchCase([6, 8], { secondOrder: true }),
  batchCase([2, 3, 5], { secondOrder: true }),
  batchCase([20, 1]),
  batchCase([1, 4], { gradientTolerance: 1e-3 }),
  batchCase([2, 3, 2, 12]),
  batchCase([1000, 8], forwardOnly),
  batchCase([3000, 64], forwardOnly),
  batchCase([5000, 7], { ...forwardOnly, inputs: positive([5000, 7]) }),
  batchCase([700_000, 2], { ...forwardOnly, inputs: positive([700_000, 2]) }),
  batchCase([100, 8], {
    name: 'batchNorm far from zero [100, 8]',
    inputs: far([100, 8]),
    tolerance: 1e-3,
    ...forwardOnly,
  }),
  batchCase([4, 4], {
    name: 'batchNorm with NaN and Infinity [4, 4]',
    inputs: { x: special, gamma: normal([4]), beta: normal([4]) },
    ...forwardOnly,
  }),
  inferenceCase([6, 8], { secondOrder: true }),
  inferenceCase([2, 3, 5], { secondOrder: true }),
  inferenceCase([0, 4]),
  inferenceCase([2000, 24], forwardOnly),
  layerCase([5, 8], { secondOrder: true }),
  layerCase([2, 3, 7], { secondOrder: true }),
  layerCase([4, 1], { gradientTolerance: 1e-3 }),
  layerCase([0, 4]),
  layerCase([100, 64], forwardOnly),
  layerCase([33, 130], forwardOnly),
  layerCase([65, 260], forwardOnly),
  layerCase([3, 5000], forwardOnly),
  layerCase([65_537, 2], {
    ...forwardOnly,
    inputs: { ...positive([65_537, 2]), x: apart },
    large: true,
  }),
  layerCase([10, 64], {
    name: 'layerNorm far from zero [10, 64]',
    inputs: far([10, 64]),
    tolerance: 1e-3,
    gradientTolerance: 5e-3,
  }),
  layerCase([5, 264], {
    name: 'layerNorm far from zero in two blocks [5, 264]',
    inputs: far([5, 264]),
    tolerance: 1e-3,
    gradientTolerance: 5e-3,
  }),
  layerCase([4, 4], {
    name: 'layerNorm with NaN and Infinity [4, 4]',
    inputs: { x: special, gamma: normal([4]), beta: normal([4]) },
    ...forwardOnly,
  }),
  // Odd numbers of vectors, rows and blocks, and of chunks with a rest.
  layerCase([71, 12]),
  layerCase([9, 300]),
  opCase<'x'>({
    name: 'layerNorm without gamma and beta [9, 12]',
    inputs: { x: normal([9, 12]) },
    op: ({ x }) => layerNorm(x),
    reference: ({ x }) => normalized(x, (i) => Math.floor(i / 12))[0],
  }),
  opCase<'x'>({
    name: 'layerNorm without gamma and beta [3, 6]',
    inputs: { x: normal([3, 6]) },
    op: ({ x }) => layerNorm(x),
    reference: ({ x }) => normalized(x, (i) => Math.floor(i / 6))[0],
    secondOrder: true,
  }),
  opCase<'x' | 'beta'>({
    name: 'groupNorm with beta only [2, 3, 8] groups 2',
    inputs: { x: normal([2, 3, 8]), beta: normal([8]) },
    op: ({ x, beta }) => groupNorm(x, undefined, beta, { groups: 2 }),
    reference: ({ x, beta }) => normalized(x, cellOf([2, 3, 8], 2), undefined, beta)[0],
  }),
  groupCase([2, 3, 8], 2, { secondOrder: true }),
  groupCase([2, 2, 3, 6], 3, { secondOrder: true }),
  groupCase([3, 4], 1),
  groupCase([2, 5, 4], 4),
  groupCase([0, 3, 4], 2),
  groupCase([2, 8, 8, 32], 8, forwardOnly),
  groupCase([2, 300, 12], 4, forwardOnly),
  groupCase([40, 3, 16], 4, forwardOnly),
];
