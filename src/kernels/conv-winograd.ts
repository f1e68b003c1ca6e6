import type { Traits } from '../tensor/device.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type ConvShape, convFlops } from './conv-shape.ts';
import type { Direction } from './conv-window.ts';
import { type BatchAxes, type Epilogue, multiply, NO_EPILOGUE, SINGLE } from './matmul-launch.ts';
import { run } from './run.ts';
import { winogradWgsl } from './wgsl.gen.ts';

const ELEMENTS = 36; // of a tile of 6×6
const OUTPUTS = 4; // along each axis of a tile

/** Whether minimal filtering can compute a convolution: 3×3 in height and width, stride 1, channels in whole vectors. */
export function isWinograd({
  kernel,
  stride,
  dilation,
  padding,
  groups,
  channels,
  filters,
}: ConvShape): boolean {
  const plane = kernel[0] === 1 && kernel[1] === 3 && kernel[2] === 3 && padding[0] === 0;
  const steps = [...stride, ...dilation].every((step) => step === 1);
  return plane && steps && groups === 1 && channels % 4 === 0 && filters % 4 === 0;
}

/**
 * Whether minimal filtering takes less time: its multiplications, and what it writes and reads between its passes, against
 * the multiplications of the convolution; pure. On GPUs that has not been measured.
 */
export function winogradWins(shape: ConvShape, { software }: Pick<Traits, 'software'>): boolean {
  const { channels, filters } = shape;
  const count = tilesOf(shape, 'forward').tiles;
  const moved = 2 * ELEMENTS * (count * (channels + filters) + channels * filters);
  // Moving an element takes about as long as five multiplications in registers.
  return software && ELEMENTS * count * channels * filters + 5 * moved < 0.4 * convFlops(shape);
}

/** The tiles of 4×4 outputs; planes along the depth are images of their own. */
function tilesOf({ batch, input, output }: ConvShape, direction: Direction) {
  const [depth, height, width] = direction === 'forward' ? output : input;
  const [tilesH, tilesW] = [Math.ceil(height / OUTPUTS), Math.ceil(width / OUTPUTS)];
  return { tiles: batch * depth * tilesH * tilesW, tilesH, tilesW };
}

/** Writes a convolution of x with w, or its adjoint applied to x, to y. */
export function convolveWinograd(
  direction: Direction,
  { x, w, y }: { x: Tensor; w: Tensor; y: Tensor },
  shape: ConvShape,
  epilogue: Epilogue,
): void {
  const { device } = x;
  const forward = direction === 'forward';
  const cut = tilesOf(shape, direction);
  const [k, n] = forward ? [shape.channels, shape.filters] : [shape.filters, shape.channels];
  const params = {
    ...paramsOf(shape, direction),
    ...cut,
    channels: k / 4,
    filters: n / 4,
    slope: epilogue.slope,
  };
  const groups = (threads: number) => Math.ceil(threads / 64);
  const allocate = (rows: number, columns: number) =>
    device.allocate([ELEMENTS, rows, columns], 'f32', 'conv');
  const [u, v, m] = [allocate(k, n), allocate(cut.tiles, k), allocate(cut.tiles, n)];
  const constants = { ADJOINT: Number(!forward) };
  run(winogradWgsl, 'filters', { w, wScalar: w, elements: u }, params, {
    groups: groups((k * n) / 4),
    constants,
  });
  run(winogradWgsl, 'tiles', { x, elements: v }, params, { groups: groups((cut.tiles * k) / 4) });
  multiply(v, u, m, productOf(cut.tiles, n, k), NO_EPILOGUE);
  const { bias, residual, activation: ACTIVATION } = epilogue;
  const last = {
    HAS_BIAS: Number(bias !== undefined),
    HAS_RESIDUAL: Number(residual !== undefined),
    ACTIVATION,
  };
  const tensors = { m, bias: bias ?? w, residual: residual ?? w, y };
  run(winogradWgsl, 'outputs', tensors, params, { groups: groups((cut.tiles * n) / 4), constants: last });
  for (const part of [u, v, m]) part.dispose();
}

function paramsOf({ input, output, padding }: ConvShape, direction: Direction) {
  const [from, to] = direction === 'forward' ? [input, output] : [output, input];
  // The adjoint is a convolution with the filters turned, padded by what the other one is not.
  const pad = (axis: 1 | 2) => (direction === 'forward' ? padding[axis] : 2 - padding[axis]);
  return { xH: from[1], xW: from[2], yH: to[1], yW: to[2], padH: pad(1), padW: pad(2) };
}

function productOf(m: number, n: number, k: number) {
  const one = (stride: number): BatchAxes => [0, 0, stride];
  const batch: BatchAxes = [1, 1, ELEMENTS];
  return { ...SINGLE, m, n, k, batch, aStrides: one(m * k), bStrides: one(k * n) };
}
