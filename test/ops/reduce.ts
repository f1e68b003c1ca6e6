import {
  argmax,
  argmin,
  logSumExp,
  max,
  mean,
  min,
  type ReduceOptions,
  sum,
  sumTo,
  variance,
} from '../../src/kernels/reduce.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { distinct, type Input, normal, type OpCase, opCase, uniform, values } from './case.ts';
import { indices, type Nd, nd } from './nd.ts';

const { NaN: NAN, POSITIVE_INFINITY: INF } = Number;
type Reducer = (x: Tensor, options: ReduceOptions) => Tensor;
type Formula = (elements: readonly number[]) => number;

/** Elements that are reduced together, in row-major order, for each output. */
function grouped(x: Nd, axes: readonly number[]): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const index of indices(x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim)))) {
    groups.set(index.join(), []);
  }
  let flat = 0;
  for (const index of indices(x.shape)) {
    const key = index.map((i, axis) => (axes.includes(axis) ? 0 : i)).join();
    groups.get(key)?.push(x.data[flat++] ?? NAN);
  }
  return groups;
}

function reduceNd(x: Nd, { axes, keepDims = false }: ReduceOptions, formula: Formula): Nd {
  const rank = x.shape.length;
  const list = (axes === undefined ? x.shape.map((_, i) => i) : [axes].flat()).map(
    (axis) => (axis + rank) % rank,
  );
  const kept = x.shape.map((dim, i) => (list.includes(i) ? 1 : dim));
  const shape = keepDims ? kept : x.shape.filter((_, i) => !list.includes(i));
  return nd(shape, [...grouped(x, list).values()].map(formula));
}

const total: Formula = (list) => list.reduce((a, b) => a + b, 0);
const average: Formula = (list) => total(list) / list.length;
const extreme =
  (pick: (...list: number[]) => number): Formula =>
  (list) =>
    list.reduce((a, b) => pick(a, b), pick());
const logTotal: Formula = (list) => {
  const most = list.reduce((a, b) => Math.max(a, b), -INF);
  const shift = Number.isFinite(most) ? most : 0;
  return shift + Math.log(list.reduce((a, b) => a + Math.exp(b - shift), 0));
};
const spread =
  (correction: number): Formula =>
  (list) => {
    const centre = average(list);
    const freedom = list.length - correction;
    return freedom > 0 ? list.reduce((a, b) => a + (b - centre) ** 2, 0) / freedom : NAN;
  };
/** First index of the best, NaN being better than everything. */
const place =
  (better: (a: number, b: number) => boolean): Formula =>
  (list) => {
    const nan = list.findIndex(Number.isNaN);
    return nan >= 0 ? nan : list.reduce((best, v, i) => (better(v, list[best] ?? NAN) ? i : best), 0);
  };

/** [shape, axes]: all, rows, columns, middle, several groups, odd sizes, size 1, nothing, empty. */
const LAYOUTS: readonly (readonly [readonly number[], number | readonly number[] | undefined])[] = [
  [[13], undefined],
  [[], undefined],
  [[1], -1],
  [[3, 8], -1],
  [[5, 7], 1],
  [[7, 12], 0],
  [[7, 5], 0],
  [[2, 5, 4], 1],
  [
    [2, 5, 3],
    [0, 2],
  ],
  [
    [2, 3, 2, 4],
    [1, 3],
  ],
  [
    [2, 3, 2, 4],
    [0, 2],
  ],
  [
    [2, 3, 2, 3],
    [-1, -3],
  ],
  [[3, 4], []],
  [
    [2, 2, 3, 2, 2],
    [0, 2, 4],
  ],
  [
    [2, 2, 3, 2, 2, 4],
    [0, 2, 4],
  ],
];
const EMPTY: typeof LAYOUTS = [
  [[0], undefined],
  [[3, 0], 1],
  [[0, 4], 0],
  [[0, 4], 1],
];

/** Where there is no finite gradient to compare, or the reference is too slow for it. */
const FORWARD: Partial<OpCase> = { gradients: [], linear: [] };

interface Family {
  readonly name: string;
  readonly op: Reducer;
  readonly formula: Formula;
  readonly input: (shape: readonly number[]) => Input;
  readonly extra: Partial<OpCase>;
}

const linear = { linear: ['x'], secondOrder: true };
const smooth = { secondOrder: true };
const families: readonly Family[] = [
  { name: 'sum', op: sum, formula: total, input: normal, extra: linear },
  { name: 'mean', op: mean, formula: average, input: normal, extra: linear },
  { name: 'max', op: max, formula: extreme(Math.max), input: distinct, extra: smooth },
  { name: 'min', op: min, formula: extreme(Math.min), input: distinct, extra: smooth },
  { name: 'logSumExp', op: logSumExp, formula: logTotal, input: normal, extra: smooth },
  { name: 'variance', op: variance, formula: spread(0), input: normal, extra: smooth },
  { name: 'argmax', op: argmax, formula: place((a, b) => a > b), input: distinct, extra: FORWARD },
  { name: 'argmin', op: argmin, formula: place((a, b) => a < b), input: distinct, extra: FORWARD },
];

function reduceCase(
  { name, op, formula, extra }: Family,
  input: Input,
  options: ReduceOptions,
  more: Partial<OpCase> = {},
): OpCase {
  const axes = options.axes === undefined ? 'all' : `[${[options.axes].flat()}]`;
  return opCase<'x'>({
    name: `${name} of [${input.shape}] over ${axes}${options.keepDims ? ', kept' : ''}`,
    inputs: { x: input },
    op: ({ x }) => op(x, options),
    reference: ({ x }) => reduceNd(x, options, formula),
    ...extra,
    ...more,
  } as OpCase<'x'>);
}

