import { type Activation, type MatmulOptions, matmul } from '../../src/kernels/matmul.ts';
import { normal, type OpCase, opCase, uniform, values } from './case.ts';
import { indices, type Nd, nd, offset } from './nd.ts';

type Options = Omit<MatmulOptions, 'bias' | 'residual'>;
type Shape = readonly number[];
type Extra = Partial<
  Pick<OpCase<'a' | 'b'>, 'linear' | 'gradients' | 'secondOrder' | 'forced' | 'flops' | 'bytes'>
>;

const ACTIVATIONS: Record<Activation, (x: number) => number> = {
  none: (x) => x,
  relu: (x) => Math.max(x, 0),
  leakyRelu: (x) => (x < 0 ? 0.01 * x : x),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  tanh: Math.tanh,
  gelu: (x) => x * normalCdf(x),
  silu: (x) => x / (1 + Math.exp(-x)),
};

/** Φ(x) by the trapezoid rule on its density, which converges geometrically here. */
function normalCdf(x: number): number {
  const steps = 400;
  let total = 0;
  for (let i = 0; i <= steps; i++) {
    const t = (x * i) / steps;
    total += Math.exp((-t * t) / 2) * (i === 0 || i === steps ? 0.5 : 1);
  }
  return 0.5 + (total * x) / steps / Math.sqrt(2 * Math.PI);
}

/** Where the matrix of an operand begins for a batch index of the result. */
function matrixAt(x: Nd, batch: readonly number[]): number {
  const own = x.shape.slice(0, -2);
  const index = own.map((dim, i) => (dim === 1 ? 0 : (batch[batch.length - own.length + i] ?? 0)));
  return offset(x.shape, [...index, 0, 0]);
}

function batchShape(a: Shape, b: Shape): number[] {
  const [x, y] = [a.slice(0, -2), b.slice(0, -2)];
  const rank = Math.max(x.length, y.length);
  return Array.from({ length: rank }, (_, i) => {
    const [p, q] = [x[i - rank + x.length] ?? 1, y[i - rank + y.length] ?? 1];
    return p === 1 ? q : p;
  });
}

export function matmulReference(a: Nd, b: Nd, bias: Nd | undefined, options: Options, residual?: Nd): Nd {
  const { transposeA, transposeB, activation = 'none' } = options;
  const [m, k] = [a.shape.at(transposeA ? -1 : -2) ?? 0, a.shape.at(transposeA ? -2 : -1) ?? 0];
  const n = b.shape.at(transposeB ? -2 : -1) ?? 0;
  const f = ACTIVATIONS[activation];
  const batch = batchShape(a.shape, b.shape);
  const out = nd([...batch, m, n]);
  let flat = 0;
  for (const z of indices(batch)) {
    const [aAt, bAt] = [matrixAt(a, z), matrixAt(b, z)];
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let total = bias?.data[j] ?? 0;
        for (let p = 0; p < k; p++) {
          const left = a.data[aAt + (transposeA ? p * m + i : i * k + p)] ?? 0;
          total += left * (b.data[bAt + (transposeB ? j * k + p : p * n + j)] ?? 0);
        }
        out.data[flat] = f(total + (residual?.data[flat] ?? 0));
        flat++;
      }
    }
  }
  return out;
}

function product(a: Shape, b: Shape, options: Options = {}, extra: Extra = {}): OpCase {
  const flags = `${options.transposeA ? 'ᵀ' : ''}·${options.transposeB ? 'ᵀ' : ''}`;
  return opCase<'a' | 'b'>({
    name: `[${a}]${flags}[${b}]`,
    inputs: { a: normal(a), b: normal(b) },
    op: (x) => matmul(x.a, x.b, options),
    reference: (x) => matmulReference(x.a, x.b, undefined, options),
    linear: ['a', 'b'],
    gradients: [],
    ...extra,
  });
}

/** With bias and activation, where the kinks of the activation are out of reach of a central difference. */
function layer(a: Shape, b: Shape, options: Options, extra: Extra = {}): OpCase {
  const n = b.at(options.transposeB ? -2 : -1) ?? 0;
  return opCase<'a' | 'b' | 'bias'>({
    name: `layer [${a}]·[${b}] ${options.activation ?? 'none'}`,
    inputs: { a: normal(a), b: normal(b), bias: normal([n]) },
    op: (x) => matmul(x.a, x.b, { ...options, bias: x.bias }),
    reference: (x) => matmulReference(x.a, x.b, x.bias, options),
    ...extra,
  });
}

