import {
  type ConvOptions,
  type ConvTransposeOptions,
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
} from '../../src/kernels/conv.ts';
import { normal, type OpCase, opCase, uniform, values } from './case.ts';
import { convReference, convTransposeReference, type Window } from './conv-reference.ts';
import { type Nd, nd } from './nd.ts';

type Shape = readonly number[];
type Extra = Partial<
  Pick<OpCase<'x' | 'w'>, 'linear' | 'gradients' | 'secondOrder' | 'flops' | 'bytes' | 'name'>
>;
type Options = Omit<ConvOptions & ConvTransposeOptions, 'bias' | 'residual' | 'padding'> & {
  padding?: ConvOptions['padding'];
};

const CONV = [conv1d, conv2d, conv3d];
const TRANSPOSE = [convTranspose1d, convTranspose2d, convTranspose3d];

function perAxis(value: number | readonly number[] | undefined, rank: number, fallback: number): number[] {
  return typeof value === 'object' ? [...value] : new Array<number>(rank).fill(value ?? fallback);
}

/** What the options mean, worked out a second time. */
function windowOf(spatial: Shape, kernel: Shape, options: Options): Window {
  const rank = kernel.length;
  const [stride, dilation] = [perAxis(options.stride, rank, 1), perAxis(options.dilation, rank, 1)];
  const padding = kernel.map((k, i): [number, number] => {
    const { padding: p = 0 } = options;
    if (p === 'valid') return [0, 0];
    if (p === 'same') {
      const [size, step] = [spatial[i] ?? 0, stride[i] ?? 1];
      let total = 0;
      while (outputSize(size + total, k, step, dilation[i] ?? 1) < Math.ceil(size / step)) total++;
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    }
    const own = typeof p === 'number' ? p : (p[i] ?? 0);
    return typeof own === 'number' ? [own, own] : [own[0], own[1]];
  });
  return { stride, dilation, padding, groups: options.groups ?? 1 };
}

function outputSize(size: number, kernel: number, stride: number, dilation: number): number {
  return Math.floor((size - (kernel - 1) * dilation - 1) / stride) + 1;
}

function yShapeOf(x: Shape, w: Shape, window: Window): number[] {
  const spatial = x.slice(1, -1).map((size, i) => {
    const [before, after] = window.padding[i] ?? [0, 0];
    return outputSize(size + before + after, w[i] ?? 1, window.stride[i] ?? 1, window.dilation[i] ?? 1);
  });
  return [x[0] ?? 0, ...spatial, w.at(-1) ?? 0];
}

const RELU: Record<string, (value: number) => number> = {
  relu: (value) => Math.max(value, 0),
  leakyRelu: (value) => Math.max(value, 0.01 * value),
  tanh: Math.tanh,
};

function activated(y: Nd, options: Options): Nd {
  const f = RELU[options.activation ?? ''];
  return f ? nd(y.shape, y.data.map(f)) : y;
}

function label(name: string, x: Shape, w: Shape, options: Options): string {
  return `${name} [${x}] * [${w}] ${JSON.stringify(options).replaceAll('"', '')}`;
}

function conv(x: Shape, w: Shape, options: Options = {}, extra: Extra = {}): OpCase {
  const rank = x.length - 2;
  const window = windowOf(x.slice(1, -1), w.slice(0, -2), options);
  const y = yShapeOf(x, w, window);
  return opCase<'x' | 'w'>({
    name: label(`conv${rank}d`, x, w, options),
    inputs: { x: normal(x), w: normal(w) },
    op: (t) => (CONV[rank - 1] ?? conv3d)(t.x, t.w, options),
    reference: (t) => activated(convReference(t.x, t.w, y, window), options),
    linear: options.activation ? [] : ['x', 'w'],
    gradients: [],
    ...extra,
  });
}

function biased(x: Shape, w: Shape, options: Options, gradients?: readonly ('x' | 'w' | 'bias')[]): OpCase {
  const window = windowOf(x.slice(1, -1), w.slice(0, -2), options);
  const y = yShapeOf(x, w, window);
  return opCase<'x' | 'w' | 'bias'>({
    name: label('with bias', x, w, options),
    inputs: { x: normal(x), w: normal(w), bias: normal([w.at(-1) ?? 0]) },
    op: (t) => (CONV[x.length - 3] ?? conv3d)(t.x, t.w, { ...options, bias: t.bias }),
    reference: (t) => activated(convReference(t.x, t.w, y, window, t.bias), options),
    secondOrder: options.activation === undefined && !gradients,
    ...(gradients && { gradients }),
  });
}

