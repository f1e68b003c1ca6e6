import { equal, image, input, kernel, labels } from './specs.ts';
import type { InputSpec, Loss, Named, Ops } from './workload.ts';

// ResNet-18 (He et al. 2016, table 1) in evaluation mode.

interface Block {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly stride: number;
}

const CLASSES = 1000;
const STEM = { stride: 2, padding: 3 };
const WIDTHS = [64, 128, 256, 512];

const BLOCKS: readonly Block[] = WIDTHS.flatMap((to, i) => {
  const from = WIDTHS[i - 1] ?? to;
  return [
    { name: `stage${i}.block0`, from, to, stride: i === 0 ? 1 : 2 },
    { name: `stage${i}.block1`, from: to, to, stride: 1 },
  ];
});

function normSpecs(name: string, channels: number): Named<InputSpec> {
  return {
    [`${name}.gamma`]: equal([channels], 0.7),
    [`${name}.beta`]: equal([channels], 0.1),
    [`${name}.mean`]: equal([channels], 0),
    [`${name}.variance`]: equal([channels], 1),
  };
}

function convSpecs(name: string, size: number, from: number, to: number): Named<InputSpec> {
  return { [`${name}.w`]: kernel([size, size, from, to]), ...normSpecs(name, to) };
}

function blockSpecs({ name, from, to, stride }: Block): Named<InputSpec> {
  return {
    ...convSpecs(`${name}.conv1`, 3, from, to),
    ...convSpecs(`${name}.conv2`, 3, to, to),
    ...(stride === 1 ? {} : convSpecs(`${name}.shortcut`, 1, from, to)),
  };
}

/** Pictures in [0, 1], labels and weights. */
export function resnetInputs(samples: number, size: number): Named<InputSpec> {
  return {
    x: { ...image([samples, size, size, 3]), fill: 'uniform' },
    labels: labels([samples], CLASSES),
    ...convSpecs('stem', 7, 3, 64),
    ...Object.assign({}, ...BLOCKS.map(blockSpecs)),
    'head.w': { ...input([512, CLASSES], 0.05), constant: true },
    'head.b': equal([CLASSES], 0),
  };
}

/** Convolution and batch norm of a layer. */
function layer<T>(ops: Ops<T>, weights: Named<T>, name: string, x: T, stride: number, padding: number): T {
  const weight = (part: string) => weights[`${name}.${part}`]!;
  const y = ops.conv(x, weight('w'), { stride, padding });
  const [gamma, beta, mean, variance] = ['gamma', 'beta', 'mean', 'variance'].map(weight) as [T, T, T, T];
  return ops.batchNorm(y, { gamma, beta, mean, variance });
}

function block<T>(ops: Ops<T>, weights: Named<T>, { name, stride }: Block, x: T): T {
  const first = ops.relu(layer(ops, weights, `${name}.conv1`, x, stride, 1));
  const second = layer(ops, weights, `${name}.conv2`, first, 1, 1);
  const shortcut = stride === 1 ? x : layer(ops, weights, `${name}.shortcut`, x, stride, 0);
  return ops.relu(ops.add(second, shortcut));
}

/** Logits [N, 1000] of `inputs.x`. */
export function resnet<T>(ops: Ops<T>, inputs: Named<T>): T {
  const stem = ops.relu(layer(ops, inputs, 'stem', inputs.x!, STEM.stride, STEM.padding));
  const features = BLOCKS.reduce((x, one) => block(ops, inputs, one, x), ops.maxPool(stem));
  return ops.linear(ops.globalAvgPool(features), inputs['head.w']!, inputs['head.b']!);
}

export const resnetLoss: Loss = (ops, inputs) => ops.crossEntropy(resnet(ops, inputs), inputs.labels!);
