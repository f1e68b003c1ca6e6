import type { Spec } from '../tensor/shape.ts';
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
import { joinReluGradient } from './batch-norm-relu.ts';
import { add, mul, rsqrt, sub } from './elementwise.ts';
import { ofType } from './elementwise-cast.ts';
import { defineOp, isTracked, like } from './op.ts';
import { run } from './run.ts';
import { batchNormWgsl } from './wgsl.gen.ts';

type InferenceInputs = { x: Tensor; beta: Tensor } & Channels;

const inferenceOp = defineOp<InferenceInputs, Attrs, [Spec]>({
  name: 'batchNormInference',
  outputs({ x, ...perChannel }) {
    checkChannels('batchNormInference', x, perChannel);
    return [like(x)];
  },
  forward({ x, beta, ...channels }, [y], { epsilon }) {
    normalize(x, channels, beta, y, epsilon);
  },
  reads: ({ x, mean, variance, gamma }) => [x, mean, variance, gamma],
  gradient({ inputs: { x, mean, variance, gamma }, grads: [upstream], attrs }) {
    const r = () => rsqrt(add(variance, attrs.epsilon));
    const g = () => ofType(upstream as Tensor, 'f32');
    const dgamma = () => mul(overRows(mul(g(), sub(ofType(x, 'f32'), mean))), r());
    return {
      x: () => scaled(upstream as Tensor, variance, gamma, attrs),
      gamma: dgamma,
      beta: () => overRows(g()),
      mean: () => mul(overRows(g()), mul(mul(gamma, r()), -1)),
      variance: () => mul(mul(dgamma(), gamma), mul(mul(r(), r()), -0.5)),
    };
  },
});

/** `g·gamma/√(variance + ε)`: one kernel for whole vectors, or differentiable ops, as where an outer tape follows them. */
function scaled(g: Tensor, variance: Tensor, gamma: Tensor, attrs: Attrs): Tensor {
  const vectors = gamma.size % 4 === 0;
  if (vectors && !isTracked(g, variance, gamma)) return scaleGradOp({ g, variance, gamma }, attrs)[0];
  return mul(g, ofType(mul(gamma, rsqrt(add(variance, attrs.epsilon))), g.dtype));
}

const scaleGradOp = defineOp<{ g: Tensor; variance: Tensor; gamma: Tensor }, Attrs, [Spec]>({
  name: 'batchNormInferenceGrad',
  outputs: ({ g }) => [like(g)],
  forward({ g, variance, gamma }, [y], { epsilon }) {
    const { params, launch } = launchFor(g, epsilon);
    // Without a relu x is not read, so gamma stands in for it.
    const tensors = { x: gamma, variance, gamma, g, y };
    run(batchNormWgsl, 'scaleGrad4', tensors, params, { ...launch, join: joinReluGradient });
  },
});

/**
 * Batch normalisation with given statistics: `y = (x − mean)/√(variance + ε)·gamma + beta`. x [..., C], the others
 * [C] → y [..., C]. Throws `ShapeError` for other shapes.
 */
export function batchNormInference(
  x: Tensor,
  mean: Tensor,
  variance: Tensor,
  gamma: Tensor,
  beta: Tensor,
  { epsilon = 1e-5 }: NormOptions = {},
): Tensor {
  return inferenceOp({ x, mean, variance, gamma, beta }, { epsilon })[0];
}
