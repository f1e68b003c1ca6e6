import { check } from '../errors.ts';
import { formatShape, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Chunks, chunksOf, THREADS } from './channel-sums.ts';
import { checkF32, checkFloats } from './op.ts';
import { sum } from './reduce.ts';
import { run } from './run.ts';
import { batchNormWgsl } from './wgsl.gen.ts';

export interface NormOptions {
  /** Added to the variance: 1e-5 by default. */
  readonly epsilon?: number | undefined;
}

export interface Attrs {
  readonly epsilon: number;
}

/** Channels of one call: the statistics and the factors. */
export type Channels = {
  readonly mean: Tensor;
  readonly variance: Tensor;
  readonly gamma: Tensor;
};

/** `y = (x − mean)·gamma/√(variance + ε) + beta`. */
export function normalize(
  x: Tensor,
  { mean, variance, gamma }: Channels,
  beta: Tensor,
  y: Tensor,
  epsilon: number,
): void {
  const chunks = chunksFor(x);
  const params = { ...chunks, epsilon };
  const launch = launchOf(chunks);
  if (chunks.channels % 4 === 0)
    run(batchNormWgsl, 'normalize4', { x, mean, variance, gamma, beta, y }, params, launch);
  else {
    const stats = { meanScalar: mean, varianceScalar: variance };
    const affine = { gammaScalar: gamma, betaScalar: beta };
    run(batchNormWgsl, 'normalize', { xScalar: x, ...stats, ...affine, yScalar: y }, params, launch);
  }
}

export function chunksFor({ shape, device }: Tensor): Chunks {
  return chunksOf(sizeOf(shape.slice(0, -1)), shape.at(-1) ?? 0, device.traits);
}

export function launchOf({ channels, chunks }: Chunks) {
  const columns = channels % 4 === 0 ? channels / 4 : channels;
  return { groups: Math.ceil((columns * chunks) / THREADS) };
}

/** The sum over all axes but the last. */
export function overRows(x: Tensor): Tensor {
  return sum(x, { axes: x.shape.slice(1).map((_, axis) => axis) });
}

/** Throws `ShapeError` unless x has channels and everything else is f32 [C], whatever float type x has. */
export function checkChannels(
  op: string,
  x: Tensor,
  perChannel: Readonly<Record<string, Tensor | undefined>>,
): void {
  checkFloats(op, { x });
  check(x.shape.length > 0, op, () => 'x must have channels, [..., C]; got a scalar');
  const channels = x.shape.at(-1) ?? 0;
  for (const [name, tensor] of Object.entries(perChannel)) {
    if (!tensor) continue;
    checkF32(op, name, tensor);
    check(
      tensor.shape.length === 1 && tensor.size === channels,
      op,
      () => `${name} must be [${channels}] for x ${formatShape(x.shape)}; got ${formatShape(tensor.shape)}`,
    );
  }
}
