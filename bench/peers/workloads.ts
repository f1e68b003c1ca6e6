import { resnet, resnetInputs, resnetLoss } from './resnet.ts';
import { constant, image, input, kernel, labels, positive } from './specs.ts';
import { stGcnInputs, stGcnLoss, stGcnWeights } from './st-gcn.ts';
import type { Body, Geometry, InputSpec, Loss, Named, Ops, Role, Workload } from './workload.ts';

type Apply = <T>(ops: Ops<T>, inputs: Named<T>) => T;

function forward(apply: Apply, role: Role = 'plain'): Body {
  return { kind: 'forward', apply: (ops, inputs) => ({ y: apply(ops, inputs) }), role };
}

/** The gradients of `Σ y·g`, with g an input: what a layer does when an upstream gradient reaches it. */
function gradient(apply: Apply, wrt: readonly string[]): Body {
  const loss: Loss = (ops, inputs) => ops.sum(ops.mul(apply(ops, inputs), inputs.g!));
  return { kind: 'gradient', loss, wrt };
}

function workload(name: string, inputs: Named<InputSpec>, body: Body, tolerance = 1e-3): Workload {
  return { name, inputs, body, tolerance };
}

const matmul: Apply = (ops, { a, b }) => ops.matmul(a!, b!);
const conv =
  (geometry: Geometry): Apply =>
  (ops, { x, w }) =>
    ops.conv(x!, w!, geometry);
const attention: Apply = (ops, { q, k, v }) => ops.attention(q!, k!, v!);
const batchNormTraining: Apply = (ops, { x, gamma, beta }) => ops.batchNormTraining(x!, gamma!, beta!);
const layerNorm: Apply = (ops, { x, gamma, beta }) => ops.layerNorm(x!, gamma!, beta!);

const SAME = { stride: 1, padding: 'same' } as const;
const IMAGE64 = [8, 56, 56, 64];

function heads(length: number, width: number): Named<InputSpec> {
  const shape = [2, length, 8, width];
  return { q: input(shape), k: input(shape), v: input(shape) };
}

function channels(count: number): Named<InputSpec> {
  return { gamma: constant([count]), beta: constant([count]) };
}

const mlp: Loss = (ops, { x, labels, w1, b1, w2, b2, w3, b3 }) => {
  const first = ops.relu(ops.linear(x!, w1!, b1!));
  const second = ops.relu(ops.linear(first, w2!, b2!));
  return ops.crossEntropy(ops.linear(second, w3!, b3!), labels!);
};

const MLP_WEIGHTS = {
  w1: constant([784, 512], 0.05),
  b1: constant([512], 0.05),
  w2: constant([512, 512], 0.06),
  b2: constant([512], 0.05),
  w3: constant([512, 10], 0.06),
  b3: constant([10], 0.05),
};

const million = 1 << 20;
const CONV3D = { x: image([2, 8, 28, 28, 32]), w: kernel([3, 3, 3, 32, 32]) };

/** The lines every peer is measured on. */
const CORE: readonly Workload[] = [
  workload('matmul 512³', { a: input([512, 512]), b: input([512, 512]) }, forward(matmul)),
  workload('matmul 1024³', { a: input([1024, 1024]), b: input([1024, 1024]) }, forward(matmul)),
  workload(
    'batched matmul 16 × 256×64×256',
    { a: input([16, 256, 64]), b: input([16, 64, 256]) },
    forward(matmul),
  ),
  workload(
    'conv3×3 64→64, 56², N 8',
    { x: image(IMAGE64), w: kernel([3, 3, 64, 64]) },
    forward(conv(SAME), 'image'),
  ),
  workload(
    'conv7×7 stride 2, 3→64, 224², N 1',
    { x: image([1, 224, 224, 3]), w: kernel([7, 7, 3, 64]) },
    forward(conv({ stride: 2, padding: 3 }), 'image'),
  ),
  workload(
    'conv1×1 256→64, 56², N 4',
    { x: image([4, 56, 56, 256]), w: kernel([1, 1, 256, 64]) },
    forward(conv(SAME), 'image'),
  ),
  workload('conv3d 3×3×3 32→32, 8×28², N 2', CONV3D, forward(conv(SAME), 'image')),
  workload(
    'softmax 4096×1024',
    { x: input([4096, 1024]) },
    forward((ops, { x }) => ops.softmax(x!)),
  ),
  workload('layer norm 4096×1024', { x: input([4096, 1024]), ...channels(1024) }, forward(layerNorm)),
  workload(
    'batch norm 8×56²×64',
    { x: image(IMAGE64), ...channels(64), mean: constant([64]), variance: positive([64], true) },
    forward(
      (ops, { x, gamma, beta, mean, variance }) =>
        ops.batchNorm(x!, { gamma: gamma!, beta: beta!, mean: mean!, variance: variance! }),
      'image',
    ),
  ),
  workload(
    'sum of 16 M',
    { x: positive([16 * million]) },
    forward((ops, { x }) => ops.sum(x!)),
  ),
  workload(
    'relu(a+b), 16 M',
    { a: input([16 * million]), b: input([16 * million]) },
    forward((ops, { a, b }) => ops.relu(ops.add(a!, b!))),
  ),
  workload('attention B 2, H 8, L 256, D 64', heads(256, 64), forward(attention)),
  workload(
    'gradient of conv3×3 64→64, 56², N 8',
    { x: image(IMAGE64), w: kernel([3, 3, 64, 64]), g: image(IMAGE64) },
    gradient(conv(SAME), ['x', 'w']),
  ),
  workload(
    'training step of an MLP 784-512-512-10, N 256',
    { x: input([256, 784]), labels: labels([256], 10), ...MLP_WEIGHTS },
    { kind: 'step', loss: mlp, wrt: Object.keys(MLP_WEIGHTS), rate: 0.01 },
  ),
  workload(
    'gradient of attention L 256, D 64',
    { ...heads(256, 64), g: input([2, 256, 8, 64]) },
    gradient(attention, ['q', 'k', 'v']),
  ),
];

