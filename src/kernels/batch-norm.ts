import { check } from '../errors.ts';
import { formatShape, type Spec, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  type Attrs,
  type Channels,
  checkChannels,
  launchFor,
  type NormOptions,
  normalize,
  overRows,
} from './batch-norm-launch.ts';
import { throughChunks } from './channel-sums.ts';
import { add, mul, rsqrt, sub } from './elementwise.ts';
import { ofType } from './elementwise-cast.ts';
import { broadcastTo } from './layout.ts';
import { defineOp, f32, isTracked, like } from './op.ts';
import { run } from './run.ts';
import { batchNormWgsl } from './wgsl.gen.ts';

/** What `batchNorm` returns. */
export interface BatchNormResult {
  readonly y: Tensor;
  /** Mean of each channel [C]. */
  readonly mean: Tensor;
  /** Biased variance of each channel [C]. */
  readonly variance: Tensor;
}

const batchNormOp = defineOp<{ x: Tensor; gamma: Tensor; beta: Tensor }, Attrs, [Spec, Spec, Spec]>({
  name: 'batchNorm',
  outputs({ x, ...perChannel }) {
    checkChannels('batchNorm', x, perChannel);
    check(
      sizeOf(x.shape.slice(0, -1)) > 0,
      'batchNorm',
      () => `needs at least one element per channel; got x ${formatShape(x.shape)}`,
    );
    return [like(x), f32(x.shape.slice(-1)), f32(x.shape.slice(-1))];
  },
  forward({ x, gamma, beta }, [y, mean, variance], { epsilon }) {
    moments(x, mean, variance);
    normalize(x, { mean, variance, gamma }, beta, y, epsilon);
  },
  reads: ({ x, gamma }, [, mean, variance]) => [x, gamma, mean, variance],
  gradient({ inputs: { x, gamma }, outputs: [, mean, variance], grads: [g, gMean, gVariance], attrs }) {
    const channels = { mean, variance, gamma };
    const rule = g && (isTracked(x, gamma, g) ? formula : fused)(x, g, channels, attrs);
    return {
      x: () => momentsGradient(x, mean, rule?.x(), gMean, gVariance),
      gamma: rule?.gamma,
      beta: rule?.beta,
    };
  },
});

interface Rule {
  readonly x: () => Tensor;
  readonly gamma: () => Tensor;
  readonly beta: () => Tensor;
}

function fused(x: Tensor, g: Tensor, channels: Channels, attrs: Attrs): Rule {
  let known: readonly [Tensor, Tensor] | undefined;
  const { mean, variance } = channels;
  const sums = () => {
    known ??= gradSumsOp({ x, g, mean, variance }, attrs);
    return known;
  };
  return {
    x: () => normalizeGradOp({ x, g, ...channels, dbeta: sums()[0], dgamma: sums()[1] }, attrs)[0],
    gamma: () => sums()[1],
    beta: () => sums()[0],
  };
}

/** The same in differentiable ops: the statistics are outputs of the op, so an outer tape follows them. */
function formula(
  given: Tensor,
  upstream: Tensor,
  { mean, variance, gamma }: Channels,
  { epsilon }: Attrs,
): Rule {
  const [x, g] = [ofType(given, 'f32'), ofType(upstream, 'f32')];
  const r = rsqrt(add(variance, epsilon));
  const xHat = mul(sub(x, mean), r);
  const beta = () => overRows(g);
  const dgamma = () => overRows(mul(g, xHat));
  const share = 1 / rowsOf(x);
  const centred = () => sub(sub(g, mul(beta(), share)), mul(xHat, mul(dgamma(), share)));
  return { x: () => ofType(mul(mul(gamma, r), centred()), given.dtype), gamma: dgamma, beta };
}

/** Adds what reaches x through the mean (1/rows each) and through the variance (2·(x − mean)/rows). */
function momentsGradient(
  x: Tensor,
  mean: Tensor,
  direct: Tensor | undefined,
  gMean: Tensor | undefined,
  gVariance: Tensor | undefined,
): Tensor {
  if (direct && !gMean && !gVariance) return direct;
  const share = 1 / rowsOf(x);
  const terms = [
    direct && ofType(direct, 'f32'),
    gMean && broadcastTo(mul(gMean, share), x.shape),
    gVariance && mul(sub(ofType(x, 'f32'), mean), mul(gVariance, 2 * share)),
  ];
  const total = terms.filter((term) => term !== undefined).reduce((a, b) => add(a, b));
  return ofType(total, x.dtype);
}

const gradSumsOp = defineOp<{ x: Tensor; g: Tensor; mean: Tensor; variance: Tensor }, Attrs, [Spec, Spec]>({
  name: 'batchNormGradSums',
  outputs: ({ mean }) => [f32(mean.shape), f32(mean.shape)],
  forward({ x, g, mean, variance }, [first, second], { epsilon }) {
    const { chunks, params, launch } = launchFor(x, epsilon);
    throughChunks('batchNorm', chunks, { first, second }, 'combineSums', (partial) => {
      if (chunks.channels % 4 === 0)
        run(batchNormWgsl, 'gradSums4', { x, g, mean, variance, partial }, params, launch);
      else {
        const stats = { meanScalar: mean, varianceScalar: variance };
        const data = { xScalar: x, gScalar: g, partialScalar: partial };
        run(batchNormWgsl, 'gradSums', { ...data, ...stats }, params, launch);
      }
    });
  },
});

type GradInputs = { x: Tensor; g: Tensor; dgamma: Tensor; dbeta: Tensor } & Channels;

const normalizeGradOp = defineOp<GradInputs, Attrs, [Spec]>({
  name: 'batchNormGrad',
  outputs: ({ x }) => [like(x)],
  forward(inputs, [y], { epsilon }) {
    const { chunks, params, launch } = launchFor(inputs.x, epsilon);
    if (chunks.channels % 4 === 0) run(batchNormWgsl, 'normalizeGrad4', { ...inputs, y }, params, launch);
    else {
      const { x, g, mean, variance, gamma, dgamma, dbeta } = inputs;
      const scalars = {
        ...{ xScalar: x, gScalar: g, meanScalar: mean, varianceScalar: variance },
        ...{ gammaScalar: gamma, dgammaScalar: dgamma, dbetaScalar: dbeta, yScalar: y },
      };
      run(batchNormWgsl, 'normalizeGrad', scalars, params, launch);
    }
  },
});

function moments(x: Tensor, mean: Tensor, variance: Tensor): void {
  const { chunks, params, launch } = launchFor(x, 0);
  const outputs = { first: mean, second: variance };
  throughChunks('batchNorm', chunks, outputs, 'combineMoments', (partial) => {
    if (chunks.channels % 4 === 0) run(batchNormWgsl, 'moments4', { x, partial }, params, launch);
    else run(batchNormWgsl, 'moments', { xScalar: x, partialScalar: partial }, params, launch);
  });
}

function rowsOf({ shape }: Tensor): number {
  return sizeOf(shape.slice(0, -1));
}

/**
 * Batch normalisation in training: `y = (x − mean)/√(variance + ε)·gamma + beta`, with mean and biased variance of each
 * channel over all other axes. x [..., C], gamma and beta [C] → y [..., C], mean [C], variance [C]; all three are
 * differentiable. A channel with NaN or Infinity becomes NaN. Throws `ShapeError` for other shapes, and without an
 * element to average. Ioffe and Szegedy 2015.
 */
export function batchNorm(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  { epsilon = 1e-5 }: NormOptions = {},
): BatchNormResult {
  const [y, mean, variance] = batchNormOp({ x, gamma, beta }, { epsilon });
  return { y, mean, variance };
}
