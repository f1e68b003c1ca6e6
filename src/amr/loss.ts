import { add, mul } from '../kernels/elementwise.ts';
import { crossEntropy } from '../kernels/loss.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { ActionOutput } from './action-network.ts';

export interface ActionLossOptions {
  /** λ: weight of the auxiliary heads. */
  readonly auxiliaryWeight: number;
  readonly labelSmoothing: number;
}

/** `CE(fused, y) + λ · mean over auxiliary heads of CE(aux, y)`, both means over the batch: → a scalar. */
export function actionLoss(output: ActionOutput, labels: Tensor, options: ActionLossOptions): Tensor {
  const { auxiliaryWeight, labelSmoothing } = options;
  const fused = crossEntropy(output.logits, labels, { labelSmoothing });
  if (output.auxiliary.length === 0 || auxiliaryWeight === 0) return fused;
  const auxiliary = output.auxiliary.map((logits) => crossEntropy(logits, labels, { labelSmoothing }));
  const sum = auxiliary.reduce((a, b) => add(a, b));
  return add(fused, mul(sum, auxiliaryWeight / auxiliary.length));
}
