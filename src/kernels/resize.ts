import { check } from '../errors.ts';
import { formatShape, type Spec, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { groupsOf } from './elementwise-broadcast.ts';
import { inF32 } from './elementwise-cast.ts';
import { checkFloats, defineOp, f32, readsNothing } from './op.ts';
import { run } from './run.ts';
import { resizeWgsl } from './wgsl.gen.ts';

export type ResizeMode = 'bilinear' | 'nearest';

export interface ResizeOptions {
  /** The new length of each spatial axis. */
  readonly size: readonly number[];
  /** `'bilinear'` (linear along each axis) when left out, or `'nearest'`. */
  readonly mode?: ResizeMode;
  /** Put the first and last elements on each other instead of the outer edges; bilinear only. */
  readonly alignCorners?: boolean;
}

interface AxisAttrs {
  readonly axis: number;
  readonly n: number;
  readonly m: number;
  readonly mode: ResizeMode;
  readonly alignCorners: boolean;
}

const resizeAxisOp = defineOp<{ x: Tensor }, AxisAttrs, [Spec]>({
  name: 'resize',
  outputs: ({ x }, { axis, m }) => [f32(x.shape.with(axis, m))],
  forward({ x }, [out], attrs) {
    const { vectors, params, launch } = plan(x, out, attrs);
    if (vectors) run(resizeWgsl, 'resizeVectors', { x, out }, params, launch);
    else run(resizeWgsl, 'resizeElements', { xScalar: x, out }, params, launch);
  },
  reads: readsNothing,
  gradient: ({ attrs, grads: [g] }) => ({ x: () => resizeAxisGradOp({ x: g as Tensor }, attrs)[0] }),
});

const resizeAxisGradOp = defineOp<{ x: Tensor }, AxisAttrs, [Spec]>({
  name: 'resizeGrad',
  outputs: ({ x }, { axis, n }) => [f32(x.shape.with(axis, n))],
  forward({ x }, [out], attrs) {
    const { vectors, params, launch } = plan(x, out, attrs);
    if (vectors) run(resizeWgsl, 'adjointVectors', { x, out }, params, launch);
    else run(resizeWgsl, 'adjointElements', { xScalar: x, out }, params, launch);
  },
  gradient: ({ attrs, grads: [g] }) => ({ x: (): Tensor => resizeAxisOp({ x: g as Tensor }, attrs)[0] }),
});

/**
 * Resamples the spatial axes of [N, L, C], [N, H, W, C] or [N, D, H, W, C] to `size`, with the coordinates of PyTorch's
 * `interpolate`: output o of m lies at (o + ½)·n/m − ½ of n (`alignCorners`: o·(n−1)/(m−1); nearest: ⌊o·n/m⌋), clamped to
 * the input. Linear interpolation is separable, so it runs axis by axis, the one that shrinks most first. No antialiasing.
 * Throws `ShapeError` unless x is f32 of rank 3 to 5, `size` has a positive length for each axis, and (n + 1)(m + 1) < 2³⁰.
 */
export function resize(x: Tensor, { size, mode = 'bilinear', alignCorners = false }: ResizeOptions): Tensor {
  checkResize(x, size, mode, alignCorners);
  const axes = size.map((m, i) => ({ axis: i + 1, n: x.shape[i + 1] ?? 1, m, mode, alignCorners }));
  const changed = axes.filter(({ n, m }) => n !== m).toSorted((a, b) => a.m / a.n - b.m / b.n);
  // Even without a change the result is a tensor of its own.
  const passes = changed.length > 0 ? changed : axes.slice(0, 1);
  return inF32(x, (wide) => passes.reduce((y, attrs) => resizeAxisOp({ x: y }, attrs)[0], wide));
}

function checkResize(x: Tensor, size: readonly number[], mode: ResizeMode, alignCorners: boolean): void {
  checkFloats('resize', { x });
  const input = x.shape.slice(1, -1);
  const ranks = x.shape.length >= 3 && x.shape.length <= 5 && size.length === input.length;
  check(ranks, 'resize', () => `x must be [N, spatial…, C] with a size per axis; got ${x} and [${size}]`);
  const whole = [...size, ...input].every((n) => Number.isInteger(n) && n > 0);
  const fits = whole && size.every((m, i) => (m + 1) * ((input[i] ?? 1) + 1) < 2 ** 30);
  check(
    fits,
    'resize',
    () => `lengths must be positive, and not huge; got ${formatShape(input)} to [${size}]`,
  );
  check(mode === 'bilinear' || !alignCorners, 'resize', () => `alignCorners is for bilinear; got ${mode}`);
}

/** The position of output o in the input as (o·times + plus − minus) / over. */
function coordinates({ n, m, mode, alignCorners }: AxisAttrs) {
  if (mode === 'nearest') return { times: n, plus: 0, minus: 0, over: m, nearest: 1 };
  if (alignCorners) return { times: n - 1, plus: 0, minus: 0, over: Math.max(m - 1, 1), nearest: 0 };
  return { times: 2 * n, plus: n, minus: m, over: 2 * m, nearest: 0 };
}

function plan(x: Tensor, out: Tensor, attrs: AxisAttrs) {
  const inner = sizeOf(x.shape.slice(attrs.axis + 1));
  const candidates = inner % 4 === 0 ? (['vectors', 'elements'] as const) : (['elements'] as const);
  const vectors = x.device.variants.choose('resize', candidates) === 'vectors';
  const count = Math.ceil(out.size / 4);
  const dims = { count, n: attrs.n, m: attrs.m, inner: vectors ? inner / 4 : inner };
  return { vectors, params: { ...dims, ...coordinates(attrs) }, launch: { groups: groupsOf(count) } };
}
