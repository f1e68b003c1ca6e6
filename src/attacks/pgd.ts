import { checkNames, need, ShapeError } from '../errors.ts';
import { reshape } from '../kernels/layout.ts';
import { Tensor } from '../tensor/tensor.ts';
import { type Budget, checkBall, elementsOf, finiteBudget } from './norms.ts';
import { checkSteps, type Iterate, PgdAttack, type PgdRunOptions } from './pgd-attack.ts';

/** What an attack maximises: a loss of one element; further results are handed to `observe`. */
export type AttackLoss<R extends Tensor | { readonly loss: Tensor }> = (inputs: readonly Tensor[]) => R;

export interface PgdOptions extends Budget {
  readonly steps: number;
  /** In the units of ε; `2.5 ε / steps` when left out (Madry et al. 2018, section 5). */
  readonly stepSize?: number;
  /** Start at a random point of the ball (the default) or at the input. */
  readonly randomStart?: boolean;
  readonly seed?: number;
  /** Whether the step is captured (the default, but not with `observe`): `loss` is called once and replayed, so plain numbers in it are fixed. */
  readonly captured?: boolean;
}

/** One input of a joint attack with its own budget. ε = 0 leaves it as it is. */
export interface Attacked extends Budget {
  readonly x: Tensor;
  readonly stepSize?: number | undefined;
}

export interface JointOptions<R> extends PgdRunOptions<R> {
  /** Whether the step is captured (the default): `loss` is called once and replayed, so plain numbers in it are fixed. */
  readonly captured?: boolean;
}

/**
 * Projected gradient descent on the negative loss: `x ← P(x + α sign ∇ₓ loss(x))` in ℓ∞ (for other norms see `ascend`),
 * from a random point of the ε-ball (Madry et al. 2018, section 2.1). x of any shape → the same shape, within ε of x and within `range`, in which x must
 * lie: `range` wins where they disagree. ε = Infinity is the whole range.
 * Throws `ShapeError` for ε < 0 or, if finite, beyond the range, steps < 0, a negative step size and a range that does not ascend.
 */
export function pgd(loss: (x: Tensor) => Tensor, x: Tensor, options: PgdOptions): Tensor {
  checkNames('pgd', options, [
    'epsilon',
    'norm',
    'range',
    'steps',
    'stepSize',
    'randomStart',
    'seed',
    'captured',
  ]);
  need(typeof loss === 'function', 'pgd', 'a loss, a function of x', loss);
  const { epsilon, norm, range, stepSize, ...rest } = options;
  const [adversarial] = pgdJoint(
    ([moved]) => loss(moved as Tensor),
    [{ x, epsilon, norm, range, stepSize }],
    rest,
  );
  return adversarial as Tensor;
}

/**
 * PGD on several inputs at once, each with its own ε, step size and range. Returns the final point of each. The gradient
 * is taken with respect to the inputs only, so no weight gradient is ever launched. An input that is not moved comes back as
 * a view of itself. Throws `ShapeError` as `pgd` does, and without an input.
 */
export function pgdJoint<R extends Tensor | { readonly loss: Tensor }>(
  loss: AttackLoss<R>,
  given: readonly Attacked[],
  joint: JointOptions<R>,
): Tensor[] {
  checkNames('pgd', joint, ['steps', 'randomStart', 'seed', 'from', 'observe', 'captured']);
  need(typeof loss === 'function', 'pgd', 'a loss, a function of the inputs', loss);
  need(Array.isArray(given), 'pgd', 'a list of inputs', given);
  for (const input of given) need(input?.x instanceof Tensor, 'pgd', 'x, a Tensor', input?.x);
  const { observe, captured = true, ...options } = joint;
  const { steps } = options;
  checkSteps(steps);
  for (const input of given) checkBall('pgd', input, '', elementsOf(input.x));
  const attacked = given.map((input) => finiteBudget('pgd', input, elementsOf(input.x)));
  const device = attacked[0]?.x.device;
  if (!device) throw new ShapeError('pgd', 'needs at least one input to attack');
  return device.scope(() => {
    // Never an input itself: whoever disposes of a result keeps the input.
    const still = attacked.map(({ x }) => reshape(x, x.shape));
    const moving = attacked.filter(({ epsilon }) => epsilon > 0);
    const assemble = (points: readonly Tensor[]) =>
      attacked.map((input, i) => (points[moving.indexOf(input)] ?? still[i]) as Tensor);
    const budgets = moving.map((input) => ({
      ...input,
      stepSize: input.stepSize ?? (2.5 * input.epsilon) / Math.max(steps, 1),
    }));
    if (moving.length === 0) {
      observe?.({ step: steps, inputs: still, value: loss(still), grads: undefined });
      return still;
    }
    const attack = new PgdAttack((points) => loss(assemble(points)), budgets, {
      captured: captured && !observe && steps > 1,
    });
    try {
      const seen = (iterate: Iterate<R>) => observe?.({ ...iterate, inputs: assemble(iterate.inputs) });
      const inputs = moving.map(({ x }) => x);
      return assemble(attack.run(inputs, [], { ...options, observe: observe && seen }));
    } finally {
      attack.dispose();
    }
  });
}
