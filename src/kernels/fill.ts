import type { Tensor } from '../tensor/tensor.ts';

/** Zeros of the shape of `x`. */
export function zerosLike(x: Tensor): Tensor {
  return x.device.tensor(new Float32Array(x.size), x.shape);
}