/** With bias, what leads around the convolution, and activation. */
function residual(x: Shape, w: Shape, options: Options, extra: Pick<OpCase, 'secondOrder'> = {}): OpCase {
  const window = windowOf(x.slice(1, -1), w.slice(0, -2), options);
  const y = yShapeOf(x, w, window);
  const added = (sum: Nd, more: Nd) =>
    nd(
      sum.shape,
      sum.data.map((value, i) => value + (more.data[i] ?? 0)),
    );
  return opCase<'x' | 'w' | 'bias' | 'residual'>({
    name: label('residual', x, w, options),
    inputs: { x: normal(x), w: normal(w), bias: normal([w.at(-1) ?? 0]), residual: normal(y) },
    op: (t) => (CONV[x.length - 3] ?? conv3d)(t.x, t.w, { ...options, bias: t.bias, residual: t.residual }),
    reference: (t) => activated(added(convReference(t.x, t.w, y, window, t.bias), t.residual), options),
    ...extra,
  });
}

type TransposeOptions = Options & Pick<ConvTransposeOptions, 'outputPadding'>;

function transposed(
  x: Shape,
  w: Shape,
  options: TransposeOptions,
  gradients?: readonly ('x' | 'w' | 'bias')[],
): OpCase {
  const rank = x.length - 2;
  const { outputPadding, padding, ...rest } = options;
  const window = windowOf([], w.slice(0, -2), options);
  const extra = perAxis(outputPadding, rank, 0);
  const spatial = x.slice(1, -1).map((size, i) => {
    const [before, after] = window.padding[i] ?? [0, 0];
    const reach = ((w[i] ?? 1) - 1) * (window.dilation[i] ?? 1) + 1;
    return (size - 1) * (window.stride[i] ?? 1) + reach - before - after + (extra[i] ?? 0);
  });
  const channels = (w.at(-2) ?? 0) * window.groups;
  const y = [x[0] ?? 0, ...spatial, channels];
  return opCase<'x' | 'w' | 'bias'>({
    name: label(`convTranspose${rank}d`, x, w, options),
    inputs: { x: normal(x), w: normal(w), bias: normal([channels]) },
    op: (t) =>
      (TRANSPOSE[rank - 1] ?? convTranspose3d)(t.x, t.w, {
        ...rest,
        outputPadding,
        padding: padding as ConvTransposeOptions['padding'],
        bias: t.bias,
      }),
    reference: (t) => convTransposeReference(t.x, t.w, y, window, t.bias),
    secondOrder: !gradients,
    ...(gradients && { gradients }),
  });
}

const small: Extra = { gradients: ['x', 'w'], secondOrder: true };

/** A size to measure; its gradients are checked by the adjoint identity. */
function measured(x: Shape, w: Shape, options: Options = {}): OpCase {
  const y = yShapeOf(x, w, windowOf(x.slice(1, -1), w.slice(0, -2), options));
  const size = (shape: Shape) => shape.reduce((a, b) => a * b, 1);
  const flops = 2 * size(y) * size(w.slice(0, -1));
  return conv(x, w, options, { flops, bytes: 4 * (size(x) + size(w) + size(y)), linear: ['x', 'w'] });
}

const strides = [1, 2, 3];
const paddings = [0, 2] as const;
const dilations = [1, 2];

/** Every stride, padding and dilation in one dimension, first with odd channels, then with whole vectors. */
const combinations = strides.flatMap((stride) =>
  paddings.flatMap((padding) =>
    dilations.flatMap((dilation) => [
      conv([2, 9, 2], [3, 2, 3], { stride, padding, dilation }, small),
      conv([1, 8, 4], [2, 4, 8], { stride, padding, dilation }, { gradients: ['x', 'w'] }),
      transposed([2, 4, 3], [3, 2, 3], { stride, padding, dilation: 2 }),
    ]),
  ),
);

