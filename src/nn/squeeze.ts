import { mean } from '../kernels/reduce.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Mean over all axes but the first and last: [N, …, C] → [N, C]. */
export function squeeze(x: Tensor): Tensor {
  if (x.shape.length === 2) return x;
  return mean(x, { axes: Array.from({ length: x.shape.length - 2 }, (_, i) => i + 1) });
}
