import { check, checkNames, need } from '../errors.ts';
import { formatShape, type Shape, type Spec, stridesOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { bitsOf, groupsOf } from './elementwise-broadcast.ts';
import { copyStrided } from './layout-copy.ts';
import { checkTensor, defineOp, readsNothing } from './op.ts';
import { run } from './run.ts';
import { layoutWgsl } from './wgsl.gen.ts';

type X = { x: Tensor };

/** Where a slice lies: one entry per leading axis; axes left out are taken whole. */
export interface SliceOptions {
  /** First index (0 when left out); negative ones count from the back. */
  readonly begin?: readonly number[];
  /** How many indices are taken (all that follow when left out or undefined). */
  readonly size?: readonly (number | undefined)[];
  /** Take every `step`-th index (1 when left out). */
  readonly step?: readonly number[];
}

interface Region {
  readonly begin: readonly number[];
  readonly step: readonly number[];
  readonly size: Shape;
}

const sliceOp = defineOp<X, Region, [Spec]>({
  name: 'slice',
  outputs: ({ x }, { size }) => [{ shape: size, dtype: x.dtype }],
  forward({ x }, [out], { begin, step, size }) {
    const strides = stridesOf(x.shape);
    const start = strides.reduce((sum, stride, axis) => sum + stride * (begin[axis] ?? 0), 0);
    const walk = { dims: size, strides: strides.map((stride, axis) => stride * (step[axis] ?? 1)), start };
    copyStrided(x, out, walk, 'slice');
  },
  reads: readsNothing,
  gradient: ({ inputs: { x }, attrs: { begin, step }, grads: [g] }) => ({
    x: (): Tensor => placeOp({ x: g as Tensor }, { shape: x.shape, begin, step, value: 0 })[0],
  }),
});

/**
 * A box of `x`: `out[…i…] = x[…begin + i·step…]` for 0 ≤ i < size, on each axis. Any dtype; the output has shape `size`.
 * `slice(x, { begin: [0, 1], size: [2] })` is x[0:2, 1:]. Throws `ShapeError` for a range outside the tensor.
 */
export function slice(x: Tensor, options: SliceOptions): Tensor {
  checkTensor('slice', x);
  checkNames('slice', options, ['begin', 'size', 'step']);
  check(!('end' in options), 'slice', () => "options have no 'end'; 'size' is meant, counted from 'begin'");
  const { begin = [], size = [], step = [] } = options;
  const most = Math.max(begin.length, size.length, step.length);
  check(most <= x.shape.length, 'slice', () => `${most} ranges for ${x}`);
  const ranges = x.shape.map((dim, axis) => range(x, axis, dim, options));
  const region = {
    begin: ranges.map((r) => r.begin),
    step: ranges.map((r) => r.step),
    size: ranges.map((r) => r.size),
  };
  return sliceOp({ x }, region)[0];
}

function range(x: Tensor, axis: number, dim: number, options: SliceOptions) {
  const given = options.begin?.[axis] ?? 0;
  const begin = given < 0 ? given + dim : given;
  const step = options.step?.[axis] ?? 1;
  const size = options.size?.[axis] ?? Math.ceil((dim - begin) / step);
  const whole = [begin, step, size].every(Number.isInteger) && begin >= 0 && step >= 1 && size >= 0;
  const fits = whole && (size === 0 ? begin <= dim : begin + (size - 1) * step < dim);
  check(fits, 'slice', () => `axis ${axis} of ${x}: begin ${given}, size ${size}, step ${step} do not fit`);
  return { begin, step, size };
}

interface Place {
  readonly shape: Shape;
  readonly begin: readonly number[];
  readonly step: readonly number[];
  readonly value: number;
}

/** `out[…begin + i·step…] = x[…i…]`, `value` elsewhere: the adjoint of `slice`, and `pad`. */
const placeOp = defineOp<X, Place, [Spec]>({
  name: 'pad',
  outputs: ({ x }, { shape }) => [{ shape, dtype: x.dtype }],
  forward({ x }, [out], place) {
    if (out.size > 0) launchPlace(x, out, place);
  },
  reads: readsNothing,
  gradient: ({ inputs: { x }, attrs: { begin, step }, grads: [g] }) => ({
    x: (): Tensor => sliceOp({ x: g as Tensor }, { begin, step, size: x.shape })[0],
  }),
});

/**
 * Surrounds `x` with `value`: `padding[axis] = [before, after]` elements for each leading axis; any dtype.
 * [H, W] → [before + H + after, …]. Throws `ShapeError` for negative or fractional padding.
 */
export function pad(
  x: Tensor,
  padding: readonly (readonly [number, number])[],
  { value = 0 }: { value?: number } = {},
): Tensor {
  checkTensor('pad', x);
  const pairs = Array.isArray(padding) && padding.every((pair) => Array.isArray(pair) && pair.length === 2);
  need(pairs, 'pad', '[before, after] for each axis', padding);
  const valid =
    padding.length <= x.shape.length && padding.flat().every((n) => Number.isInteger(n) && n >= 0);
  check(valid, 'pad', () => `[before, after] ≥ 0 for each axis of ${x}; got [${padding.map(formatShape)}]`);
  const shape = x.shape.map((dim, axis) => dim + (padding[axis]?.[0] ?? 0) + (padding[axis]?.[1] ?? 0));
  const begin = x.shape.map((_, axis) => padding[axis]?.[0] ?? 0);
  return placeOp({ x }, { shape, begin, step: x.shape.map(() => 1), value })[0];
}

interface Axis {
  readonly n: number;
  readonly before: number;
  readonly step: number;
  readonly limit: number;
}

function launchPlace(x: Tensor, out: Tensor, { begin, step, value }: Place): void {
  const axes = mergePlace(
    out.shape.map((n, k) => ({ n, before: begin[k] ?? 0, step: step[k] ?? 1, limit: x.shape[k] ?? 1 })),
  );
  check(axes.length <= 6, 'pad', () => `at most 6 axes that do not merge; got ${x}`);
  const inner = axes.at(-1) as Axis;
  const whole = inner.step === 1 && [inner.n, inner.before, inner.limit].every((n) => n % 4 === 0);
  const variant = x.device.variants.choose('pad', whole ? ['vectors', 'elements'] : ['elements']);
  const count = Math.ceil(out.size / 4);
  const bits = bitsOf('pad', value, x.dtype);
  const launch = { groups: groupsOf(count) };
  if (variant === 'vectors') {
    const quarter = { ...inner, n: inner.n / 4, before: inner.before / 4, limit: inner.limit / 4 };
    const params = { ...placeParams([...axes.slice(0, -1), quarter]), count, value: bits };
    run(layoutWgsl, 'placeVectors', { x, out }, { ...params, size: lastIndex(x.size / 4) }, launch);
  } else {
    const params = { ...placeParams(axes), count, value: bits, size: lastIndex(x.size) };
    run(layoutWgsl, 'placeElements', { xScalar: x, out }, params, launch);
  }
}

function lastIndex(count: number): number {
  return Math.max(count - 1, 0);
}

/** Fewer axes: an untouched axis joins the one outside it. At least one is left. */
function mergePlace(axes: readonly Axis[]): Axis[] {
  const merged: Axis[] = [];
  for (const axis of axes) {
    const untouched = axis.before === 0 && axis.step === 1 && axis.n === axis.limit;
    if (untouched && axis.n === 1) continue;
    const outer = merged.at(-1);
    if (untouched && outer?.step === 1) {
      const { n, before, limit } = outer;
      merged.splice(-1, 1, { n: n * axis.n, before: before * axis.n, step: 1, limit: limit * axis.n });
    } else merged.push(axis);
  }
  return merged.length > 0 ? merged : [{ n: 1, before: 0, step: 1, limit: 1 }];
}

/** The shader counts axes from the innermost. */
function placeParams(axes: readonly Axis[]) {
  const whole = { n: 1, before: 0, step: 1, limit: 1 };
  const [a, b, c, d, e, f] = [...axes].reverse();
  const [a0, a1, a2, a3, a4, a5] = [a ?? whole, b ?? whole, c ?? whole, d ?? whole, e ?? whole, f ?? whole];
  return {
    ...{ n0: a0.n, n1: a1.n, n2: a2.n, n3: a3.n, n4: a4.n },
    ...{ before0: a0.before, before1: a1.before, before2: a2.before },
    ...{ before3: a3.before, before4: a4.before, before5: a5.before },
    ...{ step0: a0.step, step1: a1.step, step2: a2.step, step3: a3.step, step4: a4.step, step5: a5.step },
    ...{ limit0: a0.limit, limit1: a1.limit, limit2: a2.limit },
    ...{ limit3: a3.limit, limit4: a4.limit, limit5: a5.limit },
  };
}