/** With bias, what leads around the product, and activation. */
function residual(a: Shape, b: Shape, options: Options = {}, extra: Extra = {}): OpCase {
  const n = b.at(options.transposeB ? -2 : -1) ?? 0;
  return opCase<'a' | 'b' | 'bias' | 'residual'>({
    name: `residual [${a}]·${options.transposeB ? 'ᵀ' : ''}[${b}] ${options.activation ?? 'none'}`,
    inputs: { a: normal(a), b: normal(b), bias: normal([n]), residual: normal([...a.slice(0, -1), n]) },
    op: (x) => matmul(x.a, x.b, { ...options, bias: x.bias, residual: x.residual }),
    reference: (x) => matmulReference(x.a, x.b, x.bias, options, x.residual),
    ...extra,
  });
}

function measured(m: number, n: number, k: number, options: Options = {}): OpCase {
  const a = options.transposeA ? [k, m] : [m, k];
  const b = options.transposeB ? [n, k] : [k, n];
  return product(a, b, options, { linear: [], flops: 2 * m * n * k, bytes: 4 * (m * k + k * n + m * n) });
}

const small: Extra = { gradients: ['a', 'b'], secondOrder: true };
const forward: Extra = { forced: 'forward' };
const wide: Extra = { forced: 'none', gradients: [], linear: [] };
const flags = [false, true].flatMap((transposeA) =>
  [false, true].map((transposeB) => ({ transposeA, transposeB })),
);

/** Every pair of transposes at these sizes; `batch` is what b has of it. */
function transposes(m: number, n: number, k: number, extra: Extra, batch: Shape = []): OpCase[] {
  return flags.map((options) => {
    const a = options.transposeA ? [k, m] : [m, k];
    return product(a, [...batch, ...(options.transposeB ? [n, k] : [k, n])], options, extra);
  });
}

/** Batches of few columns side by side, with what leads around the product. */
function sideBySide(n: number, k: number, options: Options = {}): OpCase {
  return opCase<'a' | 'b' | 'residual'>({
    name: `residual [6,${k}]·[5,${k},${n}] ${options.activation ?? 'none'}`,
    inputs: { a: normal([6, k]), b: normal([5, k, n]), residual: normal([5, 6, n]) },
    op: (x) => matmul(x.a, x.b, { ...options, residual: x.residual }),
    reference: (x) => matmulReference(x.a, x.b, undefined, options, x.residual),
    gradients: k > 100 ? [] : ['a', 'b', 'residual'],
  });
}

const infinite = values([3, 3], [1, Number.POSITIVE_INFINITY, -1, 2, 0.5, 1, Number.NaN, 1, 1]);

