import type { Tensor } from '../tensor/tensor.ts';
import { conv, convInputGrad } from './conv-ops.ts';
import {
  type ConvGeometry,
  type ConvTransposeGeometry,
  convShape,
  convTransposeShape,
  outputShape,
} from './conv-shape.ts';
import { checkBias, checkResidual } from './matmul.ts';
import { type Activation, activate, checkActivation, followsFromOutput } from './matmul-activation.ts';
import { checkFloats, checkTensors } from './op.ts';

export type { ConvGeometry, ConvTransposeGeometry, Padding, PerAxis } from './conv-shape.ts';

export interface ConvOptions extends ConvGeometry {
  /** [O], added to each output. */
  readonly bias?: Tensor | undefined;
  /** Of the shape of the output, added to it: what a residual connection leads around the convolution. */
  readonly residual?: Tensor | undefined;
  /** Applied last: `none` by default. */
  readonly activation?: Activation | undefined;
  /** What `leakyRelu` multiplies negative values by: 0.01 by default. */
  readonly slope?: number | undefined;
}

export interface ConvTransposeOptions extends ConvTransposeGeometry {
  /** [O], added to each output. */
  readonly bias?: Tensor | undefined;
}

/** Activations the convolution kernels apply themselves; the others are ops of their own. */
const FUSED: readonly Activation[] = ['none', 'relu', 'leakyRelu'];

function convNd(op: string, rank: number, x: Tensor, w: Tensor, options: ConvOptions): Tensor {
  const { bias, residual, activation = 'none', slope = 0.01 } = options;
  checkTensors(op, { x, w });
  checkFloats(op, { x, w, bias, residual });
  const shape = convShape(op, x, w, rank, options);
  checkActivation(op, activation);
  if (bias) checkBias(op, bias, shape.filters);
  if (residual) checkResidual(op, residual, outputShape(shape));
  if (FUSED.includes(activation) && followsFromOutput(activation, slope))
    return conv(x, w, { shape, bias, residual, activation, slope });
  return activate(conv(x, w, { shape, bias, residual }), activation, slope);
}

function convTransposeNd(
  op: string,
  rank: number,
  x: Tensor,
  w: Tensor,
  { bias, ...options }: ConvTransposeOptions,
): Tensor {
  checkTensors(op, { x, w });
  checkFloats(op, { x, w, bias });
  const shape = convTransposeShape(op, x, w, rank, options);
  if (bias) checkBias(op, bias, shape.channels);
  return convInputGrad(x, w, { shape, bias });
}

/**
 * `y[n, l, o] = f(Σ_k Σ_c x[n, l·stride − padding + k·dilation, c] · w[k, c, o] + bias[o] + residual[n, l, o])`, zeros outside x, c running
 * over the channels of o's group. x [N, L, C], w [K, C/groups, O] → [N, L', O] with
 * L' = ⌊(L + padding before + after − (K − 1)·dilation − 1) / stride⌋ + 1.
 * Throws `ShapeError` where dimensions do not fit together or the output would be empty.
 */
export function conv1d(x: Tensor, w: Tensor, options: ConvOptions = {}): Tensor {
  return convNd('conv1d', 1, x, w, options);
}

/**
 * Convolution over two axes, each as in `conv1d`: x [N, H, W, C], w [KH, KW, C/groups, O] → [N, H', W', O].
 * Throws `ShapeError` where dimensions do not fit together or the output would be empty.
 */
export function conv2d(x: Tensor, w: Tensor, options: ConvOptions = {}): Tensor {
  return convNd('conv2d', 2, x, w, options);
}

/**
 * Convolution over three axes, each as in `conv1d`: x [N, T, H, W, C], w [KT, KH, KW, C/groups, O] → [N, T', H', W', O].
 * Throws `ShapeError` where dimensions do not fit together or the output would be empty.
 */
export function conv3d(x: Tensor, w: Tensor, options: ConvOptions = {}): Tensor {
  return convNd('conv3d', 3, x, w, options);
}

/**
 * The adjoint of `conv1d` in x, by the same weights: `y[n, i, o] = Σ_{l, k: l·stride − padding + k·dilation = i} Σ_c
 * x[n, l, c] · w[k, o, c] + bias[o]`. x [N, L, C], w [K, O/groups, C] → [N, L', O] with
 * L' = (L − 1)·stride − padding before − after + (K − 1)·dilation + 1 + outputPadding.
 * Throws `ShapeError` where dimensions do not fit together or the output would be empty.
 */
export function convTranspose1d(x: Tensor, w: Tensor, options: ConvTransposeOptions = {}): Tensor {
  return convTransposeNd('convTranspose1d', 1, x, w, options);
}

/**
 * The adjoint of `conv2d`, each axis as in `convTranspose1d`: x [N, H, W, C], w [KH, KW, O/groups, C] → [N, H', W', O].
 * Throws `ShapeError` where dimensions do not fit together or the output would be empty.
 */
export function convTranspose2d(x: Tensor, w: Tensor, options: ConvTransposeOptions = {}): Tensor {
  return convTransposeNd('convTranspose2d', 2, x, w, options);
}

/**
 * The adjoint of `conv3d`, each axis as in `convTranspose1d`: x [N, T, H, W, C], w [KT, KH, KW, O/groups, C] →
 * [N, T', H', W', O]. Throws `ShapeError` where dimensions do not fit together or the output would be empty.
 */
export function convTranspose3d(x: Tensor, w: Tensor, options: ConvTransposeOptions = {}): Tensor {
  return convTransposeNd('convTranspose3d', 3, x, w, options);
}
