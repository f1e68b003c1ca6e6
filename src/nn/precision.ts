import { cast } from '../kernels/elementwise.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * A weight as an op on x needs it: itself, or in f16 where x is f16. The cast carries gradients, so the parameter and its
 * gradient stay f32 (Micikevicius et al. 2018, section 3.1). Shape in = shape out; undefined stays undefined.
 */
export function inTypeOf<W extends Tensor | undefined>(x: Tensor, weight: W): Tensor | W {
  return weight && x.dtype === 'f16' && weight.dtype === 'f32' ? cast(weight, 'f16') : weight;
}

/** x in f32, itself where it is no f16: what heads and losses take. Shape in = shape out. */
export function toF32(x: Tensor): Tensor {
  return x.dtype === 'f16' ? cast(x, 'f32') : x;
}
