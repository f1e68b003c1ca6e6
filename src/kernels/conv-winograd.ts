import type { Traits } from '../tensor/device.ts';
import { sizeOf } from '../tensor/shape.ts';
import { type ConvShape, convFlops } from './conv-shape.ts';
import { axes, type Direction } from './conv-window.ts';

/** What minimal filtering computes: as `Direction`, or the gradient of the weights. */
export type WinogradPass = Direction | 'weights';

const ELEMENTS = 36; // of a tile of 6×6
const LINE_ELEMENTS = 30; // its last column has to do with outputs that a line has not
const LINE_TAPS = 9; // three rows of three
/** What each step takes, in multiplications of a direct kernel: by lanes of four (SwiftShader) and of eight. */
const FOURS = { multiplication: 0.8, moved: 12.5, launches: 2e5 };
const EIGHTS = { multiplication: 1.2, moved: 22, launches: 2e6 };
const MOST_ELEMENTS = 2 ** 25; // of a matrix: the 128 MiB that WebGPU binds by default
const MOST_IN_A_PART = 2 ** 20 / ELEMENTS; // of the inputs' tiles and the outputs' together: 4 MiB, or what the filters take

/**
 * Whether minimal filtering can compute a convolution: 3×3 in height and width and anything in depth, or nine along one axis; stride 1
 * and channels in whole vectors.
 */
export function isWinograd(shape: ConvShape): boolean {
  const { kernel, stride, dilation, groups, channels, filters } = shape;
  const window = (kernel[1] === 3 && kernel[2] === 3) || lineOf(shape) !== undefined;
  const vectors = groups === 1 && channels % 4 === 0 && filters % 4 === 0;
  return window && vectors && sizeOf(stride) === 1 && sizeOf(dilation) === 1 && hasRoom(shape);
}

/** Whether what lies between the passes can be bound: the filters, and the inputs and outputs of one tile. */
function hasRoom(shape: ConvShape): boolean {
  return (['forward', 'inputGrad'] as const).every((direction) => {
    const plan = winogradPlan(shape, direction);
    const { elements, taps, channels, filters } = plan;
    const { planes } = rowsOf(1, plan);
    const most = Math.max(taps * channels * filters, planes * Math.max(channels, filters));
    return elements * most <= MOST_ELEMENTS;
  });
}

/** A convolution of nine taps along one axis as one along the height: what is before that axis in the batch, what is behind it in the width. */
function lineOf(shape: ConvShape): ConvShape | undefined {
  const { batch, input, output, kernel, padding } = shape;
  const axis = kernel.indexOf(LINE_TAPS);
  if (axis < 0) return undefined;
  const plain = (i: number) => kernel[i] === 1 && padding[i] === 0 && input[i] === output[i];
  if (![0, 1, 2].every((i) => i === axis || plain(i))) return undefined;
  const [before, behind] = [sizeOf(input.slice(0, axis)), sizeOf(input.slice(axis + 1))];
  return {
    ...{ ...shape, batch: batch * before, kernel: [1, LINE_TAPS, 1], padding: [0, padding[axis] ?? 0, 0] },
    ...{ input: [1, input[axis] ?? 0, behind], output: [1, output[axis] ?? 0, behind] },
  };
}

/**
 * Whether minimal filtering takes less time, by a model of what was measured on both software adapters; pure. On GPUs it has not
 * been measured.
 */
export function winogradWins(
  shape: ConvShape,
  pass: WinogradPass,
  { software, subgroupMinSize }: Pick<Traits, 'software' | 'subgroupMinSize'>,
): boolean {
  const cost = subgroupMinSize === 4 ? FOURS : EIGHTS;
  const { planes, rows, channels, filters, taps, elements } = winogradPlan(shape, pass);
  // What is loaded for a row takes as long as a dozen of its columns.
  const perColumn = 1 + 12 / filters;
  const direct = (convFlops(shape) / 2) * perColumn;
  const products = elements * rows * taps * channels * filters * perColumn;
  // Written by one pass, read by the next.
  const moved = 2 * elements * (planes * channels + rows * filters + taps * channels * filters);
  return software && cost.multiplication * products + cost.moved * moved + cost.launches < direct;
}

/** How a convolution, or its adjoint, is cut into tiles of outputs and its depth laid out; see winograd.wgsl; pure. */
export function winogradPlan(given: ConvShape, pass: WinogradPass) {
  const line = lineOf(given);
  const shape = line ?? given;
  const forward = pass !== 'inputGrad';
  const { batch, input, output, kernel } = shape;
  const [x, y] = forward ? [input, output] : [output, input];
  const [channels, filters] = forward ? [shape.channels, shape.filters] : [shape.filters, shape.channels];
  const [tileH, tileW] = line ? [12, 1] : [4, 4];
  const [tilesH, tilesW] = [Math.ceil(y[1] / tileH), Math.ceil(y[2] / tileW)];
  const tiles = batch * tilesH * tilesW;
  // The adjoint is a convolution with the filters turned, padded by what the other one is not.
  const pad = (axis: 0 | 1 | 2) => (forward ? shape.padding[axis] : kernel[axis] - 1 - shape.padding[axis]);
  const { skipped, ...depth } = depthOf(x[0], y[0], kernel[0], pad(0));
  const firstTap = forward ? skipped : kernel[0] - 1 - skipped;
  const sizes = { ...axes('x', x), ...axes('y', y), padD: depth.padD, padH: pad(1), padW: pad(2) };
  const elements = line ? LINE_ELEMENTS : ELEMENTS;
  const cut = {
    line: Number(line !== undefined),
    elements,
    tilesH,
    tilesW,
    ...depth,
    kD: kernel[0],
    firstTap,
  };
  return { ...cut, ...rowsOf(tiles, { ...depth, yD: y[0] }), channels, filters, ...sizes };
}

type WinogradPlan = ReturnType<typeof winogradPlan>;

/** The taps along the depth that see an input anywhere, how many are skipped before them, and the planes from one tile to the next. */
function depthOf(x: number, y: number, kernel: number, pad: number) {
  const skipped = Math.max(0, Math.min(kernel - 1, pad - y + 1));
  const taps = Math.max(1, Math.min(kernel, pad + x) - skipped);
  const padD = pad - skipped;
  const seen = y + taps - 1;
  // The zeros behind a tile's inputs are those before the next one's, as far as these suffice.
  const period = Math.max(y, Math.min(padD + x, seen), seen - Math.max(padD, 0));
  return { skipped, taps, padD, period };
}

/** Rows of the product for so many tiles, and the planes they see. */
function rowsOf(tiles: number, { period, taps, yD }: { period: number; taps: number; yD: number }) {
  // Ends with the last tile's last output: what would follow is neither computed nor read.
  const rows = Math.max(0, (tiles - 1) * period + yD);
  return { tiles, rows, planes: rows && rows + taps - 1 };
}

/** A run of tiles. */
export type WinogradPart = WinogradPlan & { readonly firstTile: number };

/** A plan cut into runs of tiles, so that what lies between the passes takes little memory at a time; pure. */
export function partsOf(plan: WinogradPlan): WinogradPart[] {
  const { period, taps, channels, filters } = plan;
  const perTile = period * (channels + filters);
  const most = Math.max(1, Math.floor(Math.max(MOST_IN_A_PART, taps * channels * filters) / perTile));
  const count = Math.max(1, Math.ceil(plan.tiles / most));
  const size = Math.ceil(plan.tiles / count);
  return Array.from({ length: count }, (_, i) => {
    const firstTile = i * size;
    return { ...plan, ...rowsOf(Math.min(size, plan.tiles - firstTile), plan), firstTile };
  });
}