export const cases: readonly OpCase[] = [
  residual([3, 4], [4, 8], {}, { secondOrder: true }),
  residual([2, 5, 3], [3, 7], { activation: 'tanh' }),
  residual([3, 4], [4, 8], { activation: 'gelu' }),
  residual([17, 1030], [1030, 6], {}, { gradients: [] }), // in splits of k
  ...transposes(3, 5, 2, { ...small, ...forward }),
  ...transposes(4, 8, 12, { ...small, ...forward }),
  ...transposes(20, 36, 24, {}),
  ...transposes(17, 6, 31, {}),
  ...transposes(33, 4, 300, forward),
  ...transposes(7, 37, 129, {}),
  product([1, 1], [1, 1], {}, small),
  product([1, 64], [64, 40]),
  product([50, 64], [64, 1]),
  product([1, 2000], [2000, 3]),
  product([0, 4], [4, 3]),
  product([3, 0], [0, 5]),
  product([2, 0, 4], [4, 3]),
  product([2, 3, 4], [2, 4, 5], {}, small),
  product([2, 3, 4], [4, 5], {}, small),
  product([3, 4], [2, 4, 5], {}, small),
  ...transposes(5, 3, 7, small, [6]),
  ...transposes(36, 4, 8, {}, [9]),
  ...transposes(17, 1, 40, {}, [50]),
  product([5, 7], [2, 3, 7, 2], {}, small),
  product([3, 4], [2, 4, 0]),
  product([16, 1030], [5, 1030, 3]), // in splits of k
  sideBySide(3, 9),
  sideBySide(4, 8, { activation: 'tanh' }),
  sideBySide(2, 1030),
  sideBySide(8, 9),
  sideBySide(6, 8, { activation: 'tanh' }),
  layer([9, 12], [7, 12, 6], {}),
  // So many columns that the rows of A are made whole vectors (on lavapipe).
  product([17, 25], [150, 25, 7], {}, { linear: ['b'] }),
  product([25, 18], [3, 70, 25, 5], { transposeA: true }, { linear: [] }),
  product([5, 7], [6, 6, 7], { transposeB: true }, { linear: [] }),
  layer([6, 1030], [5, 1030, 5], {}, { gradients: [] }), // side by side and in splits
  product([2, 4, 3], [4, 5], { transposeA: true }, small),
  product([4, 3], [2, 5, 4], { transposeA: true, transposeB: true }, small),
  product([1, 3, 4], [2, 4, 2], {}, small),
  product([2, 1, 3, 2], [1, 3, 2, 2], {}, small),
  product([2, 1, 2, 2, 3], [2, 1, 3, 2], {}, small),
  product([9, 20, 12], [9, 12, 28]),
  product([300, 3, 5], [300, 5, 2]),
  product([75, 25], [40, 25, 16]),
  layer([5, 6], [6, 7], {}, { secondOrder: true }),
  layer([6, 700], [700, 5], {}, { gradients: [] }),
  layer([2, 3, 4], [4, 8], { activation: 'relu' }),
  layer([3, 4], [4, 5], { activation: 'leakyRelu' }),
  layer([3, 4], [4, 5], { activation: 'sigmoid' }, { secondOrder: true }),
  layer([3, 4], [4, 8], { activation: 'tanh' }, { secondOrder: true }),
  layer([3, 4], [4, 5], { activation: 'gelu' }, { secondOrder: true }),
  layer([3, 4], [4, 5], { activation: 'silu' }, { secondOrder: true }),
  layer([40, 64], [64, 24], { activation: 'gelu' }, { gradients: [] }),
  opCase<'a' | 'b'>({
    name: 'large values through tanh and sigmoid',
    inputs: { a: uniform([9, 4], -300, 300), b: normal([4, 6]) },
    op: (x) => [
      matmul(x.a, x.b, { activation: 'tanh' }),
      matmul(x.a, x.b, { activation: 'sigmoid' }),
      matmul(x.a, x.b, { activation: 'silu' }),
    ],
    reference: (x) =>
      (['tanh', 'sigmoid', 'silu'] as const).map((activation) =>
        matmulReference(x.a, x.b, undefined, { activation }),
      ),
    tolerance: 1e-4,
    gradients: [],
  }),
  opCase<'a' | 'b'>({
    name: 'infinity and NaN stay in their rows',
    inputs: { a: infinite, b: uniform([3, 6], 1, 2) },
    op: (x) => matmul(x.a, x.b),
    reference: (x) => matmulReference(x.a, x.b, undefined, {}),
    gradients: [],
  }),
  opCase<'a' | 'b'>({
    name: 'NaN stays in its row where rows are made whole vectors',
    inputs: {
      a: values([17, 5], [1, 2, 3, 4, 5, Number.NaN, ...Array(79).fill(0.5)]),
      b: uniform([5, 1030], 1, 2),
    },
    op: (x) => matmul(x.a, x.b),
    reference: (x) => matmulReference(x.a, x.b, undefined, {}),
    gradients: [],
  }),
  { ...product([1050000, 1, 1], [1050000, 1, 1], {}, { linear: [], forced: 'none' }), large: true }, // more than 65,535 workgroups
  // Tiles of 64 columns where four lanes are a subgroup: edges, a tail, epilogues, batches, runs, and batches that the gradient sums.
  product([500, 72], [72, 516], {}, wide),
  product([500, 72], [516, 72], { transposeB: true }, wide),
  product([70, 500], [70, 516], { transposeA: true }, wide),
  product([72, 500], [516, 72], { transposeA: true, transposeB: true }, wide),
  residual([500, 72], [72, 516], { activation: 'gelu' }, wide),
  residual([500, 72], [516, 72], { transposeB: true }, wide),
  product([9, 128, 64], [9, 64, 252], {}, wide),
  product([512, 64], [256, 64, 4], {}, wide),
  product([64, 512], [128, 8, 64], { transposeA: true, transposeB: true }, wide),
  product([512, 512], [2, 512, 64], {}, { linear: ['a'], forced: 'none' }),
  measured(256, 256, 256),
  measured(12800, 64, 64),
  measured(64, 64, 12800, { transposeA: true }),
];