export const cases: readonly OpCase[] = [
  ...combinations,
  conv([1, 1, 1], [1, 1, 1], {}, small),
  conv([2, 5, 3], [3, 3, 2], { padding: 'same' }, small),
  conv([2, 6, 3], [4, 3, 2], { padding: 'same', stride: 2 }, small),
  conv([2, 5, 3], [2, 3, 2], { padding: [[0, 3]], stride: 2 }, small),
  conv([2, 4, 5, 2], [3, 2, 2, 3], { padding: 1, stride: [1, 2] }, small),
  conv([1, 5, 4, 4], [2, 3, 4, 4], { padding: [1, 0], stride: [3, 1], dilation: [2, 1] }, small),
  conv([2, 3, 4, 3, 2], [2, 3, 2, 2, 3], { padding: [1, 0, 1], stride: [1, 2, 1] }, small),
  conv([1, 3, 3, 3, 4], [2, 2, 2, 4, 4], { padding: 1, stride: 2, dilation: [1, 2, 1] }, small),
  conv([1, 4, 4, 6], [3, 3, 2, 9], { groups: 3, padding: 1 }, small),
  conv([1, 4, 3, 8], [2, 2, 4, 8], { groups: 2, padding: 1, stride: 2 }, small),
  conv([2, 5, 8], [3, 1, 8], { groups: 8, padding: 1, stride: 2 }, small),
  conv([1, 5, 6], [3, 1, 6], { groups: 6, padding: 2, dilation: 2 }, small),
  conv([1, 4, 4, 4], [3, 3, 1, 4], { groups: 4, padding: 1, stride: 2 }, small),
  conv([1, 5, 4], [3, 1, 8], { groups: 4, padding: 1 }, small),
  conv([2, 5, 5, 4], [3, 3, 1, 4], { groups: 4, padding: 1 }, small),
  conv([1, 4, 4, 4], [3, 3, 1, 4], { groups: 4, padding: 3 }, { gradients: ['x', 'w'] }),
  conv([1, 2, 6, 4, 4], [1, 3, 3, 1, 4], { groups: 4, padding: [0, 1, 0] }, { gradients: ['x', 'w'] }),
  conv([2, 35, 6, 8], [3, 3, 1, 8], { groups: 8, padding: 1 }),
  conv([0, 5, 4], [3, 4, 4], { padding: 1 }),
  conv([0, 5, 5, 4], [3, 3, 4, 4], { padding: 1 }),
  conv([2, 6, 5, 4], [3, 3, 4, 8], { padding: 1 }, small),
  conv([1, 9, 4, 8], [3, 3, 8, 4], {}, { gradients: ['x', 'w'] }),
  conv(
    [1, 5, 5, 4],
    [3, 3, 4, 4],
    {
      padding: [
        [0, 2],
        [3, 1],
      ],
    },
    { gradients: ['x', 'w'] },
  ),
  conv([2, 3, 5, 6, 4], [1, 3, 3, 4, 8], { padding: [0, 1, 1] }, { gradients: ['x', 'w'] }),
  conv([1, 2, 6, 5, 4], [1, 3, 3, 4, 4], { padding: [1, 1, 1] }),
  conv([1, 2, 3, 5, 4], [1, 3, 3, 4, 4], { padding: [[0, 1], 1, 1] }, { gradients: ['x', 'w'] }),
  conv([2, 3, 6, 5, 4], [3, 3, 3, 4, 8], { padding: 1 }, small),
  conv([2, 1, 5, 4, 8], [3, 3, 3, 8, 4], { padding: 1 }, { gradients: ['x', 'w'] }),
  conv([2, 5, 5, 7, 4], [2, 3, 3, 4, 4], { padding: [0, 1, 0] }, { gradients: ['x', 'w'] }),
  conv([1, 3, 4, 5, 4], [5, 3, 3, 4, 4], { padding: [2, 0, 1] }, { gradients: ['x', 'w'] }),
  conv([2, 2, 4, 3, 4], [3, 3, 3, 4, 4], { padding: [[4, 1], [0, 2], 1] }, { gradients: ['x', 'w'] }),
  transposed([1, 5, 4, 8], [3, 3, 4, 8], { padding: 1 }),
  conv([7, 4, 4, 3], [3, 3, 3, 20], { padding: 1, stride: 2 }),
  conv([2, 13, 11, 5], [3, 3, 5, 7], { padding: 1 }),
  conv([2, 9, 10, 12], [3, 5, 12, 36], { padding: [1, 2] }),
  conv([3, 6, 6, 24], [1, 1, 24, 40]),
  conv([2, 7, 7, 16], [1, 1, 16, 8], { stride: 2 }),
  conv([3, 15, 25, 16], [5, 1, 16, 16], { padding: [2, 0], stride: [2, 1] }),
  conv([2, 4, 6, 6, 16], [3, 3, 3, 16, 32], { padding: 1, stride: [1, 2, 2] }),
  conv([4, 3, 3, 32], [3, 3, 32, 64], { padding: 1, stride: 2 }),
  conv([2, 12, 12, 3], [7, 7, 3, 16], { padding: 3, stride: 2 }),
  conv([2, 17, 32], [9, 1, 32], { groups: 32, padding: 4 }),
  conv([2, 9, 9, 64], [3, 3, 1, 64], { groups: 64, padding: 1, stride: 2 }),
  conv([2, 5, 6, 7, 12], [3, 3, 3, 1, 12], { groups: 12, padding: 1, stride: [1, 2, 1] }),
  conv([2, 8, 8, 24], [3, 3, 8, 24], { groups: 3, padding: 1 }),
  biased([2, 5, 3], [3, 3, 2], { padding: 1 }),
  biased([1, 4, 4, 4], [3, 3, 4, 8], { stride: 2 }),
  biased([1, 5, 8], [3, 1, 8], { groups: 8, padding: 1 }),
  biased([1, 4, 5, 8], [3, 3, 1, 8], { groups: 8, activation: 'leakyRelu' }),
  biased([2, 5, 3], [3, 3, 4], { activation: 'relu' }),
  biased([2, 5, 4], [3, 4, 5], { activation: 'leakyRelu', padding: 1 }),
  biased([2, 5, 4], [3, 4, 4], { activation: 'tanh' }),
  biased([2, 6, 5, 20], [3, 3, 20, 12], { activation: 'relu', padding: 1 }, []),
  biased([2, 2, 5, 6, 4], [3, 3, 3, 4, 8], { activation: 'leakyRelu', padding: 1 }),
  residual([2, 5, 3], [3, 3, 2], { padding: 1 }, { secondOrder: true }),
  residual([1, 5, 4, 4], [3, 3, 4, 8], { padding: 1, activation: 'tanh' }),
  residual([2, 3, 4, 5, 4], [3, 3, 3, 4, 4], { padding: [0, 1, 1], activation: 'relu' }),
  residual([1, 5, 8], [3, 1, 8], { groups: 8, padding: 1, stride: 2 }),
  residual([1, 4, 4, 8], [3, 3, 1, 8], { groups: 8, padding: 1, activation: 'relu' }),
  transposed([1, 3, 3, 4], [3, 3, 4, 4], { stride: 2, padding: 1, outputPadding: 1 }),
  transposed([1, 3, 2, 3], [2, 3, 2, 3], {
    stride: [3, 1],
    padding: [
      [0, 1],
      [1, 0],
    ],
    outputPadding: [2, 0],
  }),
  transposed([1, 2, 2, 2, 4], [2, 2, 2, 3, 4], { stride: 2 }),
  transposed([2, 2, 5, 4, 8], [3, 3, 3, 4, 8], { padding: 1 }),
  transposed([1, 4, 6], [3, 1, 6], { stride: 2, groups: 2 }),
  transposed([2, 4, 8], [2, 1, 8], { stride: 3, groups: 8 }),
  transposed([2, 7, 9, 12], [4, 4, 20, 12], { stride: 2, padding: 1 }, []),
  { ...transposed([1, 1, 1, 4], [1, 1, 4, 4], { stride: 257 }, []), large: true }, // a phase a workgroup: more than 65,535
  opCase<'x' | 'w'>({
    name: 'infinity and NaN reach what sees them and nothing else',
    inputs: {
      x: values([1, 7, 4], [1, 2, -3, 0.5, 1, 1, 1, 1, Number.NaN, 1, Number.POSITIVE_INFINITY]),
      w: uniform([2, 4, 5], 1, 2),
    },
    op: (t) => conv1d(t.x, t.w),
    reference: (t) => convReference(t.x, t.w, [1, 6, 5], windowOf([7], [2], {})),
    gradients: [],
  }),
  measured([4, 8, 24, 24, 3], [3, 3, 3, 3, 8], { padding: 1, stride: [1, 2, 2] }),
  measured([4, 8, 12, 12, 8], [3, 3, 3, 8, 16], { padding: 1, stride: [1, 2, 2] }),
  measured([1, 28, 28, 64], [3, 3, 64, 64], { padding: 1 }),
  measured([1, 24, 26, 16], [5, 3, 16, 32], { padding: [2, 1] }), // enough work for large tiles
  measured([1, 24, 26, 16], [5, 3, 16, 33], { padding: [2, 1] }),
];
