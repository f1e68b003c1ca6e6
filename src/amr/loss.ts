import { add, mul } from '../kernels/elementwise.ts';
import { crossEntropy } from '../kernels/loss.ts';
import { mean } from '../kernels/reduce.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { ActionOutput } from './action-network.ts';

export interface ActionLossOptions {
  /** λ: weight of the auxiliary heads. */
  readonly auxiliaryWeight: number;
  readonly labelSmoothing: number;
}

/**
 * `CE(fused, y) + λ · mean over auxiliary heads of CE(aux, y)`, and the penalty of a network that has one, all of them
 * means over the batch: → a scalar.
 */
export function actionLoss(output: ActionOutput, labels: Tensor, options: ActionLossOptions): Tensor {
  const { labelSmoothing } = options;
  return withAuxiliary(crossEntropy(output.logits, labels, { labelSmoothing }), output, labels, options);
}

/** Another loss of the fused head with the same auxiliary heads and penalty: a scalar and a network's output → a scalar. */
export function withAuxiliary(
  own: Tensor,
  output: ActionOutput,
  labels: Tensor,
  { auxiliaryWeight, labelSmoothing }: ActionLossOptions,
): Tensor {
  const fused = output.penalty ? add(own, mean(output.penalty)) : own;
  if (output.auxiliary.length === 0 || auxiliaryWeight === 0) return fused;
  const auxiliary = output.auxiliary.map((logits) => crossEntropy(logits, labels, { labelSmoothing }));
  const sum = auxiliary.reduce((a, b) => add(a, b));
  return add(fused, mul(sum, auxiliaryWeight / auxiliary.length));
}
