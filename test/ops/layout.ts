import { mul } from '../../src/kernels/elementwise.ts';
import {
  broadcastTo,
  concat,
  flip,
  pad,
  reshape,
  slice,
  split,
  stack,
  transpose,
} from '../../src/kernels/layout.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { normal, type OpCase, opCase, values } from './case.ts';
import { gatherCases } from './layout-gather.ts';
import { at, fill, indices as indicesOf, type Nd, nd, offset } from './nd.ts';

type Shape = readonly number[];

function transposeCase(
  shape: Shape,
  axes: readonly number[] | undefined,
  rest: Partial<OpCase> = {},
): OpCase {
  const rank = shape.length;
  const order = axes?.map((axis) => (axis + rank) % rank) ?? shape.map((_, i) => rank - 1 - i);
  const outShape = order.map((axis) => shape[axis] ?? 1);
  const sourceOf = (index: readonly number[]) => shape.map((_, axis) => index[order.indexOf(axis)] ?? 0);
  const usual = opCase({
    name: `transpose [${shape}] by ${axes ? `[${axes}]` : 'default'}`,
    inputs: { x: normal(shape) },
    op: ({ x }) => transpose(x, axes),
    reference: ({ x }) => fill(outShape, (...index) => at(x, ...sourceOf(index))),
    linear: ['x'],
  });
  return { ...usual, ...rest };
}

function sliceCase(shape: Shape, begin: Shape, size: Shape, step: Shape, rest: Partial<OpCase> = {}): OpCase {
  const first = shape.map((dim, k) => (begin[k] ?? 0) + ((begin[k] ?? 0) < 0 ? dim : 0));
  const usual = opCase({
    name: `slice [${shape}] from [${begin}] size [${size}] step [${step}]`,
    inputs: { x: normal(shape) },
    op: ({ x }) => slice(x, { begin, size, step }),
    reference: ({ x }) =>
      fill(size, (...i) => at(x, ...i.map((k, a) => (first[a] ?? 0) + k * (step[a] ?? 1)))),
    linear: ['x'],
    secondOrder: true,
  });
  return { ...usual, ...rest };
}

function padReference(x: Nd, padding: readonly (readonly [number, number])[], value: number): Nd {
  const before = x.shape.map((_, axis) => padding[axis]?.[0] ?? 0);
  const shape = x.shape.map((dim, axis) => dim + (before[axis] ?? 0) + (padding[axis]?.[1] ?? 0));
  const out = nd(shape);
  out.data.fill(value);
  for (const index of indicesOf(x.shape)) {
    const to = index.map((i, axis) => i + (before[axis] ?? 0));
    out.data[offset(shape, to)] = at(x, ...index);
  }
  return out;
}

function padCase(
  shape: Shape,
  padding: readonly (readonly [number, number])[],
  value: number,
  rest: Partial<OpCase> = {},
): OpCase {
  const usual = opCase({
    name: `pad [${shape}] by ${JSON.stringify(padding)} with ${value}`,
    inputs: { x: normal(shape) },
    op: ({ x }) => pad(x, padding, { value }),
    reference: ({ x }) => padReference(x, padding, value),
    linear: value === 0 ? ['x'] : [],
    secondOrder: true,
  });
  return { ...usual, ...rest };
}

function concatReference(parts: readonly Nd[], axis: number): Nd {
  const dims = parts.map((part) => part.shape[axis] ?? 0);
  const total = dims.reduce((a, b) => a + b, 0);
  const shape = (parts[0] as Nd).shape.map((dim, k) => (k === axis ? total : dim));
  return fill(shape, (...index) => {
    let from = index[axis] ?? 0;
    let part = 0;
    while (from >= (dims[part] ?? 0)) from -= dims[part++] ?? 0;
    return at(parts[part] as Nd, ...index.with(axis, from));
  });
}

function concatCase(shape: Shape, dims: readonly number[], axis: number): OpCase {
  const at = axis < 0 ? axis + shape.length : axis;
  const inputs: OpCase['inputs'] = Object.fromEntries(
    dims.map((dim, i) => [`x${i}`, normal(shape.with(at, dim))]),
  );
  return opCase({
    name: `concat [${shape}] with ${dims} along ${axis}`,
    inputs,
    op: (tensors) => concat(Object.values<Tensor>(tensors), { axis }),
    reference: (parts) => concatReference(Object.values<Nd>(parts), at),
    secondOrder: true,
  });
}

