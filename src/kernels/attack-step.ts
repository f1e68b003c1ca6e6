import { check } from '../errors.ts';
import { formatShape, type Spec, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkF32, defineOp, f32 } from './op.ts';
import { run } from './run.ts';
import { attackStepWgsl } from './wgsl.gen.ts';

export interface AscentOptions {
  readonly stepSize: number;
  readonly epsilon: number;
  /** Valid values; unbounded when left out. */
  readonly range?: readonly [number, number] | undefined;
}

type Points = { x: Tensor; gradient: Tensor; origin: Tensor };

const UNBOUNDED = [-3.4e38, 3.4e38] as const;

// One kernel instead of eight: on software adapters these passes over the input cost as much as a convolution.
const signAscentOp = defineOp<Points, AscentOptions, [Spec]>({
  name: 'signAscent',
  outputs({ x, gradient, origin }) {
    for (const [name, tensor] of Object.entries({ x, gradient, origin })) {
      checkF32('signAscent', name, tensor);
      const same = sameShape(tensor.shape, x.shape);
      check(same, 'signAscent', () => `${name} must be ${formatShape(x.shape)} as x is; got ${tensor}`);
    }
    return [f32(x.shape)];
  },
  forward({ x, gradient, origin }, [out], { stepSize, epsilon, range = UNBOUNDED }) {
    const vectors = Math.ceil(out.size / 4);
    const params = { vectors, step: stepSize, epsilon, low: range[0], high: range[1] };
    run(attackStepWgsl, 'ascend', { x, g: gradient, origin, out }, params, {
      groups: Math.ceil(vectors / 64),
    });
  },
});

/**
 * `clip(x + stepSize · sign(gradient))` to `|· − origin| ≤ epsilon` and to `range`: one step of steepest ascent in ℓ∞.
 * Three tensors of one shape → the same shape. Has no gradient rule. Throws `ShapeError` when shapes or dtypes differ.
 */
export function signAscent(x: Tensor, gradient: Tensor, origin: Tensor, options: AscentOptions): Tensor {
  return signAscentOp({ x, gradient, origin }, options)[0];
}
