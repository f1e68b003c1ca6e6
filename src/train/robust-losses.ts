import { check } from '../errors.ts';
import { add, greater, log, mul, neg, sub, where } from '../kernels/elementwise.ts';
import { oneHot } from '../kernels/layout.ts';
import { crossEntropy, klDiv } from '../kernels/loss.ts';
import { max, mean, sum } from '../kernels/reduce.ts';
import { logSoftmax, softmax } from '../kernels/softmax.ts';
import type { Tensor } from '../tensor/tensor.ts';

export interface RobustLossOptions {
  /** β, the weight of the divergence; 6 when left out. */
  readonly beta?: number | undefined;
  /** Of the cross-entropy; 0 when left out. */
  readonly labelSmoothing?: number | undefined;
}

/** `KL(p(x) ‖ p(x'))` of each sample, with p the softmax of the logits: two tensors [N, C] → [N] (nats). */
export function predictionDivergence(clean: Tensor, adversarial: Tensor): Tensor {
  return klDiv(logSoftmax(adversarial), logSoftmax(clean), { logTarget: true, reduction: 'none' });
}

/**
 * TRADES: `mean of CE(x, y) + β KL(p(x) ‖ p(x'))` (Zhang et al. 2019, algorithm 1). Logits [N, C] of the clean and of the adversarial
 * samples, labels i32 [N] → a scalar. Throws `ShapeError` for shapes that do not fit.
 */
export function tradesLoss(
  clean: Tensor,
  adversarial: Tensor,
  labels: Tensor,
  { beta = 6, labelSmoothing = 0 }: RobustLossOptions = {},
): Tensor {
  const natural = crossEntropy(clean, labels, { labelSmoothing });
  return add(natural, mul(mean(predictionDivergence(clean, adversarial)), beta));
}

/**
 * Boosted cross-entropy: `CE − log(1.0001 − max_{k≠y} p_k)` of each sample (Wang et al. 2020). Logits [N, C], labels
 * i32 [N] → [N] (nats). Throws `ShapeError` for fewer than 2 classes and shapes that do not fit.
 */
export function boostedCrossEntropy(
  logits: Tensor,
  labels: Tensor,
  { labelSmoothing = 0 }: { readonly labelSmoothing?: number | undefined } = {},
): Tensor {
  const classes = logits.shape.at(-1) ?? 0;
  check(classes >= 2, 'boostedCrossEntropy', () => `needs at least 2 classes; got ${classes}`);
  const losses = crossEntropy(logits, labels, { labelSmoothing, reduction: 'none' });
  const own = greater(oneHot(labels, classes), 0);
  const rival = max(where(own, 0, softmax(logits)), { axes: -1 });
  return sub(losses, log(sub(1.0001, rival)));
}

/**
 * MART: `mean of BCE(x', y) + β KL(p(x) ‖ p(x')) · (1 − p_y(x))` (Wang et al. 2020). Logits [N, C] of the clean and
 * of the adversarial samples, labels i32 [N] → a scalar. Throws `ShapeError` for fewer than 2 classes and shapes that do not fit.
 */
export function martLoss(
  clean: Tensor,
  adversarial: Tensor,
  labels: Tensor,
  { beta = 6, labelSmoothing }: RobustLossOptions = {},
): Tensor {
  const boosted = boostedCrossEntropy(adversarial, labels, { labelSmoothing });
  const own = oneHot(labels, clean.shape.at(-1) ?? 0);
  const doubt = add(neg(sum(mul(softmax(clean), own), { axes: -1 })), 1);
  return mean(add(boosted, mul(mul(predictionDivergence(clean, adversarial), doubt), beta)));
}
