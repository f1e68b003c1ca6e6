import { mul } from '../kernels/elementwise.ts';
import { reshape } from '../kernels/layout.ts';
import { mean } from '../kernels/reduce.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Mean over all axes but the first and last: [N, …, C] → [N, C]. */
export function squeeze(x: Tensor): Tensor {
  if (x.shape.length === 2) return x;
  return mean(x, { axes: Array.from({ length: x.shape.length - 2 }, (_, i) => i + 1) });
}

/** Multiplies a feature map [N, …, C] by a gate for each channel, [N, C] (or for each sample, [N, 1]). */
export function excite(x: Tensor, gates: Tensor): Tensor {
  const ones = new Array<number>(x.shape.length - 2).fill(1);
  return mul(x, reshape(gates, [x.shape[0] ?? 0, ...ones, gates.shape[1] ?? 1]));
}
