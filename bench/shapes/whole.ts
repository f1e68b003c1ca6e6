// Attention, and workloads of several ops.
import { grad, valueAndGrad } from '../../src/autograd/grad.ts';
import { attention } from '../../src/kernels/attention.ts';
import { conv2d } from '../../src/kernels/conv.ts';
import { add, relu } from '../../src/kernels/elementwise.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { batchNorm } from '../../src/kernels/norm.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { sgdUpdate } from '../../src/kernels/update.ts';
import { sizeOf } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { type BenchCase, gradientOf, workload } from '../case.ts';
import { convolutions, matmuls } from './product.ts';
import { losses, norms, softmaxes } from './row.ts';

function heads(
  name: string,
  [b, l, h, d]: readonly [number, number, number, number],
  causal = false,
): BenchCase {
  const flops = (causal ? 2 : 4) * b * h * l * l * d;
  const shape = [b, l, h, d];
  return workload(name, {
    inputs: { q: shape, k: shape, v: shape },
    op: ({ q, k, v }) => attention(q, k, v, { causal }),
    ...{ flops, writes: 4 * sizeOf(shape), wrt: ['q', 'k', 'v'] },
    gradFlops: 3.5 * flops, // two products forward; five backward, scores again included
  });
}

export const attentions: readonly BenchCase[] = [
  heads('transformer.attention', [2, 256, 8, 64]),
  heads('transformer.attention.causal', [2, 256, 8, 64], true),
  heads('transformer.attention.L1024', [2, 1024, 8, 64]),
  heads('transformer.attention.D32', [2, 256, 16, 32]),
  heads('transformer.attention.D128', [2, 256, 4, 128]),
];

const MLP = { batch: 256, sizes: [784, 512, 512, 10] } as const;

/** Forward, backward and a step of SGD of a network with two hidden layers. */
function mlpStep(x: Tensor, labels: Tensor, weights: readonly Tensor[]): Tensor {
  const { value, grads } = valueAndGrad(() => {
    const logits = weights.reduce((y, w, i) => (i === 0 ? matmul(y, w) : matmul(relu(y), w)), x);
    return crossEntropy(logits, labels);
  }, weights);
  for (const [i, w] of weights.entries()) sgdUpdate(w, grads[i] as Tensor, undefined, { learningRate: 1e-6 });
  return value;
}

function mlp(): BenchCase {
  const { batch, sizes } = MLP;
  const shapes = sizes.slice(1).map((to, i) => [sizes[i] ?? 0, to]);
  const parameters = shapes.reduce((all, shape) => all + sizeOf(shape), 0);
  const [w0 = [], w1 = [], w2 = []] = shapes;
  return workload('mlp.training', {
    inputs: { x: [batch, sizes[0]], w0, w1, w2, labels: { shape: [batch], below: 10 } },
    op: ({ x, w0, w1, w2, labels }) => mlpStep(x, labels, [w0, w1, w2]),
    // The input needs no gradient.
    flops: 6 * batch * parameters - 2 * batch * sizeOf(w0),
    writes: 12 * parameters,
  });
}

const MAP = [8, 28, 28, 64] as const;
const KERNEL = [3, 3, 64, 64] as const;

/** `relu(bn(conv(relu(bn(conv(x))))) + x)`. */
function residualBlock(x: Tensor, w: readonly Tensor[], gamma: Tensor, beta: Tensor): Tensor {
  const [first, second] = w.map(
    (kernel) => (y: Tensor) => batchNorm(conv2d(y, kernel, { padding: 1 }), gamma, beta, {}).y,
  );
  return relu(add(x, second?.(relu(first?.(x) ?? x)) ?? x));
}

function residualStep(): BenchCase {
  const flops = 3 * 2 * 2 * sizeOf(MAP) * sizeOf(KERNEL.slice(0, -1));
  return workload('resnet18.block.training', {
    inputs: { x: MAP, w0: KERNEL, w1: KERNEL, gamma: [64], beta: [64] },
    op: ({ x, w0, w1, gamma, beta }) =>
      grad(() => sum(residualBlock(x, [w0, w1], gamma, beta)), [x, w0, w1, gamma, beta]),
    ...{ flops, writes: 4 * sizeOf(MAP) },
  });
}

function named(cases: readonly BenchCase[], name: string): BenchCase {
  const found = cases.find((test) => test.name === name);
  if (!found) throw new Error(`no workload is called '${name}'`);
  return gradientOf(found);
}

export const steps: readonly BenchCase[] = [mlp(), residualStep()];

/** Gradients that stand in the table without being asked for by `--grad`. */
export const gradients: readonly BenchCase[] = [
  named(matmuls, 'square.matmul1024'),
  named(convolutions, 'resnet18.layer1.conv3x3'),
  named(convolutions, 'r3d18.layer1.conv3x3x3'),
  named(attentions, 'transformer.attention'),
  named(softmaxes, 'softmax.4096x1024'),
  named(norms, 'transformer.layernorm'),
  named(norms, 'resnet18.layer1.batchnorm.training'),
  named(losses, 'imagenet.crossentropy'),
];