/** More lines, from convolution and normalisation to whole training steps. */
const MORE: readonly Workload[] = [
  workload(
    'depthwise conv3×3 128, 56², N 8',
    { x: image([8, 56, 56, 128]), w: kernel([3, 3, 1, 128]) },
    forward(conv({ ...SAME, groups: 128 }), 'image'),
  ),
  workload(
    'conv1d 9, 64→128, L 256, N 16',
    { x: image([16, 256, 64]), w: kernel([9, 64, 128]) },
    forward(conv(SAME), 'image'),
  ),
  workload(
    'graph conv 64→64, N 16, T 64, V 25, P 3',
    { x: image([16, 64, 25, 64]), w: constant([3, 64, 64]), adjacency: constant([3, 25, 25]) },
    forward((ops, { x, w, adjacency }) => ops.graphConv(x!, w!, adjacency!), 'image'),
  ),
  workload('attention L 1024, D 32', heads(1024, 32), forward(attention)),
  workload('attention L 1024, D 64', heads(1024, 64), forward(attention)),
  workload('attention L 1024, D 128', heads(1024, 128), forward(attention)),
  workload(
    'batch norm (training) 8×56²×64',
    { x: image(IMAGE64), ...channels(64) },
    forward(batchNormTraining, 'image'),
  ),
  workload(
    'gradient of matmul 1024³',
    { a: input([1024, 1024]), b: input([1024, 1024]), g: input([1024, 1024]) },
    gradient(matmul, ['a', 'b']),
  ),
  workload(
    'gradient of conv3d 3×3×3 32→32',
    { ...CONV3D, g: image([2, 8, 28, 28, 32]) },
    gradient(conv(SAME), ['x', 'w']),
  ),
  workload(
    'gradient of batch norm (training)',
    { x: image(IMAGE64), ...channels(64), g: image(IMAGE64) },
    gradient(batchNormTraining, ['x', 'gamma', 'beta']),
  ),
  workload(
    'gradient of layer norm 4096×1024',
    { x: input([4096, 1024]), ...channels(1024), g: input([4096, 1024]) },
    gradient(layerNorm, ['x', 'gamma', 'beta']),
  ),
  workload(
    'cross-entropy 4096×1000',
    { logits: input([4096, 1000]), labels: labels([4096], 1000) },
    forward((ops, inputs) => ops.crossEntropy(inputs.logits!, inputs.labels!)),
  ),
  workload(
    'AdamW of 10 M',
    Object.fromEntries([
      ...['param', 'grad', 'mean'].map((name) => [name, input([10_000_000], 0.1)]),
      ['square', positive([10_000_000])],
    ]),
    {
      kind: 'forward',
      apply: (ops, { param, grad, mean, square }) =>
        ops.adamw({ param: param!, grad: grad!, mean: mean!, square: square! }),
      role: 'plain',
    },
  ),
];

/** Whole networks. */
const NETWORKS: readonly Workload[] = [
  workload('ResNet-18 forward, 224², N 8', resnetInputs(8, 224), forward(resnet)),
  workload('ResNet-18 input gradient, 224², N 1', resnetInputs(1, 224), {
    kind: 'gradient',
    loss: resnetLoss,
    wrt: ['x'],
  }),
  workload(
    'ST-GCN training step, T 64, V 25, N 8',
    stGcnInputs(8, 64),
    { kind: 'step', loss: stGcnLoss, wrt: stGcnWeights, rate: 0.01 },
    // Gradients through six batch norms in training are sums that nearly cancel.
    5e-3,
  ),
  workload(
    'PGD-10 on ResNet-18, 64², N 2',
    resnetInputs(2, 64),
    // Where a gradient is next to zero its sign is chance, so that only the loss can be compared.
    { kind: 'pgd', loss: resnetLoss, steps: 10, budget: { epsilon: 8 / 255, stepSize: 2 / 255 } },
    2e-2,
  ),
];

export const WORKLOADS: readonly Workload[] = [...CORE, ...MORE, ...NETWORKS];
