import type { Traits } from '../tensor/device.ts';
import { sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type ConvShape, convFlops, type Triple } from './conv-shape.ts';
import { axes, type Direction, positions, tapSteps, windowOf } from './conv-window.ts';
import { type Epilogue, splitsOf, sumParts } from './matmul-launch.ts';
import { run } from './run.ts';
import { convDepthwiseSlideWgsl, convDepthwiseWgsl } from './wgsl.gen.ts';

/** Rows that a thread slides down at most: it reads two more. */
const MOST_ROWS = 16;

/** Whether each channel is a group of its own, in whole vectors. */
export function isDepthwise({ groups, channels, filters }: ConvShape): boolean {
  return groups === channels && groups === filters && groups % 4 === 0;
}

/** `slide`: a thread slides down two columns, for 3×3 with stride 1. `quads`: it has four adjacent positions. */
type DepthwiseVariant = 'slide' | 'quads';

/** The kernels that can do this depthwise convolution, best first. */
export function depthwiseVariants(
  { kernel, stride, dilation, padding }: ConvShape,
  { software }: Pick<Traits, 'software'>,
): [DepthwiseVariant, ...DepthwiseVariant[]] {
  const flat = kernel[0] === 1 && stride[0] === 1 && padding[0] === 0;
  const three = [1, 2].every((i) => kernel[i] === 3 && stride[i] === 1 && dilation[i] === 1);
  if (!flat || !three) return ['quads'];
  return software ? ['slide', 'quads'] : ['quads', 'slide'];
}

interface Operands {
  readonly x: Tensor;
  readonly w: Tensor;
  readonly y: Tensor;
}

/** Writes a depthwise convolution of x with w, or its adjoint applied to x, to y. */
export function convolveDepthwise(
  direction: Direction,
  tensors: Operands,
  shape: ConvShape,
  epilogue: Epilogue,
): void {
  const { device } = tensors.x;
  const variant = device.variants.choose('depthwise', depthwiseVariants(shape, device.traits));
  (variant === 'slide' ? slide : quads)(direction, tensors, shape, epilogue);
}

function slide(direction: Direction, { x, w, y }: Operands, shape: ConvShape, epilogue: Epilogue): void {
  const forward = direction === 'forward';
  const [[depth, xH, xW], [, yH, yW]] = forward ? [shape.input, shape.output] : [shape.output, shape.input];
  const strips = Math.ceil(yH / MOST_ROWS);
  const pairs = Math.ceil(yW / 2);
  const cBlocks = shape.channels / 4;
  const threads = shape.batch * depth * strips * pairs * cBlocks;
  // The adjoint has the zeros before an axis that were behind its first tap.
  const pad = (padding: number) => (forward ? padding : 2 - padding);
  const [padH, padW] = [pad(shape.padding[1]), pad(shape.padding[2])];
  const { bias, residual, activation, slope } = epilogue;
  const params = {
    ...{ threads, cBlocks, pairs, strips, rows: Math.ceil(yH / strips) },
    ...{ xH, xW, yH, yW, padH, padW, slope },
  };
  const constants = {
    FLIP: Number(!forward),
    HAS_BIAS: Number(bias !== undefined),
    HAS_RESIDUAL: Number(residual !== undefined),
    ACTIVATION: activation,
  };
  const options = { groups: Math.ceil(threads / 64), constants, flops: convFlops(shape) };
  const tensors = { x, w, bias: bias ?? w, residual: residual ?? w, y };
  run(convDepthwiseSlideWgsl, 'slide', tensors, params, options);
}

function quads(direction: Direction, { x, w, y }: Operands, shape: ConvShape, epilogue: Epilogue): void {
  const { bias, residual, activation, slope } = epilogue;
  const forward = direction === 'forward';
  const { input, output, channels } = shape;
  const { q, phases } = positions(shape, direction);
  const fours: Triple = [q[0], q[1], Math.ceil(q[2] / 4)];
  const fourCount = shape.batch * sizeOf(fours);
  const cBlocks = channels / 4;
  const groupsPerPhase = Math.ceil((fourCount * cBlocks) / 64);
  const params = {
    ...{ quads: fourCount, cBlocks, phases, groupsPerPhase, slope },
    ...axes('q', fours),
    ...axes('x', forward ? input : output),
    ...axes('y', forward ? output : input),
    ...axes('k', shape.kernel),
    ...windowOf(shape),
    ...tapSteps(shape, direction),
  };
  const constants = {
    INPUT_GRAD: Number(!forward),
    SLIDE: Number(shape.stride[2] === 1 && shape.dilation[2] === 1),
    HAS_BIAS: Number(bias !== undefined),
    HAS_RESIDUAL: Number(residual !== undefined),
    ACTIVATION: activation,
  };
  const options = { groups: groupsPerPhase * phases, constants, flops: convFlops(shape) };
  const tensors = { x, w, bias: bias ?? w, residual: residual ?? w, y };
  run(convDepthwiseWgsl, 'depthwise', tensors, params, options);
}

/** How the pixels of a depthwise weight gradient are cut into splits; pure. */
export function depthwisePlan(
  { batch, output, kernel, channels }: ConvShape,
  traits: Pick<Traits, 'software'>,
) {
  const [taps, cBlocks, pixels] = [sizeOf(kernel), channels / 4, batch * sizeOf(output)];
  const chunk = Math.ceil(pixels / splitsOf(Math.ceil((taps * cBlocks) / 4), pixels, 64, traits)) || 1;
  return { taps, cBlocks, pixels, chunk, splits: Math.ceil(pixels / chunk) || 1 };
}

/** Writes the gradient of a depthwise convolution with respect to its weights to `out`. */
export function depthwiseWeightGradient(
  { x, g, out }: { x: Tensor; g: Tensor; out: Tensor },
  shape: ConvShape,
): void {
  const plan = depthwisePlan(shape, x.device.traits);
  const partVectors = out.size / 4;
  const { kH, kW } = axes('k', shape.kernel);
  const params = {
    ...{ ...plan, partVectors, kH, kW },
    ...{ ...axes('g', shape.output), ...axes('x', shape.input), ...windowOf(shape) },
  };
  const options = { groups: Math.ceil((partVectors * plan.splits) / 64), flops: convFlops(shape) };
  if (plan.splits === 1) {
    run(convDepthwiseWgsl, 'depthwiseWeight', { x, g, y: out }, params, options);
    return;
  }
  const parts = x.device.allocate([plan.splits, out.size], 'f32', 'convWeightGrad');
  run(convDepthwiseWgsl, 'depthwiseWeight', { x, g, y: parts }, params, options);
  sumParts(parts, out, plan.splits, 1);
  parts.dispose();
}
