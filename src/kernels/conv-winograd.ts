import type { Traits } from '../tensor/device.ts';
import { sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type ConvShape, convFlops } from './conv-shape.ts';
import { axes, type Direction } from './conv-window.ts';
import { type BatchAxes, type Epilogue, multiply, NO_EPILOGUE, SINGLE } from './matmul-launch.ts';
import { run } from './run.ts';
import { winogradWgsl } from './wgsl.gen.ts';

const ELEMENTS = 36; // of a tile of 6×6
const OUTPUTS = 4; // along each axis of a tile
const LAUNCHES = 2e5; // what three more of them take, in multiplications
const MOST_ELEMENTS = 2 ** 25; // of a matrix: the 128 MiB that WebGPU binds by default

/**
 * Whether minimal filtering can compute a convolution: 3×3 in height and width and anything in depth, stride 1, channels in whole
 * vectors, and room for what lies between its passes.
 */
export function isWinograd(shape: ConvShape): boolean {
  const { kernel, stride, dilation, groups, channels, filters } = shape;
  const window = kernel[1] === 3 && kernel[2] === 3 && sizeOf(stride) === 1 && sizeOf(dilation) === 1;
  return window && groups === 1 && channels % 4 === 0 && filters % 4 === 0 && hasRoom(shape);
}

function hasRoom(shape: ConvShape): boolean {
  const { channels, filters, kernel } = shape;
  const most = (direction: Direction) =>
    Math.max(winogradPlan(shape, direction).planes, kernel[0] * Math.min(channels, filters)) *
    Math.max(channels, filters);
  return ELEMENTS * Math.max(most('forward'), most('inputGrad')) <= MOST_ELEMENTS;
}

/**
 * Whether minimal filtering takes less time, by a model of what was measured on both software adapters; pure. On GPUs it has not
 * been measured.
 */
export function winogradWins(
  shape: ConvShape,
  direction: Direction,
  { software }: Pick<Traits, 'software'>,
): boolean {
  const { planes, rows, channels, filters, taps } = winogradPlan(shape, direction);
  // What is loaded for a row takes as long as a dozen of its columns.
  const perColumn = 1 + 12 / filters;
  const direct = (convFlops(shape) / 2) * perColumn;
  const products = ELEMENTS * rows * taps * channels * filters * perColumn;
  // Written by one pass, read by the next.
  const moved = 2 * ELEMENTS * (planes * channels + rows * filters + taps * channels * filters);
  return software && 0.8 * products + 12.5 * moved + LAUNCHES < direct;
}

/** How a convolution, or its adjoint, is cut into tiles of 4×4 outputs and its depth laid out; see winograd.wgsl; pure. */
export function winogradPlan(shape: ConvShape, direction: Direction) {
  const forward = direction === 'forward';
  const { batch, input, output, kernel } = shape;
  const [x, y] = forward ? [input, output] : [output, input];
  const [channels, filters] = forward ? [shape.channels, shape.filters] : [shape.filters, shape.channels];
  const [tilesH, tilesW] = [Math.ceil(y[1] / OUTPUTS), Math.ceil(y[2] / OUTPUTS)];
  const tiles = batch * tilesH * tilesW;
  // The adjoint is a convolution with the filters turned, padded by what the other one is not.
  const pad = (axis: 0 | 1 | 2) => (forward ? shape.padding[axis] : kernel[axis] - 1 - shape.padding[axis]);
  const { skipped, ...depth } = depthOf(x[0], y[0], kernel[0], pad(0));
  const { period, taps, padD } = depth;
  // Ends with the last tile's last output: what would follow is neither computed nor read.
  const rows = Math.max(0, (tiles - 1) * period + y[0]);
  const planes = rows && rows + taps - 1;
  const firstTap = forward ? skipped : kernel[0] - 1 - skipped;
  const sizes = { ...axes('x', x), ...axes('y', y), padD, padH: pad(1), padW: pad(2) };
  return { tiles, tilesH, tilesW, period, taps, planes, rows, firstTap, channels, filters, ...sizes };
}

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

/** Writes a convolution of x with w, or its adjoint applied to x, to y. */
export function convolveWinograd(
  direction: Direction,
  { x, w, y }: { x: Tensor; w: Tensor; y: Tensor },
  shape: ConvShape,
  epilogue: Epilogue,
): void {
  const plan = winogradPlan(shape, direction);
  const { planes, rows, taps, channels: k, filters: n } = plan;
  const params = { ...plan, channels: k / 4, filters: n / 4, slope: epilogue.slope };
  const groups = (threads: number) => Math.ceil(threads / 64);
  const allocate = (height: number, width: number) =>
    x.device.allocate([ELEMENTS, height, width], 'f32', 'conv');
  const [u, v, m] = [allocate(taps * k, n), allocate(planes, k), allocate(rows, n)];
  const constants = { ADJOINT: Number(direction !== 'forward') };
  run(winogradWgsl, 'filters', { w, wScalar: w, elements: u }, params, {
    groups: groups((taps * k * n) / 4),
    constants,
  });
  run(winogradWgsl, 'tiles', { x, elements: v }, params, { groups: groups((planes * k) / 4) });
  multiply(v, u, m, productOf(plan), NO_EPILOGUE);
  const { bias, residual, activation: ACTIVATION } = epilogue;
  const last = {
    HAS_BIAS: Number(bias !== undefined),
    HAS_RESIDUAL: Number(residual !== undefined),
    ACTIVATION,
  };
  const tensors = { m, bias: bias ?? w, residual: residual ?? w, y };
  run(winogradWgsl, 'outputs', tensors, params, {
    groups: groups((plan.tiles * plan.yD * n) / 4),
    constants: last,
  });
  for (const part of [u, v, m]) part.dispose();
}

/** A row of A is the planes that an output sees, so each row begins a plane behind the one before. */
function productOf({ planes, rows, taps, channels, filters }: ReturnType<typeof winogradPlan>) {
  const [m, n, k] = [rows, filters, taps * channels];
  const one = (stride: number): BatchAxes => [0, 0, stride];
  const batch: BatchAxes = [1, 1, ELEMENTS];
  const aRows = { start: 0, row: channels };
  return { ...SINGLE, m, n, k, batch, aRows, aStrides: one(planes * channels), bStrides: one(k * n) };
}
