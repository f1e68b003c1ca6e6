import type { Spec } from '../tensor/shape.ts';
import { broadcastShapes } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { defineOp, f32 } from './op.ts';
import { run } from './run.ts';
import { elementwiseWgsl } from './wgsl.gen.ts';

const addOp = defineOp<{ a: Tensor; b: Tensor }, object, [Spec]>({
  name: 'add',
  outputs: ({ a, b }) => [f32(broadcastShapes(a.shape, b.shape, 'add'))],
  forward({ a, b }, [out]) {
    const vectors = Math.ceil(out.size / 4);
    run(
      elementwiseWgsl,
      'binary',
      { a, b, out },
      { vectors, stride: 0 },
      { groups: Math.ceil(vectors / 64) },
    );
  },
  gradient: ({ grads: [g] }) => ({ a: () => g as Tensor, b: () => g as Tensor }),
});

export function add(a: Tensor, b: Tensor): Tensor {
  return addOp({ a, b }, {})[0];
}
