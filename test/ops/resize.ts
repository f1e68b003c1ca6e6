import { type ResizeOptions, resize } from '../../src/kernels/resize.ts';
import { type Input, normal, type OpCase, opCase, values } from './case.ts';
import { at, fill, indices, type Nd } from './nd.ts';

/** Neighbours and weights of output `o` of `m` on an axis of length `n`, as PyTorch's `interpolate` defines them. */
function taps(o: number, n: number, m: number, { mode, alignCorners }: ResizeOptions): [number, number][] {
  if (mode === 'nearest') return [[Math.floor((o * n) / m), 1]];
  const aligned = m > 1 ? (o * (n - 1)) / (m - 1) : 0;
  const position = alignCorners ? aligned : Math.max(((o + 0.5) * n) / m - 0.5, 0);
  const low = Math.min(Math.floor(position + 1e-9), n - 1);
  const fraction = position - low;
  if (Math.abs(fraction) < 1e-9) return [[low, 1]];
  return [
    [low, 1 - fraction],
    [Math.min(low + 1, n - 1), fraction],
  ];
}

function resized(x: Nd, options: ResizeOptions): Nd {
  const input = x.shape.slice(1, -1);
  return fill([x.shape[0] ?? 0, ...options.size, x.shape.at(-1) ?? 0], (n, ...rest) => {
    const axes = input.map((dim, k) => taps(rest[k] ?? 0, dim, options.size[k] ?? 1, options));
    let sum = 0;
    for (const choice of indices(axes.map((axis) => axis.length))) {
      const picked = choice.map((t, k) => axes[k]?.[t] ?? [0, 0]);
      const weight = picked.reduce((product, [, w]) => product * (w ?? 0), 1);
      sum += weight * at(x, n ?? 0, ...picked.map(([i]) => i ?? 0), rest.at(-1) ?? 0);
    }
    return sum;
  });
}

function resizeCase(input: Input, options: ResizeOptions, rest: Partial<OpCase> = {}): OpCase {
  const usual = opCase({
    name: `resize [${input.shape}] ${JSON.stringify(options)}`,
    inputs: { x: input },
    op: ({ x }) => resize(x, options),
    reference: ({ x }) => resized(x, options),
    linear: ['x'],
    secondOrder: true,
  });
  return { ...usual, ...rest };
}

const once = { gradients: [], linear: [], secondOrder: false } as const;
const sizes: readonly [readonly number[], readonly number[]][] = [
  [[2, 5, 3], [8]],
  [[1, 7, 4], [3]],
  [[1, 1, 2], [4]],
  [[1, 6, 1], [1]],
  [[1, 13, 2], [2]],
  [
    [1, 4, 5, 3],
    [7, 3],
  ],
  [
    [2, 3, 4, 4],
    [6, 8],
  ],
  [
    [1, 5, 5, 2],
    [5, 5],
  ],
  [
    [1, 2, 3, 4, 4],
    [3, 2, 6],
  ],
  [
    [1, 3, 2, 3, 1],
    [2, 4, 3],
  ],
];
const modes: readonly Omit<ResizeOptions, 'size'>[] = [
  { mode: 'bilinear' },
  { mode: 'bilinear', alignCorners: true },
  { mode: 'nearest' },
];

export const cases: readonly OpCase[] = [
  ...modes.flatMap((mode) => sizes.map(([shape, size]) => resizeCase(normal(shape), { ...mode, size }))),
  resizeCase(normal([2, 28, 28, 16]), { size: [56, 56] }, { ...once, bytes: 4 * 2 * 16 * 5 * 28 * 28 }),
  resizeCase(normal([0, 4, 4]), { size: [2] }, once),
  resizeCase(
    values([1, 8, 1], [1, Number.NaN, 3, Number.POSITIVE_INFINITY]),
    { size: [4], mode: 'nearest' },
    once,
  ),
  resizeCase(values([1, 4, 3], [1, Number.NaN, 3, Number.POSITIVE_INFINITY, 5]), { size: [4] }, once),
  resizeCase(values([1, 3, 4], [1, Number.NaN, 3, 2, 5]), { size: [5], alignCorners: true }, once),
];
