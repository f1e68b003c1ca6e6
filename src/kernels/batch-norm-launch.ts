import { check } from '../errors.ts';
import { formatShape, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { chunksOf, THREADS } from './channel-sums.ts';
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
  const { chunks, params, launch } = launchFor(x, epsilon);
  if (chunks.channels % 4 === 0)
    run(batchNormWgsl, 'normalize4', { x, mean, variance, gamma, beta, y }, params, launch);
  else {
    const stats = { meanScalar: mean, varianceScalar: variance };
    const affine = { gammaScalar: gamma, betaScalar: beta };
    run(batchNormWgsl, 'normalize', { xScalar: x, ...stats, ...affine, yScalar: y }, params, launch);
  }
}

/** How the kernels go over x: its rows in chunks, four channels (or one) a thread. */
export function launchFor({ shape, device }: Tensor, epsilon: number) {
  const chunks = chunksOf(sizeOf(shape.slice(0, -1)), shape.at(-1) ?? 0, device.traits);
  const columns = chunks.channels % 4 === 0 ? chunks.channels / 4 : chunks.channels;
  const launch = { groups: Math.ceil((columns * chunks.chunks) / THREADS) };
  return { chunks, params: { ...chunks, epsilon }, launch };
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
