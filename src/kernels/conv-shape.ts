import { check } from '../errors.ts';
import { formatShape, type Shape, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Depth, height, width. */
export type Triple = readonly [number, number, number];

/** A whole number for all spatial axes, or one for each. */
export type PerAxis = number | readonly number[];

/** Zeros around the input: on both sides of all axes, of each, or [before, after] of each. */
export type Padding = number | 'same' | 'valid' | readonly (number | readonly [number, number])[];

/**
 * A convolution of x [N, D, H, W, C] with w [KD, KH, KW, C / groups, O] to y [N, D', H', W', O]; it also describes both of
 * its adjoints. Convolutions of fewer axes have leading axes of size 1; `rank` is how many of them tensors show.
 */
export interface ConvShape {
  readonly rank: number;
  readonly batch: number;
  readonly channels: number;
  readonly filters: number;
  readonly groups: number;
  readonly input: Triple;
  readonly output: Triple;
  readonly kernel: Triple;
  readonly stride: Triple;
  readonly dilation: Triple;
  /** Zeros before the first element of each axis. */
  readonly padding: Triple;
}

export interface ConvGeometry {
  /** Step between outputs: 1 by default. */
  readonly stride?: PerAxis | undefined;
  /** Zeros around x: 0 (`valid`) by default; `same` pads so that an output is ⌈input / stride⌉, the odd zero behind. */
  readonly padding?: Padding | undefined;
  /** Distance between taps: 1 by default. */
  readonly dilation?: PerAxis | undefined;
  /** Channels fall into so many groups that do not see each other: 1 by default. */
  readonly groups?: number | undefined;
}

/** The three dimensions of a tensor's spatial axes, leading ones 1. */
function tripled(values: readonly number[], fill: number): Triple {
  const all = [...new Array<number>(3 - values.length).fill(fill), ...values];
  return [all[0] ?? fill, all[1] ?? fill, all[2] ?? fill];
}

function perAxis(op: string, name: string, value: PerAxis, rank: number, least: number): number[] {
  const list = typeof value === 'number' ? new Array<number>(rank).fill(value) : [...value];
  const valid = list.length === rank && list.every((v) => Number.isInteger(v) && v >= least);
  check(
    valid,
    op,
    () => `${name} must be ${rank} whole numbers from ${least} up; got ${JSON.stringify(value)}`,
  );
  return list;
}

/** [before, after] of each axis. */
export function paddingPairs(
  op: string,
  padding: Padding,
  axes: {
    input: readonly number[];
    kernel: readonly number[];
    stride: readonly number[];
    dilation: readonly number[];
  },
): [number, number][] {
  const { input, kernel, stride, dilation } = axes;
  const rank = kernel.length;
  if (padding === 'valid') return kernel.map(() => [0, 0]);
  if (padding === 'same') {
    return kernel.map((k, i) => {
      const [size, step] = [input[i] ?? 0, stride[i] ?? 1];
      const total = Math.max(
        (Math.ceil(size / step) - 1) * step + (k - 1) * (dilation[i] ?? 1) + 1 - size,
        0,
      );
      return [total >> 1, total - (total >> 1)];
    });
  }
  const list = typeof padding === 'number' ? new Array<number>(rank).fill(padding) : [...padding];
  const pairs = list.map((p): [number, number] => (typeof p === 'number' ? [p, p] : [p[0], p[1]]));
  const valid = pairs.length === rank && pairs.flat().every((p) => Number.isInteger(p) && p >= 0);
  check(
    valid,
    op,
    () =>
      `padding must be 'same', 'valid' or ${rank} whole numbers (or pairs) from 0 up; got ${JSON.stringify(padding)}`,
  );
  return pairs;
}

/** Stride, dilation and groups, checked; both kinds of convolution read them the same way. */
function steps(op: string, options: ConvGeometry, rank: number) {
  const { stride = 1, dilation = 1, groups = 1 } = options;
  check(
    Number.isInteger(groups) && groups > 0,
    op,
    () => `groups must be a positive whole number; got ${groups}`,
  );
  return {
    stride: perAxis(op, 'stride', stride, rank, 1),
    dilation: perAxis(op, 'dilation', dilation, rank, 1),
    groups,
  };
}

const KERNEL_AXES = ['K', 'KH, KW', 'KD, KH, KW'];

function checkOperands(op: string, x: Tensor, w: Tensor, rank: number): void {
  const fits = x.shape.length === rank + 2 && w.shape.length === rank + 2;
  check(
    fits,
    op,
    () => `x and w must have ${rank + 2} dimensions; got ${formatShape(x.shape)} and ${formatShape(w.shape)}`,
  );
}

/** Throws `ShapeError` unless groups divide the channels of x, which w takes, and the filters. */
function checkChannels(op: string, x: Tensor, w: Tensor, rank: number, groups: number): void {
  const [channels, filters] = [x.shape.at(-1) ?? 0, w.shape.at(-1) ?? 0];
  const fits = channels === (w.shape.at(-2) ?? 0) * groups && filters % groups === 0 && channels > 0;
  const axes = KERNEL_AXES[rank - 1] ?? '';
  const unknown = new Array<string>(rank).fill('?').join(', ');
  check(
    fits,
    op,
    () =>
      `w must be [${axes}, C/groups, O] = [${unknown}, ${channels / groups}, ?] with groups dividing both; got ` +
      `${formatShape(w.shape)} for x ${formatShape(x.shape)}, groups ${groups}`,
  );
}

/** The convolution of x with w. Throws `ShapeError`. */
export function convShape(op: string, x: Tensor, w: Tensor, rank: number, options: ConvGeometry): ConvShape {
  checkOperands(op, x, w, rank);
  const { stride, dilation, groups } = steps(op, options, rank);
  checkChannels(op, x, w, rank, groups);
  const [input, kernel] = [x.shape.slice(1, -1), w.shape.slice(0, -2)];
  const pairs = paddingPairs(op, options.padding ?? 0, { input, kernel, stride, dilation });
  const output = input.map((size, i) => {
    const [before, after] = pairs[i] ?? [0, 0];
    const reach = ((kernel[i] ?? 1) - 1) * (dilation[i] ?? 1) + 1;
    return Math.floor((size + before + after - reach) / (stride[i] ?? 1)) + 1;
  });
  const whole = kernel.every((k) => k > 0) && output.every((size) => size > 0);
  check(
    whole || input.some((size) => size === 0),
    op,
    () => `w ${formatShape(w.shape)} reaches beyond the padded x ${formatShape(x.shape)}`,
  );
  const least = output.map((size) => Math.max(size, 0));
  return {
    rank,
    batch: x.shape[0] ?? 0,
    channels: x.shape.at(-1) ?? 0,
    filters: w.shape.at(-1) ?? 0,
    groups,
    input: tripled(input, 1),
    output: tripled(least, 1),
    ...triples(kernel, stride, dilation, pairs),
  };
}

function triples(kernel: readonly number[], stride: number[], dilation: number[], pairs: [number, number][]) {
  return {
    kernel: tripled(kernel, 1),
    stride: tripled(stride, 1),
    dilation: tripled(dilation, 1),
    padding: tripled(
      pairs.map(([before]) => before),
      0,
    ),
  };
}

export interface ConvTransposeGeometry extends ConvGeometry {
  /** Taken away from both ends of y: a number for all axes, or one (or [before, after]) for each. 0 by default. */
  readonly padding?: Exclude<Padding, 'same' | 'valid'> | undefined;
  /** Added to the end of y, below the stride: 0 by default. */
  readonly outputPadding?: PerAxis | undefined;
}

/** The convolution whose adjoint takes x through w. Throws `ShapeError`. */
export function convTransposeShape(
  op: string,
  x: Tensor,
  w: Tensor,
  rank: number,
  options: ConvTransposeGeometry,
): ConvShape {
  checkOperands(op, x, w, rank);
  const { stride, dilation, groups } = steps(op, options, rank);
  const filters = x.shape.at(-1) ?? 0;
  const channels = (w.shape.at(-2) ?? 0) * groups;
  const fits = filters === w.shape.at(-1) && filters % groups === 0 && channels > 0;
  const axes = KERNEL_AXES[rank - 1] ?? '';
  check(
    fits,
    op,
    () =>
      `w must be [${axes}, O/groups, C] with C = ${filters}, which groups must divide; got ${formatShape(w.shape)} for ` +
      `x ${formatShape(x.shape)}, groups ${groups}`,
  );
  const [output, kernel] = [x.shape.slice(1, -1), w.shape.slice(0, -2)];
  const pairs = paddingPairs(op, options.padding ?? 0, { input: output, kernel, stride, dilation });
  const extra = perAxis(op, 'outputPadding', options.outputPadding ?? 0, rank, 0);
  const below = extra.every((e, i) => e < Math.max(stride[i] ?? 1, dilation[i] ?? 1));
  check(
    below,
    op,
    () => `outputPadding must be below the stride (or dilation); got [${extra}], stride [${stride}]`,
  );
  const input = output.map((size, i) => {
    const [before, after] = pairs[i] ?? [0, 0];
    const reach = ((kernel[i] ?? 1) - 1) * (dilation[i] ?? 1) + 1;
    return (size - 1) * (stride[i] ?? 1) + reach - before - after + (extra[i] ?? 0);
  });
  const whole = input.every((size) => size > 0) && kernel.every((k) => k > 0);
  check(whole, op, () => `padding leaves nothing of the output: [${input}] for x ${formatShape(x.shape)}`);
  const sizes = { input: tripled(input, 1), output: tripled(output, 1) };
  return {
    rank,
    batch: x.shape[0] ?? 0,
    channels,
    filters,
    groups,
    ...sizes,
    ...triples(kernel, stride, dilation, pairs),
  };
}

/** [N, …input, C]. */
export function inputShape({ rank, batch, input, channels }: ConvShape): Shape {
  return [batch, ...input.slice(3 - rank), channels];
}

/** [K…, C / groups, O]. */
export function weightShape({ rank, kernel, channels, groups, filters }: ConvShape): Shape {
  return [...kernel.slice(3 - rank), channels / groups, filters];
}

/** [N, …output, O]. */
export function outputShape({ rank, batch, output, filters }: ConvShape): Shape {
  return [batch, ...output.slice(3 - rank), filters];
}

/** Outputs of a convolution, in all samples. */
export function pixelsOf({ batch, output }: ConvShape): number {
  return batch * sizeOf(output);
}

/** Floating-point operations of a convolution, and of either of its adjoints. */
export function convFlops({ batch, channels, filters, groups, output, kernel }: ConvShape): number {
  return (2 * batch * sizeOf(output) * sizeOf(kernel) * channels * filters) / groups;
}