/** NaN, infinities and ties, one row for each. */
const SPECIAL_ROWS = [
  [1, NAN, 3, INF, 2],
  [NAN, 5, NAN, -INF, 0],
  [INF, -INF, 1, 2, INF],
  [-INF, -INF, -INF, -INF, -INF],
  [4, 4, 2, 2, 4],
  [0, -INF, 1, -1, 0],
];

/** The same with the last column repeated: in whole vectors, and in several chunks of a row. */
const specialRows = (columns: number) =>
  values(
    [6, columns],
    SPECIAL_ROWS.flatMap((row) => Array.from({ length: columns }, (_, i) => row[Math.min(i, 4)] ?? 0)),
  );

function familyCases(family: Family): OpCase[] {
  const find = family.name.startsWith('arg');
  return [
    ...LAYOUTS.flatMap(([shape, axes], i) => [
      reduceCase(family, family.input(shape), { axes, keepDims: i % 2 === 1 }),
    ]),
    reduceCase(family, family.input([3, 4, 5]), { axes: 1, keepDims: true }),
    ...EMPTY.filter(() => !find).map(([shape, axes]) =>
      reduceCase(family, family.input(shape), { axes }, FORWARD),
    ),
    ...[0, 1].map((axes) =>
      reduceCase(
        family,
        specialRows(5),
        { axes },
        { gradients: [], linear: [], name: `${family.name} of special values over ${axes}` },
      ),
    ),
    ...[8, 2052].map((columns) =>
      reduceCase(
        family,
        specialRows(columns),
        { axes: 1 },
        { gradients: [], linear: [], name: `${family.name} of special values in ${columns} columns` },
      ),
    ),
    // Several chunks: a long row, a long odd row, long columns, many rows.
    reduceCase(family, family.input([70001]), {}, FORWARD),
    reduceCase(family, family.input([3, 4096]), { axes: 1 }, FORWARD),
    reduceCase(family, family.input([2050, 12]), { axes: 0 }, FORWARD),
    reduceCase(family, family.input([3, 517, 5]), { axes: 1 }, FORWARD),
  ];
}

const OFFSET = 10_000;
const moreCases: readonly OpCase[] = [
  opCase<'x'>({
    name: 'max with ties shares the gradient',
    inputs: { x: values([4], [1, 3, 3, 2]) },
    op: ({ x }) => [max(x), min(x, { axes: 0 })],
    reference: ({ x }) => [reduceNd(x, {}, extreme(Math.max)), reduceNd(x, {}, extreme(Math.min))],
  }),
  opCase<'x'>({
    name: 'unbiased variance',
    inputs: { x: normal([5, 6]) },
    op: ({ x }) => variance(x, { axes: 1, correction: 1 }),
    reference: ({ x }) => reduceNd(x, { axes: 1 }, spread(1)),
    secondOrder: true,
  }),
  opCase<'x'>({
    name: 'variance of one element with correction',
    inputs: { x: normal([3, 1]) },
    op: ({ x }) => variance(x, { axes: 1, correction: 1 }),
    reference: ({ x }) => reduceNd(x, { axes: 1 }, spread(1)),
    gradients: [],
  }),
  opCase<'x'>({
    name: 'variance far from 0',
    inputs: { x: uniform([4, 1000], OFFSET, OFFSET + 1) },
    op: ({ x }) => variance(x, { axes: 1 }),
    reference: ({ x }) => reduceNd(x, { axes: 1 }, spread(0)),
    gradients: [],
    tolerance: 1e-4,
  }),
  opCase<'x'>({
    name: 'logSumExp of large numbers',
    inputs: { x: uniform([3, 40], 1000, 1003) },
    op: ({ x }) => logSumExp(x, { axes: -1 }),
    reference: ({ x }) => reduceNd(x, { axes: -1 }, logTotal),
  }),
  opCase<'x'>({
    name: 'sum of 10 million',
    inputs: { x: uniform([10_000_019], 0, 1) },
    op: ({ x }) => sum(x),
    reference: ({ x }) => nd([], [x.data.reduce((a, b) => a + b, 0)]),
    gradients: [],
    tolerance: 1e-6,
    flops: 1e7,
    bytes: 4e7,
    large: true,
  }),
  opCase<'x'>({
    name: 'sum in 65,600 workgroups',
    inputs: { x: values([2, 4198401], [1, 2, 3, 4, 5]) },
    large: true,
    op: ({ x }) => sum(x, { axes: 0 }),
    reference: ({ x }) =>
      nd(
        [4198401],
        x.data.subarray(0, 4198401).map((v, i) => v + (x.data[i + 4198401] ?? NAN)),
      ),
    gradients: [],
  }),
  ...[
    [[2, 3, 4], [4]],
    [
      [2, 3, 32], // whose gradient is spread in runs of vectors
      [3, 1],
    ],
    [[2, 3, 4], []],
    [
      [2, 3, 4],
      [2, 3, 4],
    ],
    [
      [5, 1, 3],
      [1, 1],
    ],
    [[0, 3], [3]],
  ].map(([from = [], to = []]) =>
    opCase<'x'>({
      name: `sumTo [${from}] → [${to}]`,
      inputs: { x: normal(from) },
      op: ({ x }) => sumTo(x, to),
      reference: ({ x }) => sumToNd(x, to),
      linear: ['x'],
    }),
  ),
];

function sumToNd(x: Nd, shape: readonly number[]): Nd {
  const lead = x.shape.length - shape.length;
  const axes = x.shape.flatMap((_, i) => (i < lead || shape[i - lead] === 1 ? [i] : []));
  return nd(shape, reduceNd(x, { axes }, total).data);
}

export const cases: readonly OpCase[] = [...families.flatMap(familyCases), ...moreCases];
