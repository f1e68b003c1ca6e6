import { valueAndGrad } from '../autograd/grad.ts';
import { ShapeError } from '../errors.ts';
import { reshape } from '../kernels/layout.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { ascend, type Budget, checkBudget, randomStart } from './norms.ts';

/** What an attack maximises: a loss of one element; further results are handed to `observe`. */
export type AttackLoss<R extends Tensor | { readonly loss: Tensor }> = (inputs: readonly Tensor[]) => R;

/** What an attack sees at one iterate, before it moves on. Tensors are freed afterwards unless kept. */
export interface Iterate<R> {
  /** 0 for the start; `steps` for the final point, which has no gradients. */
  readonly step: number;
  readonly inputs: readonly Tensor[];
  /** What the loss function returned. */
  readonly value: R;
  readonly grads: readonly Tensor[] | undefined;
}

export interface PgdOptions extends Budget {
  readonly steps: number;
  /** In the units of ε; `2.5 ε / steps` when left out (Madry et al. 2018, section 5). */
  readonly stepSize?: number;
  /** Start at a random point of the ball (the default) or at the input. */
  readonly randomStart?: boolean;
  readonly seed?: number;
}

/** One input of a joint attack with its own budget. ε = 0 leaves it as it is. */
export interface Attacked extends Budget {
  readonly x: Tensor;
  readonly stepSize?: number | undefined;
}

export interface JointOptions<R> {
  readonly steps: number;
  readonly randomStart?: boolean;
  readonly seed?: number;
  /** Called at every iterate, the final one included. */
  readonly observe?: (iterate: Iterate<R>) => void;
}

/**
 * Projected gradient descent in ℓ∞ on the negative loss: `x ← P(x + α sign ∇ₓ loss(x))`, from a random point of the
 * ε-ball (Madry et al. 2018, section 2.1). x of any shape → the same shape, within ε of x and within `range`.
 * Throws `ShapeError` for ε < 0, steps < 0, a negative step size and a range that does not ascend.
 */
export function pgd(loss: (x: Tensor) => Tensor, x: Tensor, options: PgdOptions): Tensor {
  const { epsilon, range, stepSize, ...rest } = options;
  const [adversarial] = pgdJoint(([moved]) => loss(moved as Tensor), [{ x, epsilon, range, stepSize }], rest);
  return adversarial as Tensor;
}

/**
 * PGD on several inputs at once, each with its own ε, step size and range. Returns the final point of each. The gradient
 * is taken with respect to the inputs only, so no weight gradient is ever launched. An input that is not moved comes back as
 * a view of itself. Throws `ShapeError` for ε < 0, steps < 0, a negative step size, a range that does not ascend, and
 * without an input.
 */
export function pgdJoint<R extends Tensor | { readonly loss: Tensor }>(
  loss: AttackLoss<R>,
  attacked: readonly Attacked[],
  options: JointOptions<R>,
): Tensor[] {
  for (const budget of attacked) checkBudget('pgd', budget);
  const { steps, seed = 0, observe } = options;
  if (!Number.isInteger(steps) || steps < 0)
    throw new ShapeError('pgd', `steps must be a count; got ${steps}`);
  const device = attacked[0]?.x.device;
  if (!device) throw new ShapeError('pgd', 'needs at least one input to attack');
  return device.scope(() => {
    // Never an input itself: whoever disposes of a result keeps the input.
    let current = attacked.map((input, i) =>
      (options.randomStart ?? true) && input.epsilon > 0
        ? randomStart(input.x, input, seed, i)
        : reshape(input.x, input.x.shape),
    );
    for (let step = 0; step < steps; step++) {
      const before = current;
      current = device.scope(() => pgdStep(loss, attacked, before, step, options));
      for (const tensor of before) if (!current.includes(tensor)) device.release(tensor);
    }
    if (observe)
      device.scope(() => observe({ step: steps, inputs: current, value: loss(current), grads: undefined }));
    return current;
  });
}

function pgdStep<R extends Tensor | { readonly loss: Tensor }>(
  loss: AttackLoss<R>,
  attacked: readonly Attacked[],
  current: readonly Tensor[],
  step: number,
  options: JointOptions<R>,
): Tensor[] {
  const moving = current.filter((_, i) => (attacked[i] as Attacked).epsilon > 0);
  if (moving.length === 0) return [...current];
  const { value, grads } = valueAndGrad(() => loss(current), moving);
  options.observe?.({ step, inputs: current, value, grads });
  return current.map((tensor, i) => {
    const input = attacked[i] as Attacked;
    const gradient = grads[moving.indexOf(tensor)];
    if (!gradient) return tensor;
    return ascend(tensor, gradient, input.x, input, input.stepSize ?? (2.5 * input.epsilon) / options.steps);
  });
}