function splitCase(shape: Shape, sizes: readonly number[], axis: number): OpCase {
  const along = axis < 0 ? axis + shape.length : axis;
  return opCase({
    name: `split [${shape}] into ${sizes} along ${axis}`,
    inputs: { x: normal(shape) },
    op: ({ x }) => split(x, sizes, { axis }),
    reference: ({ x }) => {
      const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0));
      return sizes.map((size, i) =>
        fill(shape.with(along, size), (...index) =>
          at(x, ...index.with(along, (index[along] ?? 0) + (starts[i] ?? 0))),
        ),
      );
    },
    secondOrder: true,
  });
}

/** The gradient of what is not used is zero. */
function splitAndUseOne(): OpCase {
  return opCase({
    name: 'split, the middle alone used',
    inputs: { x: normal([3, 8]) },
    op: ({ x }) => mul(split(x, [3, 4, 1], { axis: 1 })[1]!, 2),
    reference: ({ x }) => fill([3, 4], (i, j) => 2 * at(x, i ?? 0, (j ?? 0) + 3)),
  });
}

function stackCase(shape: Shape, axis: number): OpCase {
  const at0 = axis < 0 ? axis + shape.length + 1 : axis;
  return opCase({
    name: `stack 3 of [${shape}] along ${axis}`,
    inputs: { a: normal(shape), b: normal(shape), c: normal(shape) },
    op: ({ a, b, c }) => stack([a, b, c], { axis }),
    reference: ({ a, b, c }) =>
      fill(shape.toSpliced(at0, 0, 3), (...i) => at([a, b, c][i[at0] ?? 0] as Nd, ...i.toSpliced(at0, 1))),
  });
}

function flipCase(shape: Shape, axes: readonly number[] | undefined): OpCase {
  const flipped = axes?.map((axis) => (axis < 0 ? axis + shape.length : axis)) ?? shape.map((_, i) => i);
  const sourceOf = (index: readonly number[]) =>
    index.map((i, axis) => (flipped.includes(axis) ? (shape[axis] ?? 1) - 1 - i : i));
  return opCase({
    name: `flip [${shape}] ${axes ? `[${axes}]` : 'all'}`,
    inputs: { x: normal(shape) },
    op: ({ x }) => flip(x, axes),
    reference: ({ x }) => fill(shape, (...index) => at(x, ...sourceOf(index))),
    linear: ['x'],
  });
}

function broadcastCase(shape: Shape, to: Shape, rest: Partial<OpCase> = {}): OpCase {
  const lead = to.length - shape.length;
  const sourceOf = (index: readonly number[]) =>
    shape.map((dim, k) => (dim === 1 ? 0 : (index[k + lead] ?? 0)));
  const usual = opCase({
    name: `broadcast [${shape}] to [${to}]`,
    inputs: { x: normal(shape) },
    op: ({ x }) => broadcastTo(x, to),
    reference: ({ x }) => fill(to, (...index) => at(x, ...sourceOf(index))),
    linear: ['x'],
    secondOrder: true,
  });
  return { ...usual, ...rest };
}

function reshapeCase(shape: Shape, to: Shape, resolved: Shape): OpCase {
  return opCase({
    name: `reshape [${shape}] to [${to}]`,
    inputs: { x: normal(shape) },
    op: ({ x }) => reshape(x, to),
    reference: ({ x }) => nd(resolved, x.data),
    linear: ['x'],
    secondOrder: true,
  });
}

const once = { gradients: [], linear: [] } as const;
const notFinite = [Number.NaN, Number.POSITIVE_INFINITY, -1.5, Number.NEGATIVE_INFINITY, 0];
const wide = [0, -1, 2147483647, -2147483648, 0x7fc0_1234];

