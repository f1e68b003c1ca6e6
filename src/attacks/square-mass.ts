import { abs, add, cast, div, maximum, mul, sqrt, square, sub, where } from '../kernels/elementwise.ts';
import { broadcastTo, gather, reshape } from '../kernels/layout.ts';
import { randomUniform } from '../kernels/random.ts';
import { sum } from '../kernels/reduce.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { lengths, type Norm, normalized, perSample, project } from './norms.ts';
import type { Moved, Problem } from './problem.ts';
import {
  type Draws,
  indicesAlong,
  type Layout,
  randomSigns,
  type Sides,
  sidesOf,
  spread,
  type Window,
  windowOf,
} from './square-window.ts';
import { draw } from './track.ts';

// ℓ2 and ℓ1, where windows exchange the mass of the change; lengths are those of the norm.

/** η of the paper for a rectangle: sums of centred rectangles that shrink, weighted by 1/(k + 1)², of length 1. */
export function pyramid(height: number, width: number, norm: Norm = 'l2'): number[] {
  const [top, left] = [Math.floor(height / 2), Math.floor(width / 2)];
  const layers = Math.max(top, left) + 1;
  const value = (row: number, column: number) => {
    let total = 0;
    for (let k = 0; k < layers; k++) {
      const covers = Math.abs(row - top) <= k && Math.abs(column - left) <= k;
      if (covers) total += 1 / (k + 1) ** 2;
    }
    return total;
  };
  const values = Array.from({ length: height * width }, (_, i) => value(Math.floor(i / width), i % width));
  return unit(values, norm);
}

/** η of a window: one half up, the other down, of length 1. */
export function windowPattern(height: number, width: number, norm: Norm = 'l2'): number[] {
  const upper = Math.floor(height / 2);
  const half = upper > 0 ? pyramid(upper, width, norm) : [];
  return unit([...half, ...pyramid(height - upper, width, norm).map((value) => -value)], norm);
}

function unit(values: readonly number[], norm: Norm): number[] {
  const length =
    norm === 'l1' ? values.reduce((sum, value) => sum + Math.abs(value), 0) : Math.hypot(...values);
  return values.map((value) => value / length);
}

/** What a proposal is about. */
interface Place {
  readonly problem: Problem;
  readonly origin: Tensor;
  readonly budget: Moved;
  readonly layout: Layout;
}

/**
 * Algorithm 3: the mass of the change in a second window goes to the first, whose pattern is mixed with a random one, so that the
 * change stays of length ε. ℓ1 as in Croce & Hein 2021, section 5: the same with lengths in ℓ1, projected on ball and range.
 */
export function proposeMass(place: Place, point: Tensor, p: number, sides: Sides, draws: Draws): Tensor {
  const { problem, origin, budget, layout } = place;
  const change = sub(point, origin);
  const next = (k: number) => ({ ...draws, stream: draws.stream + k });
  const first = windowOf(problem, layout, sides, draws);
  const second = windowOf(problem, layout, sides, next(2));
  const signs = randomSigns(problem, layout.channels.with(0, point.shape[0] ?? 0), next(3));
  const old = where(first.inside, change, 0);
  const along = { axes: layout.axes.filter((axis) => axis !== undefined), keepDims: true };
  const l1 = budget.norm === 'l1';
  const size = (x: Tensor) => (l1 ? sum(abs(x), along) : sqrt(sum(square(x), along)));
  const pattern = mul(patternIn(place, first, p, sides, next(4)), signs);
  const mixed = where(first.inside, add(pattern, div(old, add(size(old), 1e-12))), 0);
  const windows = lengths(where(maximum(first.inside, second.inside), change, 0), budget.norm);
  const channels = point.size / ((point.shape[0] ?? 1) * layout.height * layout.width);
  // Squares of lengths add up in ℓ2, lengths themselves in ℓ1.
  const power = (length: Tensor) => (l1 ? length : square(length));
  const unused = maximum(sub(budget.epsilon ** (l1 ? 1 : 2), power(lengths(change, budget.norm))), 0);
  const total = add(div(unused, channels), power(windows));
  const mass = l1 ? total : sqrt(total);
  const fresh = mul(div(mixed, add(size(mixed), 1e-12)), perSample(mass, mixed));
  const moved = where(first.inside, fresh, where(second.inside, 0, change));
  const whole = l1 ? moved : mul(normalized(moved, 'l2'), budget.epsilon);
  return project(add(origin, whole), origin, budget);
}

