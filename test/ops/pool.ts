import * as pools from '../../src/kernels/pool.ts';
import { distinct, type Input, normal, type OpCase, opCase, values } from './case.ts';
import { at, fill, indices, type Nd } from './nd.ts';

type Shape = readonly number[];

interface Options {
  readonly size: number | Shape;
  readonly stride?: number | Shape;
  readonly padding?: number | Shape;
  readonly countIncludePad?: boolean;
}

const RUN = {
  max: [pools.maxPool1d, pools.maxPool2d, pools.maxPool3d],
  avg: [pools.avgPool1d, pools.avgPool2d, pools.avgPool3d],
} as const;

function listOf(value: number | Shape, rank: number): Shape {
  return typeof value === 'number' ? new Array<number>(rank).fill(value) : value;
}

/** `combine` gets the elements of each window, and the size of the whole window. */
function windows(x: Nd, options: Options, combine: (found: number[], whole: number) => number): Nd {
  const rank = x.shape.length - 2;
  const [size, stride, padding] = [options.size, options.stride ?? options.size, options.padding ?? 0].map(
    (o) => listOf(o, rank),
  ) as [Shape, Shape, Shape];
  const input = x.shape.slice(1, -1);
  const output = input.map(
    (dim, k) => Math.floor((dim + 2 * (padding[k] ?? 0) - (size[k] ?? 1)) / (stride[k] ?? 1)) + 1,
  );
  const taps = [...indices(size)];
  return fill([x.shape[0] ?? 0, ...output, x.shape.at(-1) ?? 0], (n, ...rest) => {
    const c = rest.at(-1) ?? 0;
    const positions = taps.map((tap) =>
      tap.map((t, k) => (rest[k] ?? 0) * (stride[k] ?? 1) - (padding[k] ?? 0) + t),
    );
    const inside = positions.filter((p) => p.every((i, k) => i >= 0 && i < (input[k] ?? 1)));
    return combine(
      inside.map((p) => at(x, n ?? 0, ...p, c)),
      taps.length,
    );
  });
}

function largest(found: number[]): number {
  return found.some(Number.isNaN) ? Number.NaN : Math.max(...found);
}

function poolCase(kind: 'max' | 'avg', input: Input, options: Options, rest: Partial<OpCase> = {}): OpCase {
  const rank = input.shape.length - 2;
  const mean = (found: number[], whole: number) =>
    found.reduce((a, b) => a + b, 0) / (options.countIncludePad ? whole : found.length);
  const usual = opCase({
    name: `${kind}Pool${rank}d [${input.shape}] ${JSON.stringify(options)}`,
    inputs: { x: input },
    op: ({ x }) => RUN[kind][rank - 1]?.(x, options) ?? x,
    reference: ({ x }) => windows(x, options, kind === 'max' ? largest : mean),
    secondOrder: true,
  });
  return { ...usual, ...(kind === 'avg' ? { linear: ['x'] } : {}), ...rest };
}

function globalCase(kind: 'Avg' | 'Max', shape: Shape): OpCase {
  const run = kind === 'Avg' ? pools.globalAvgPool : pools.globalMaxPool;
  const mean = (found: number[]) => found.reduce((a, b) => a + b, 0) / found.length;
  return opCase({
    name: `global${kind}Pool [${shape}]`,
    inputs: { x: distinct(shape) },
    op: ({ x }) => run(x),
    reference: ({ x }) => {
      const [n = 0, c = 0] = [shape[0], shape.at(-1)];
      const pooled = windows(x, { size: shape.slice(1, -1) }, kind === 'Avg' ? mean : largest);
      return { shape: [n, c], data: pooled.data };
    },
    secondOrder: true,
    linear: kind === 'Avg' ? ['x'] : [],
  });
}

const once = { gradients: [], linear: [], secondOrder: false } as const;
const odd = [Number.NaN, 1, Number.NEGATIVE_INFINITY, 2, Number.POSITIVE_INFINITY, -3, 4] as const;

const shapes: readonly [Shape, Options][] = [
  [[2, 7, 3], { size: 3, stride: 2, padding: 1 }],
  [[1, 9, 4], { size: 2 }],
  [[3, 5, 8], { size: 4, stride: 1, padding: 2 }],
  [[2, 5, 6, 4], { size: 3, stride: 2, padding: 1 }],
  [[1, 7, 5, 3], { size: [2, 3], stride: [1, 2], padding: [1, 0] }],
  [[2, 4, 4, 1], { size: 2 }],
  [[1, 1, 1, 5], { size: 3, padding: 1 }],
  [[1, 6, 6, 4], { size: 2, stride: 3 }],
  [[1, 3, 4, 5, 2], { size: 2, stride: 1, padding: 1 }],
  [[1, 4, 3, 3, 4], { size: [2, 3, 3], stride: [2, 1, 1], padding: [0, 1, 1] }],
];

/** More than 65,535 workgroups of scalar channels. */
const long = 65_536 * 64 + 2;

export const cases: readonly OpCase[] = [
  ...shapes.map(([shape, options]) => poolCase('max', distinct(shape), options)),
  ...shapes.map(([shape, options]) => poolCase('avg', normal(shape), options)),
  poolCase('avg', normal([2, 5, 6, 4]), { size: 3, stride: 2, padding: 1, countIncludePad: true }),
  poolCase('avg', normal([1, 5, 3]), { size: 4, stride: 1, padding: 2, countIncludePad: true }),
  poolCase(
    'max',
    normal([2, 56, 56, 64]),
    { size: 3, stride: 2, padding: 1 },
    { ...once, bytes: 5 * 2 * 56 * 56 * 64 },
  ),
  poolCase('max', normal([0, 4, 4, 4]), { size: 2 }, once),
  poolCase('avg', normal([2, 4, 4, 0]), { size: 2 }, once),
  poolCase('max', values([1, 14, 3], odd), { size: 3, stride: 1, padding: 1 }, once),
  poolCase('max', values([1, 5, 5, 4], odd), { size: 2, stride: 1 }, once),
  poolCase('max', values([1, 6, 4], [Number.NEGATIVE_INFINITY]), { size: 2 }, once),
  poolCase('avg', values([1, 5, 5, 4], odd), { size: 2, stride: 1 }, once),
  {
    ...poolCase('max', values([1, long, 1], [3, 1, 2]), { size: 1 }, once),
    name: 'maxPool1d of more than 65,535 workgroups',
    reference: ({ x }) => x as Nd,
    large: true,
  },
  globalCase('Avg', [2, 5, 3]),
  globalCase('Avg', [2, 3, 4, 8]),
  globalCase('Max', [3, 2, 5, 4]),
  globalCase('Max', [2, 2, 3, 2, 3]),
];
