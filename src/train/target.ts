import { add, mul, sub } from '../kernels/elementwise.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** What a batch is to be recognised as: one class a sample, or two with a share each (mixup, CutMix). */
export interface Target {
  /** i32 [N]. */
  readonly labels: Tensor;
  readonly mixed?:
    | {
        /** i32 [N]: the class mixed in. */
        readonly labels: Tensor;
        /** Of shape []: the share λ of `Target.labels`; the class mixed in has the rest. */
        readonly share: Tensor;
      }
    | undefined;
}

/** A loss that is linear in the target distribution, for a target: `λ loss(y) + (1 − λ) loss(y')`. */
export function targetLoss({ labels, mixed }: Target, loss: (labels: Tensor) => Tensor): Tensor {
  if (!mixed) return loss(labels);
  return add(mul(loss(labels), mixed.share), mul(loss(mixed.labels), sub(1, mixed.share)));
}

/** The tensors of a target, as a captured step takes them. */
export function targetTensors({ labels, mixed }: Target): Tensor[] {
  return mixed ? [labels, mixed.labels, mixed.share] : [labels];
}

/** The target made of `targetTensors`, one or three. */
export function targetOf([labels, other, share]: readonly Tensor[]): Target {
  const mixed = other && share && { labels: other, share };
  return { labels: labels as Tensor, mixed };
}
