import { add, cast, greater, greaterEqual, less, mul, sign, sub } from '../kernels/elementwise.ts';
import { onesLike } from '../kernels/fill.ts';
import { gather, reshape, slice } from '../kernels/layout.ts';
import { randomUniform } from '../kernels/random.ts';
import { sum } from '../kernels/reduce.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { asNumber, type Problem } from './problem.ts';
import type { StepSeed } from './stepper.ts';
import { draw } from './track.ts';

/** Which random numbers: those of a seed and a stream. */
export interface Draws {
  readonly seed: StepSeed;
  readonly stream: number;
}

/** How windows lie in an input. */
export interface Layout {
  /** The axes that windows have sides along; the second may be missing. */
  readonly axes: readonly [number, number | undefined];
  readonly height: number;
  readonly width: number;
  /** Shapes that broadcast to the input: one number for each channel, and for each channel and column. */
  readonly channels: Shape;
  readonly lanes: Shape;
}

/** Windows in the two axes before the channels; in the only one of [N, L] and [N, L, C]. */
export function layoutOf(shape: Shape): Layout {
  const rank = shape.length;
  const axes = rank <= 3 ? ([1, undefined] as const) : ([rank - 3, rank - 2] as const);
  const channel = rank === 2 ? undefined : rank - 1;
  const only = (...kept: readonly (number | undefined)[]) =>
    shape.map((size, axis) => (axis === 0 || kept.includes(axis) ? size : 1));
  return {
    axes,
    height: shape[axes[0]] ?? 1,
    width: axes[1] === undefined ? 1 : (shape[axes[1]] ?? 1),
    channels: only(channel),
    // With one axis a stripe is an element.
    lanes: only(channel, axes[1] ?? axes[0]),
  };
}

/** After how many queries p halves. */
const HALVINGS = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000];

/** Sides of the windows by how often p has halved. */
export function sidesOf({ height, width }: Layout, p: number, odd: boolean): number[] {
  return [0, ...HALVINGS].map((_, halved) => {
    const share = p / 2 ** halved;
    if (width === 1) return Math.max(Math.round(share * height), 1);
    const side = Math.max(Math.round(Math.sqrt(share * height * width)), odd ? 3 : 1);
    return Math.min(odd && side % 2 === 0 ? side + 1 : side, height, width);
  });
}

/** How often p has halved, i32 [n], and the side that windows have then, [n]. */
export interface Sides {
  readonly halved: Tensor;
  readonly side: Tensor;
}

/** The schedule of p by the number of queries so far, clock − 1 [n]. */
export function schedule(clock: Tensor, layout: Layout, p: number, odd: boolean): Sides {
  const { device } = clock;
  const after = device.tensor(HALVINGS.map((queries) => queries + 1));
  const passed = greater(reshape(clock, [clock.size, 1]), after);
  const halved = cast(sum(asNumber(passed), { axes: 1 }), 'i32');
  return { halved, side: gather(device.tensor(sidesOf(layout, p, odd)), halved) };
}

/** A window of each sample. */
export interface Window {
  /** u32, broadcasts to the input: 1 inside. */
  readonly inside: Tensor;
  /** Row and column of its corner, [n]. */
  readonly top: Tensor;
  readonly left: Tensor;
}

/** Windows of the given sides at random places, all of them inside the input. */
export function windowOf(problem: Problem, layout: Layout, { side }: Sides, draws: Draws): Window {
  const { device, size: n } = problem.labels;
  const places = draw(problem, [n, 2], (shape) => randomUniform(device, shape, draws));
  const column = (k: number) => reshape(slice(places, { begin: [0, k], size: [n, 1] }), [n]);
  const across = layout.width === 1 ? onesLike(side) : side;
  const top = floor(mul(column(0), add(sub(layout.height, side), 1)));
  const left = floor(mul(column(1), add(sub(layout.width, across), 1)));
  const rows = between(problem, layout, layout.axes[0], layout.height, top, side);
  if (layout.axes[1] === undefined) return { inside: rows, top, left };
  return {
    inside: mul(rows, between(problem, layout, layout.axes[1], layout.width, left, across)),
    top,
    left,
  };
}

/** Numbers ≥ 0 without what is behind the point. */
function floor(x: Tensor): Tensor {
  return cast(cast(x, 'i32'), 'f32');
}

/** Indices along an axis, in a shape that broadcasts to the input. */
export function indicesAlong(
  { labels: { device } }: Problem,
  { channels }: Layout,
  axis: number,
  size: number,
): Tensor {
  const shape = channels.map((_, i) => (i === axis ? size : 1));
  return device.tensor(
    Float32Array.from({ length: size }, (_, i) => i),
    shape,
  );
}

/** A number for each sample in a shape that broadcasts to the input. */
export function spread(values: Tensor, { channels }: Layout): Tensor {
  return reshape(values, [values.size, ...channels.slice(1).map(() => 1)]);
}

function between(
  problem: Problem,
  layout: Layout,
  axis: number,
  size: number,
  from: Tensor,
  length: Tensor,
): Tensor {
  const at = indicesAlong(problem, layout, axis, size);
  const begin = spread(from, layout);
  return mul(greaterEqual(at, begin), less(at, add(begin, spread(length, layout))));
}

/** ±1 with equal probability, [n, …]. */
export function randomSigns(problem: Problem, shape: Shape, draws: Draws): Tensor {
  const { device } = problem.labels;
  // The draws are odd multiples of 2⁻²⁴: never 0.
  const limits = { low: -1 + 2 ** -24, high: 1 + 2 ** -24 };
  return sign(draw(problem, shape, (whole) => randomUniform(device, whole, { ...draws, ...limits })));
}
