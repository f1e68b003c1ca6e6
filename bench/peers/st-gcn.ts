import { constant, equal, image, input, kernel, labels } from './specs.ts';
import type { InputSpec, Loss, Named, Ops } from './workload.ts';

// A small spatial-temporal graph network (Yan et al. 2018): blocks of graph convolution and convolution over time.

interface Block {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

const JOINTS = 25;
const PARTITIONS = 3;
const SPAN = 9;
const CLASSES = 60;
const WIDTHS = [3, 64, 64, 128];
const BLOCKS: readonly Block[] = WIDTHS.slice(1).map((to, i) => ({
  name: `block${i}`,
  from: WIDTHS[i]!,
  to,
}));

function normSpecs(name: string, channels: number): Named<InputSpec> {
  return { [`${name}.gamma`]: equal([channels], 1), [`${name}.beta`]: equal([channels], 0) };
}

function blockSpecs({ name, from, to }: Block): Named<InputSpec> {
  return {
    [`${name}.graph`]: constant([PARTITIONS, from, to], Math.sqrt(2 / (from * PARTITIONS))),
    ...normSpecs(`${name}.norm1`, to),
    [`${name}.time`]: kernel([SPAN, 1, to, to]),
    ...normSpecs(`${name}.norm2`, to),
  };
}

const WEIGHTS: Named<InputSpec> = {
  ...Object.assign({}, ...BLOCKS.map(blockSpecs)),
  'head.w': constant([WIDTHS.at(-1)!, CLASSES], 0.1),
  'head.b': equal([CLASSES], 0),
};

/** Names of what is trained. */
export const stGcnWeights = Object.keys(WEIGHTS);

/** Skeletons [N, T, 25, 3], labels, adjacency and weights. */
export function stGcnInputs(samples: number, frames: number): Named<InputSpec> {
  return {
    x: image([samples, frames, JOINTS, 3]),
    labels: labels([samples], CLASSES),
    adjacency: { ...input([PARTITIONS, JOINTS, JOINTS], 2 / JOINTS), fill: 'uniform' },
    ...WEIGHTS,
  };
}

function norm<T>(ops: Ops<T>, weights: Named<T>, name: string, x: T): T {
  return ops.batchNormTraining(x, weights[`${name}.gamma`]!, weights[`${name}.beta`]!);
}

function block<T>(ops: Ops<T>, inputs: Named<T>, { name, from, to }: Block, x: T): T {
  const gathered = ops.graphConv(x, inputs[`${name}.graph`]!, inputs.adjacency!);
  const spatial = ops.relu(norm(ops, inputs, `${name}.norm1`, gathered));
  const convolved = ops.conv(spatial, inputs[`${name}.time`]!, { stride: 1, padding: 'same' });
  const temporal = norm(ops, inputs, `${name}.norm2`, convolved);
  return ops.relu(from === to ? ops.add(temporal, x) : temporal);
}

/** The loss in training mode. */
export const stGcnLoss: Loss = <T>(ops: Ops<T>, inputs: Named<T>) => {
  let features: T = inputs.x!;
  for (const one of BLOCKS) features = block(ops, inputs, one, features);
  const logits = ops.linear(ops.globalAvgPool(features), inputs['head.w']!, inputs['head.b']!);
  return ops.crossEntropy(logits, inputs.labels!);
};
