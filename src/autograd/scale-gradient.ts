import { mul } from '../kernels/elementwise.ts';
import { defineOp, like } from '../kernels/op.ts';
import type { Spec } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

const scaleGradientOp = defineOp<{ x: Tensor }, { factor: number }, [Spec]>({
  name: 'scaleGradient',
  outputs: ({ x }) => [like(x)],
  gradient: ({ attrs: { factor }, grads: [g] }) => ({ x: () => mul(g as Tensor, factor) }),
});

/** The same elements, and `factor` times the gradient that comes back. Shape in = shape out, no copy. */
export function scaleGradient(x: Tensor, factor: number): Tensor {
  return scaleGradientOp({ x }, { factor })[0];
}
