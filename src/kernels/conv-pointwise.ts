import { sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type ConvShape, pixelsOf } from './conv-shape.ts';
import type { Direction } from './conv-window.ts';
import { type Epilogue, multiply, NO_EPILOGUE } from './matmul-launch.ts';
import { SINGLE } from './matmul-product.ts';

/** Whether a convolution is one product of matrices as they lie in memory: a window of 1, moved by 1, in one group. */
export function isPointwise({ kernel, stride, padding, groups, input, output }: ConvShape): boolean {
  const still = input.every((size, i) => size === output[i]) && padding.every((size) => size === 0);
  return groups === 1 && still && sizeOf(kernel) === 1 && sizeOf(stride) === 1;
}

/** Writes a pointwise convolution of x with w, or its adjoint applied to x, to y. */
export function convolvePointwise(
  direction: Direction,
  { x, w, y }: { x: Tensor; w: Tensor; y: Tensor },
  shape: ConvShape,
  epilogue: Epilogue,
): void {
  const { channels, filters } = shape;
  const [k, n] = direction === 'forward' ? [channels, filters] : [filters, channels];
  const flags = { ...SINGLE, transposeB: direction === 'inputGrad' };
  multiply(x, w, y, { m: pixelsOf(shape), n, k, ...flags }, epilogue);
}

/** Writes the gradient of a pointwise convolution with respect to its weights to `out`; g is the gradient of its output. */
export function pointwiseWeightGradient(
  { x, g, out }: { x: Tensor; g: Tensor; out: Tensor },
  shape: ConvShape,
): void {
  const { channels: m, filters: n } = shape;
  const product = { m, n, k: pixelsOf(shape), ...SINGLE, transposeA: true };
  multiply(x, g, out, product, NO_EPILOGUE);
}
