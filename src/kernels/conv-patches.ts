import type { Traits } from '../tensor/device.ts';
import { sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type ConvShape, pixelsOf } from './conv-shape.ts';
import { axes, type Direction, windowOf } from './conv-window.ts';
import { type Epilogue, multiply, NO_EPILOGUE } from './matmul-launch.ts';
import { type Product, type Rows, SINGLE } from './matmul-product.ts';
import { run } from './run.ts';
import { convPatchesWgsl } from './wgsl.gen.ts';

/** Most channels that are worth writing out: in tiles their vectors of four would be partly empty. With more, patches take too much memory. */
const MOST_CHANNELS = 3;
const MOST_ELEMENTS = 2 ** 24; // of the patches: 64 MiB
const RUN = 4; // pixels that a thread of `fold` sums

/** Whether the inputs of each output may be written out as a row of a matrix: few channels, in one group, and no holes between taps. */
export function isPatches(shape: ConvShape): boolean {
  const { channels, groups, dilation } = shape;
  const few = channels <= MOST_CHANNELS && pixelsOf(shape) * rowSizeOf(shape) <= MOST_ELEMENTS;
  return few && groups === 1 && sizeOf(dilation) === 1;
}

/**
 * Whether that takes less time than tiles of the convolution itself, by measurement; pure. Gradients with respect to x always do;
 * forward where there are filters enough, but not on SwiftShader (subgroups of four lanes), and gradients with respect to the
 * weights only there. On GPUs it has not been measured.
 */
export function patchesWin(
  { filters }: ConvShape,
  what: Direction | 'weights',
  { software, subgroupMinSize }: Pick<Traits, 'software' | 'subgroupMinSize'>,
): boolean {
  const swiftShader = subgroupMinSize === 4;
  if (!software || what === 'inputGrad') return software;
  return what === 'weights' ? swiftShader && filters >= 64 : !swiftShader && filters >= 32;
}

/** Writes a convolution of x with w, or its adjoint applied to x, to y. */
export function convolvePatches(
  direction: Direction,
  { x, w, y }: { x: Tensor; w: Tensor; y: Tensor },
  shape: ConvShape,
  epilogue: Epilogue,
): void {
  if (direction === 'forward') {
    const patches = unfold(x, shape);
    multiply(patches, w, y, { ...productOf(shape), aRows: rowsOf(shape) }, epilogue);
    patches.dispose();
    return;
  }
  const patches = x.device.allocate([pixelsOf(shape), rowSizeOf(shape)], 'f32', 'convInputGrad');
  // In whole vectors: what comes behind the last tap is never read.
  const product = { m: pixelsOf(shape), n: rowSizeOf(shape), k: shape.filters, transposeB: true };
  multiply(x, w, patches, { ...SINGLE, ...product }, NO_EPILOGUE);
  fold(patches, y, shape, epilogue.bias);
  patches.dispose();
}

/** Writes the gradient of a convolution with respect to its weights to `out`; g is the gradient of its output. */
export function patchesWeightGradient(
  { x, g, out }: { x: Tensor; g: Tensor; out: Tensor },
  shape: ConvShape,
): void {
  const { m: k, n, k: m } = productOf(shape);
  const patches = unfold(x, shape);
  multiply(patches, g, out, { ...SINGLE, m, n, k, transposeA: true, aRows: rowsOf(shape) }, NO_EPILOGUE);
  patches.dispose();
}

/** patches [outputs, taps · channels] · w [taps · channels, filters]. */
function productOf(shape: ConvShape): Product {
  const { kernel, channels, filters } = shape;
  return { ...SINGLE, m: pixelsOf(shape), n: filters, k: sizeOf(kernel) * channels };
}

/** Of a patch, with what fills up its last vector. */
function rowSizeOf({ kernel, channels }: ConvShape): number {
  return Math.ceil((sizeOf(kernel) * channels) / 4) * 4;
}

function rowsOf(shape: ConvShape): Rows {
  return { start: 0, row: rowSizeOf(shape) };
}

function unfold(x: Tensor, shape: ConvShape): Tensor {
  const patches = x.device.allocate([pixelsOf(shape), rowSizeOf(shape)], x.dtype, 'conv');
  const count = pixelsOf(shape);
  run(convPatchesWgsl, 'unfold', { x, unfolded: patches }, paramsOf(shape, count), {
    groups: Math.ceil(count / 64),
  });
  return patches;
}

function fold(patches: Tensor, y: Tensor, shape: ConvShape, bias: Tensor | undefined): void {
  const [depth, height, width] = shape.input;
  const count = shape.batch * depth * height * Math.ceil(width / RUN);
  const constants = { RUN, CHANNELS: shape.channels, HAS_BIAS: Number(bias !== undefined) };
  const tensors = { patches, y, bias: bias ?? patches };
  run(convPatchesWgsl, 'fold', tensors, paramsOf(shape, count), { groups: Math.ceil(count / 64), constants });
}

function paramsOf(shape: ConvShape, count: number) {
  const { channels, input, output, kernel } = shape;
  const { strideD, strideH, strideW, padD, padH, padW } = windowOf(shape);
  return {
    ...{ count, channels, rowSize: rowSizeOf(shape), strideD, strideH, strideW, padD, padH, padW },
    ...{ ...axes('x', input), ...axes('q', output), ...axes('k', kernel) },
  };
}