const axesCases: readonly OpCase[] = [
  transposeCase([3, 5], undefined, { secondOrder: true }),
  transposeCase([8, 12], undefined, { secondOrder: true }),
  transposeCase([2, 3, 4], [0, 2, 1]),
  transposeCase([4, 3, 8, 2], [2, 1, 0, 3]),
  transposeCase([4, 2, 4, 8], [3, 1, 0, 2]),
  transposeCase([2, 3, 5, 8], [0, 2, 1, -1]),
  transposeCase([1, 7, 1], [2, 0, 1]),
  transposeCase([2, 3, 2, 3, 2, 3], [5, 3, 1, 4, 2, 0], once),
  transposeCase([4, 2, 4, 2, 4, 4], [5, 3, 1, 4, 2, 0], once),
  transposeCase([0, 3], undefined, once),
  transposeCase([], undefined),
  transposeCase([67, 129], undefined, once),
  transposeCase([5, 3], undefined, { ...once, inputs: { x: values([5, 3], notFinite) } }),
  transposeCase([8, 4], undefined, { ...once, inputs: { x: values([8, 4], wide, 'i32') } }),
  broadcastCase([3, 1], [2, 3, 4]),
  broadcastCase([1, 4], [3, 4]),
  broadcastCase([4], [2, 3, 4]),
  broadcastCase([5], [3, 5]),
  broadcastCase([], [7]),
  broadcastCase([2, 1, 3, 1, 4], [2, 3, 3, 2, 4], once),
  broadcastCase([1, 3], [0, 3], once),
  reshapeCase([2, 6], [3, -1], [3, 4]),
  reshapeCase([0, 5], [5, 0], [5, 0]),
  reshapeCase([1], [], []),
  flipCase([5, 3], [0]),
  flipCase([5, 8], [0]),
  flipCase([2, 4, 3], [1, -1]),
  flipCase([7], undefined),
];

/** More than 65,535 workgroups. */
function longConcat(size: number): OpCase {
  return opCase<'a' | 'b'>({
    name: `concat [${size}] and [3]`,
    inputs: { a: values([size], [1, 2, 3, 4, 5, 6, 7]), b: normal([3]) },
    op: ({ a, b }) => concat([a, b]),
    reference: ({ a, b }) => nd([size + 3], joined(a, b)),
    gradients: [],
    bytes: 8 * size,
    large: true,
  });
}

function joined(a: Nd, b: Nd): Float64Array {
  const data = new Float64Array(a.data.length + b.data.length);
  data.set(a.data);
  data.set(b.data, a.data.length);
  return data;
}

const boxCases: readonly OpCase[] = [
  sliceCase([5, 7], [1, 2], [3, 4], [1, 1]),
  sliceCase([5, 8], [-2, 4], [2, 4], [1, 1]),
  sliceCase([9, 3], [1, 0], [3, 3], [3, 1]),
  sliceCase([11], [2], [3], [4]),
  sliceCase([4, 6, 8], [0, 1, 0], [4, 3, 8], [1, 2, 1]),
  sliceCase([4, 6], [2, 0], [0, 6], [1, 1], { ...once, secondOrder: false }),
  padCase([3, 4], [[1, 2]], 0),
  padCase(
    [2, 3, 4],
    [
      [0, 0],
      [1, 1],
      [0, 0],
    ],
    0,
  ),
  padCase(
    [3, 5],
    [
      [0, 1],
      [2, 0],
    ],
    -1.5,
  ),
  padCase(
    [2, 4],
    [
      [1, 0],
      [4, 8],
    ],
    7,
  ),
  padCase([0, 3], [[1, 1]], 2, { gradients: [], secondOrder: false }),
  padCase([], [], 2),
  padCase([3], [[1, 1]], Number.NaN, {
    gradients: [],
    secondOrder: false,
    inputs: { x: values([3], notFinite) },
  }),
  padCase([5], [[2, 1]], -7, { gradients: [], secondOrder: false, inputs: { x: values([5], wide, 'i32') } }),
  concatCase([2, 0, 4], [1, 3, 2], 1),
  concatCase([2, 3, 0], [4, 8], -1),
  concatCase([3, 0], [1, 5, 2], 1),
  splitCase([2, 3, 12], [4, 4, 4], -1),
  splitCase([2, 5, 3], [1, 4], 1),
  splitCase([7], [3, 0, 4], 0),
  splitCase([0, 4], [1, 3], 1),
  splitAndUseOne(),
  concatCase([0], [3, 0, 2], 0),
  concatCase([0, 5], [1, 2], 0),
  longConcat(65_536 * 64 + 1),
  stackCase([2, 3], 0),
  stackCase([2, 4], 1),
  stackCase([3], -1),
];

export const cases: readonly OpCase[] = [...axesCases, ...boxCases, ...gatherCases];
