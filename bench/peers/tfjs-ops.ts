import type { TfTensor as T, Tf } from './tfjs-api.ts';
import { ADAMW, EPSILON, type Geometry, LacksError, type Ops } from './workload.ts';

/** The ops of the workloads in TensorFlow.js, fused where it has a fused kernel. */
export function tfjsOps(tf: Tf): Ops<T> {
  return {
    add: tf.add,
    mul: tf.mul,
    relu: tf.relu,
    sum: (x) => tf.sum(x),
    matmul: (a, b) => tf.matMul(a, b),
    linear: (a, b, bias) => tf.fused.matMul({ a, b, bias }),
    conv: (x, w, geometry) => convolve(tf, x, w, geometry),
    softmax: tf.softmax,
    layerNorm: (x, gamma, beta) => layerNorm(tf, x, gamma, beta),
    batchNorm: (x, norm) => tf.batchNorm(x, norm.mean, norm.variance, norm.beta, norm.gamma, EPSILON),
    batchNormTraining(x, gamma, beta) {
      const { mean, variance } = tf.moments(x, leading(x));
      return tf.batchNorm(x, mean, variance, beta, gamma, EPSILON);
    },
    attention: (q, k, v) => attention(tf, q, k, v),
    graphConv: (x, w, adjacency) => graphConv(tf, x, w, adjacency),
    maxPool: (x) => tf.maxPool(x, 3, 2, 1, 'floor'),
    globalAvgPool: (x) => tf.mean(x, leading(x).slice(1)),
    crossEntropy: (logits, labels) =>
      tf.losses.softmaxCrossEntropy(tf.oneHot(labels, logits.shape.at(-1)!), logits),
    adamw: (state) => adamw(tf, state),
  };
}

/** All axes but the last. */
function leading(x: T): number[] {
  return Array.from({ length: x.rank - 1 }, (_, axis) => axis);
}

function convolve(tf: Tf, x: T, w: T, { stride, padding, groups = 1 }: Geometry): T {
  if (groups > 1) return depthwise(tf, x, w, { stride, padding, groups });
  const rounding = padding === 'same' ? undefined : 'floor';
  if (x.rank === 3) return tf.conv1d(x, w, stride, padding, 'NWC', 1, rounding);
  if (x.rank === 4) return tf.conv2d(x, w, stride, padding, 'NHWC', 1, rounding);
  if (typeof padding === 'number') throw new LacksError('conv3d with explicit padding');
  return tf.conv3d(x, w, stride, padding);
}

function depthwise(tf: Tf, x: T, w: T, { stride, padding, groups = 1 }: Geometry): T {
  if (x.rank !== 4 || groups !== x.shape[3] || w.shape[3] !== groups)
    throw new LacksError('grouped convolution');
  return tf.depthwiseConv2d(x, tf.reshape(w, [...w.shape.slice(0, 2), groups, 1]), stride, padding);
}

function layerNorm(tf: Tf, x: T, gamma: T, beta: T): T {
  const { mean, variance } = tf.moments(x, [x.rank - 1], true);
  const scaled = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, tf.scalar(EPSILON))));
  return tf.add(tf.mul(scaled, gamma), beta);
}

const HEADS_FIRST = [0, 2, 1, 3];

function attention(tf: Tf, q: T, k: T, v: T): T {
  const [qs, ks, vs] = [q, k, v].map((x) => tf.transpose(x, HEADS_FIRST)) as [T, T, T];
  const scale = tf.scalar(1 / Math.sqrt(q.shape[3]!));
  const weights = tf.softmax(tf.matMul(tf.mul(qs, scale), ks, false, true));
  return tf.transpose(tf.matMul(weights, vs), HEADS_FIRST);
}

/** For each frame [(v, p), u] · [u, c], then [(p, c), o]: no tensor of the size of x is transposed. */
function graphConv(tf: Tf, x: T, w: T, adjacency: T): T {
  const [n, frames, joints, channels] = x.shape as [number, number, number, number];
  const [partitions, , filters] = w.shape as [number, number, number];
  const links = tf.reshape(tf.transpose(adjacency, [2, 0, 1]), [joints * partitions, joints]);
  const gathered = tf.matMul(links, tf.reshape(x, [n * frames, joints, channels]));
  const rows = tf.reshape(gathered, [n * frames * joints, partitions * channels]);
  const product = tf.matMul(rows, tf.reshape(w, [partitions * channels, filters]));
  return tf.reshape(product, [n, frames, joints, filters]);
}

function adamw(
  tf: Tf,
  { param, grad, mean, square }: Parameters<Ops<T>['adamw']>[0],
): ReturnType<Ops<T>['adamw']> {
  const { learningRate, beta1, beta2, epsilon, weightDecay, step } = ADAMW;
  const scaled = (x: T, by: number) => tf.mul(x, tf.scalar(by));
  const m = tf.add(scaled(mean, beta1), scaled(grad, 1 - beta1));
  const v = tf.add(scaled(square, beta2), scaled(tf.square(grad), 1 - beta2));
  const root = tf.add(scaled(tf.sqrt(v), 1 / Math.sqrt(1 - beta2 ** step)), tf.scalar(epsilon));
  const change = scaled(tf.div(m, root), learningRate / (1 - beta1 ** step));
  return { param: tf.sub(scaled(param, 1 - learningRate * weightDecay), change), mean: m, square: v };
}
