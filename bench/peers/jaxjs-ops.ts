import { paddingOf } from './inputs.ts';
import type { JaxArray as A, Jax } from './jaxjs-api.ts';
import { ADAMW, EPSILON, type Norm, type Ops } from './workload.ts';

/** The ops of the workloads in jax-js, where images are [N, C, …] and kernels [O, C, K…]. All are traced by `jit`. */
export function jaxjsOps({ numpy: np, nn, lax }: Jax): Ops<A> {
  const channelwise = (x: A, like: A) =>
    x.ref.reshape([1, -1, ...Array.from({ length: like.ndim - 2 }, () => 1)]);
  const shifted = (x: A, like: A, gamma: A, beta: A) =>
    x.mul(channelwise(gamma, like)).add(channelwise(beta, like));
  const matmul = (a: A, b: A) => np.matmul(a.ref, b.ref);
  return {
    add: (a, b) => a.ref.add(b.ref),
    mul: (a, b) => a.ref.mul(b.ref),
    relu: (x) => nn.relu(x.ref),
    sum: (x) => x.ref.sum(),
    matmul,
    linear: (x, w, bias) => matmul(x, w).add(bias.ref),
    conv(x, w, geometry) {
      const pads = w.shape.slice(2).map((size) => paddingOf(geometry, size));
      const strides = pads.map(() => geometry.stride);
      const ends = pads.map((pad) => [pad, pad] as const);
      return lax.convGeneralDilated(x.ref, w.ref, strides, ends, { featureGroupCount: geometry.groups ?? 1 });
    },
    softmax: (x) => nn.softmax(x.ref),
    layerNorm: (x, gamma, beta) =>
      nn
        .standardize(x.ref, x.ndim - 1, { epsilon: EPSILON })
        .mul(gamma.ref)
        .add(beta.ref),
    batchNorm(x, { mean, variance, gamma, beta }: Norm<A>) {
      const centred = x.ref.sub(channelwise(mean, x));
      const deviation = channelwise(np.sqrt(variance.ref.add(EPSILON)), x);
      return shifted(centred.div(deviation), x, gamma, beta);
    },
    batchNormTraining: (x, gamma, beta) =>
      shifted(nn.standardize(x.ref, positions(x, [0]), { epsilon: EPSILON }), x, gamma, beta),
    attention: (q, k, v) => nn.dotProductAttention(q.ref, k.ref, v.ref),
    graphConv: (x, w, adjacency) =>
      np.einsum('pco,npctv->notv', w.ref, np.einsum('nctu,puv->npctv', x.ref, adjacency.ref)),
    maxPool(x) {
      const ends = [1, 1] as const;
      const padded = np.pad(x.ref, [[0, 0], [0, 0], ends, ends]);
      return lax.reduceWindow(padded, (window) => window.max(), [3, 3], [2, 2]);
    },
    globalAvgPool: (x) => x.ref.mean(positions(x, [])),
    crossEntropy(logits, labels) {
      const [samples, classes] = logits.shape as [number, number];
      const chosen = nn.logSoftmax(logits.ref).mul(nn.oneHot(labels.ref, classes));
      return chosen.sum().mul(-1 / samples);
    },
    adamw: (state) => adamw(np, state),
  };
}

/** The axes of `more`, and all behind the channels. */
function positions(x: A, more: readonly number[]): number[] {
  return [...more, ...Array.from({ length: x.ndim - 2 }, (_, i) => i + 2)];
}

function adamw(np: Jax['numpy'], { param, grad, mean, square }: Parameters<Ops<A>['adamw']>[0]) {
  const { learningRate, beta1, beta2, epsilon, weightDecay, step } = ADAMW;
  const m = mean.ref.mul(beta1).add(grad.ref.mul(1 - beta1));
  const v = square.ref.mul(beta2).add(np.square(grad.ref).mul(1 - beta2));
  const root = np
    .sqrt(v.ref)
    .mul(1 / Math.sqrt(1 - beta2 ** step))
    .add(epsilon);
  const change = m.ref.div(root).mul(learningRate / (1 - beta1 ** step));
  return { param: param.ref.mul(1 - learningRate * weightDecay).sub(change), mean: m, square: v };
}
