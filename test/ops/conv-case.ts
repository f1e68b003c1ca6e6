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
import { normal, type OpCase, opCase } from './case.ts';
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
export function windowOf(spatial: Shape, kernel: Shape, options: Options): Window {
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

export function conv(x: Shape, w: Shape, options: Options = {}, extra: Extra = {}): OpCase {
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

export function biased(
  x: Shape,
  w: Shape,
  options: Options,
  gradients?: readonly ('x' | 'w' | 'bias')[],
): OpCase {
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
export function residual(
  x: Shape,
  w: Shape,
  options: Options,
  extra: Pick<OpCase, 'secondOrder'> = {},
): OpCase {
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

export function transposed(
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

export const small: Extra = { gradients: ['x', 'w'], secondOrder: true };

/** A size to measure; its gradients are checked by the adjoint identity. */
export function measured(x: Shape, w: Shape, options: Options = {}): OpCase {
  const y = yShapeOf(x, w, windowOf(x.slice(1, -1), w.slice(0, -2), options));
  const size = (shape: Shape) => shape.reduce((a, b) => a * b, 1);
  const flops = 2 * size(y) * size(w.slice(0, -1));
  return conv(x, w, options, { flops, bytes: 4 * (size(x) + size(w) + size(y)), linear: ['x', 'w'] });
}