/** The pattern of a window at its place, upright or lying by chance: [n, …] that broadcasts to the input. */
function patternIn(
  { problem, layout, budget }: Place,
  { inside, top, left }: Window,
  p: number,
  { halved, side }: Sides,
  draws: Draws,
): Tensor {
  const { device, size: n } = problem.labels;
  const { table, stride } = patternTable(layout, p, budget.norm);
  const lying = draw(problem, [n], (shape) => randomUniform(device, shape, { ...draws, low: 0, high: 2 }));
  const kind = add(mul(cast(halved, 'f32'), 2), cast(cast(lying, 'i32'), 'f32'));
  const [rowAxis, columnAxis] = layout.axes;
  const row = sub(indicesAlong(problem, layout, rowAxis, layout.height), spread(top, layout));
  const across = layout.width === 1 ? 1 : spread(side, layout);
  const column =
    columnAxis === undefined
      ? 0
      : sub(indicesAlong(problem, layout, columnAxis, layout.width), spread(left, layout));
  const index = add(add(mul(row, across), column), spread(mul(kind, stride), layout));
  return where(inside, gather(device.tensor(table), cast(where(inside, index, 0), 'i32')), 0);
}

/** Patterns of all sides, upright and lying, `stride` numbers for each. */
function patternTable(
  layout: Layout,
  p: number,
  norm: Norm,
): { readonly table: Float32Array; readonly stride: number } {
  const sides = sidesOf(layout, p, true);
  const widthOf = (side: number) => (layout.width === 1 ? 1 : side);
  const stride = Math.max(...sides.map((side) => side * widthOf(side)));
  const table = new Float32Array(2 * sides.length * stride);
  for (const [i, side] of sides.entries()) {
    const width = widthOf(side);
    const upright = windowPattern(side, width, norm);
    const lying =
      width === 1 ? upright : upright.map((_, k) => upright[(k % side) * side + Math.floor(k / side)] ?? 0);
    table.set(upright, 2 * i * stride);
    table.set(lying, (2 * i + 1) * stride);
  }
  return { table, stride };
}

/** The start: a grid of 5 × 5 tiles (or a little more), each the pattern of a window with a random sign in each channel. */
export function tiles({ problem, origin, budget, layout }: Place, draws: Draws): Tensor {
  const { device, size: n } = problem.labels;
  const { height, width, axes } = layout;
  const [rows, columns] = [gridOf(height), gridOf(width)];
  const pattern = windowPattern(rows.side, columns.side, budget.norm);
  const cells = Array.from({ length: height * width }, (_, i) => {
    const [row, column] = [rows.cell(Math.floor(i / width)), columns.cell(i % width)];
    const value = row && column ? (pattern[row.at * columns.side + column.at] ?? 0) : 0;
    return { value, tile: (row?.tile ?? 0) * columns.count + (column?.tile ?? 0) };
  });
  const channels = layout.channels.at(-1) ?? 1;
  const count = origin.shape.length === 2 ? 1 : channels;
  const signs = randomSigns(problem, [n, rows.count * columns.count, count], draws);
  const ofCells = gather(signs, device.tensor(Int32Array.from(cells, ({ tile }) => tile)), { axis: 1 });
  const shape = origin.shape.map((size, axis) =>
    axis === 0 || axes.includes(axis) || axis === origin.shape.length - 1 ? size : 1,
  );
  const values = device.tensor(
    cells.map(({ value }) => value),
    shape.map((size, axis) => (axes.includes(axis) ? size : 1)),
  );
  const change = broadcastTo(mul(reshape(ofCells, shape), values), origin.shape);
  return project(add(origin, mul(normalized(change, budget.norm), budget.epsilon)), origin, budget);
}

/** An axis cut into tiles of a fifth of it, in its middle. */
function gridOf(size: number) {
  const side = Math.max(Math.floor(size / 5), 1);
  const first = size < 5 ? 0 : Math.floor((size - 5 * side) / 2);
  const count = Math.floor((size - first) / side);
  const cell = (i: number) => {
    const tile = Math.floor((i - first) / side);
    return i >= first && tile < count ? { tile, at: (i - first) % side } : undefined;
  };
  return { side, count, cell };
}
