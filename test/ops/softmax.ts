import { logSoftmax, maskedSoftmax, softmax } from '../../src/kernels/softmax.ts';
import { normal, type OpCase, opCase, uniform, values } from './case.ts';
import { type Nd, nd } from './nd.ts';

/** Softmax, or its logarithm, along `axis` (counted from the front). */
function reference({ shape, data }: Nd, axis: number, log: boolean): Nd {
  const n = shape[axis] ?? 1;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const out = nd(shape);
  for (let row = 0; row < data.length / Math.max(n, 1); row++) {
    const start = Math.floor(row / inner) * n * inner + (row % inner);
    const at = (j: number) => start + j * inner;
    let most = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < n; j++) most = Math.max(most, data[at(j)] ?? 0);
    let total = 0;
    for (let j = 0; j < n; j++) total += Math.exp((data[at(j)] ?? 0) - most);
    for (let j = 0; j < n; j++) {
      const z = (data[at(j)] ?? 0) - most;
      out.data[at(j)] = log ? z - Math.log(total) : Math.exp(z) / total;
    }
  }
  return out;
}

function rowsSumToOne([y]: readonly Nd[]): string | undefined {
  const n = y?.shape.at(-1) ?? 1;
  const rows = (y?.data.length ?? 0) / n;
  for (let row = 0; row < rows; row++) {
    const total = y?.data.slice(row * n, (row + 1) * n).reduce((a, b) => a + b, 0) ?? 0;
    if (!(Math.abs(total - 1) < 1e-5)) return `row ${row} sums to ${total}`;
  }
  return undefined;
}

function pair(shape: readonly number[], axis: number, more: Partial<OpCase<'x'>> = {}): OpCase[] {
  const fromFront = axis < 0 ? axis + shape.length : axis;
  const last = fromFront === shape.length - 1 && !shape.includes(0);
  return [false, true].map((log) =>
    opCase<'x'>({
      name: `${log ? 'logSoftmax' : 'softmax'} [${shape}] axis ${axis}`,
      inputs: { x: normal(shape) },
      op: ({ x }) => (log ? logSoftmax : softmax)(x, { axis }),
      reference: ({ x }) => reference(x, fromFront, log),
      ...(last && !log ? { property: rowsSumToOne } : {}),
      flops: 4 * shape.reduce((a, b) => a * b, 1),
      bytes: 8 * shape.reduce((a, b) => a * b, 1),
      ...more,
    }),
  );
}

const inf = Number.POSITIVE_INFINITY;
const special = values([4, 4], [0, -inf, 1, 2, -inf, -inf, -inf, -inf, 1, inf, 0, 0, Number.NaN, 1, 2, 3]);

export const cases: readonly OpCase[] = [
  ...pair([3, 4], -1, { secondOrder: true }),
  ...pair([5, 7], -1, { secondOrder: true }),
  ...pair([3, 5, 4], 1, { secondOrder: true }),
  ...pair([7], 0),
  ...pair([2, 1], -1, { property: () => undefined }),
  ...pair([4, 6], 0),
  ...pair([0, 5], -1),
  ...pair([3, 0], -1),
  ...pair([100, 64], -1, { gradients: [] }),
  ...pair([37, 130], -1, { gradients: [] }),
  ...pair([2, 5000], -1, { gradients: [] }),
  ...pair([2, 5001], -1, { gradients: [] }),
  ...pair([1, 1_000_000], -1, { gradients: [], large: true, forced: 'none' }),
  ...pair([65_537, 2], -1, { gradients: [], property: () => undefined, large: true }),
  opCase<'x'>({
    name: 'softmax of large values [2, 12]',
    inputs: { x: uniform([2, 12], -1e4, 1e4) },
    op: ({ x }) => softmax(x),
    reference: ({ x }) => reference(x, 1, false),
    gradients: [],
  }),
  opCase<'x'>({
    name: 'softmax of masked, all-masked, infinite and NaN rows [4, 4]',
    inputs: { x: special },
    op: ({ x }) => softmax(x),
    reference: ({ x }) => reference(x, 1, false),
    gradients: [],
  }),
  opCase<'x'>({
    name: 'logSoftmax of masked, all-masked, infinite and NaN rows [4, 4]',
    inputs: { x: special },
    op: ({ x }) => logSoftmax(x),
    reference: ({ x }) => reference(x, 1, true),
    gradients: [],
  }),
  opCase<'x'>({
    name: 'maskedSoftmax gives 0 for a row of -Infinity [2, 4]',
    inputs: { x: values([2, 4], [-inf, -inf, -inf, -inf, 0, -inf, 0, -inf]) },
    op: ({ x }) => maskedSoftmax(x),
    reference: () => nd([2, 4], [0, 0, 0, 0, 0.5, 0, 0.5, 0]),
    gradients: [],
  }),
  opCase<'x'>({
    name: 'maskedSoftmax gives 0 for a row of -Infinity [2, 3]',
    inputs: { x: values([2, 3], [-inf, -inf, -inf, 0, -inf, 0]) },
    op: ({ x }) => maskedSoftmax(x),
    reference: () => nd([2, 3], [0, 0, 0, 0.5, 0, 0.5]),
    gradients: [],
  }),
];
