import { valueAndGrad } from '../autograd/grad.ts';
import { check } from '../errors.ts';
import { add, equal, less, lessEqual, maximum, minimum, mul, where } from '../kernels/elementwise.ts';
import { full, zeros } from '../kernels/fill.ts';
import { gather } from '../kernels/layout.ts';
import { sum } from '../kernels/reduce.ts';
import { mapScalars } from '../tensor/scalar.ts';
import { formatShape, type Shape, sameShape } from '../tensor/shape.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { Attack } from './attack.ts';
import type { AttackObjective } from './losses.ts';
import { perSample } from './norms.ts';
import { allFinite, assemble, both, isFooled, type Problem } from './problem.ts';
import { checkReached } from './reach.ts';
import type { StepSeed } from './stepper.ts';

/** The state that every attack has; each tensor has a row for each sample. */
export interface Track {
  /** Where the attack is, in the order of `problem.moved`. */
  readonly points: readonly Tensor[];
  /** What it has found: inputs that fool the model. */
  readonly adversarial: readonly Tensor[];
  /** u32 [n]: whether it has found any. */
  readonly success: Tensor;
  /** Of an attack that looks for the smallest change: the size of what it found, [n]; `NEVER` before. */
  readonly size: Tensor;
  /** What it maximises, at the last evaluation, [n]. */
  readonly losses: Tensor;
  /**
   * The first evaluation whose logits or gradients were no numbers, [n], half a step later where the losses were NaN; `NEVER`
   * as long as there is none.
   */
  readonly firstBad: Tensor;
  /** Number of evaluations so far, [n]. */
  readonly clock: Tensor;
}

/** A problem, and the attack that works on it where one does. */
export type Taken = Problem & { readonly attack?: Pick<Attack, 'name' | 'blind'> };

/** More than any size or count: never. */
export const NEVER = 1e30;

/** The track of an attack that begins at `points`. */
export function begin({ labels: { device, size: n } }: Problem, points: readonly Tensor[]): Track {
  return {
    points,
    adversarial: points,
    success: zeros(device, [n], 'u32'),
    size: full(device, [n], NEVER),
    losses: zeros(device, [n]),
    firstBad: full(device, [n], NEVER),
    clock: zeros(device, [n]),
  };
}

/** Rows of `a` where the flag u32 [n] holds, of `b` elsewhere; for each tensor of a list. */
export function choose(flag: Tensor, a: readonly Tensor[], b: readonly Tensor[]): Tensor[] {
  return a.map((tensor, i) => where(perSample(flag, tensor), tensor, b[i] as Tensor));
}

/** A random tensor [n, …]: drawn for the whole batch, so that a sample's draw does not depend on who else is left. */
export function draw({ rows, total }: Problem, shape: Shape, make: (shape: Shape) => Tensor): Tensor {
  return gather(make([total, ...shape.slice(1)]), rows);
}

/** What one evaluation of the model gives. */
export interface Evaluation {
  /** [n, classes], averaged over the draws of a random model. */
  readonly logits: Tensor;
  /** [n], averaged too. */
  readonly losses: Tensor;
  /** What was climbed along, [n, …] each; undefined where nothing was. */
  readonly grads?: readonly Tensor[] | undefined;
}

/** Logits and losses at `points`, averaged over the draws of the model. */
export function evaluate(
  problem: Taken,
  points: readonly Tensor[],
  objective: AttackObjective,
  seed: StepSeed,
): Evaluation {
  const { model, labels, targets, origins } = problem;
  const { draws = 1 } = model;
  const inputs = assemble(problem, points);
  const drawn = Array.from({ length: draws }, (_, d): Evaluation => {
    const logits = model.logits(inputs, d === 0 ? seed : mapScalars((s) => s + d * 2 ** 20, seed));
    const losses = objective.loss({ logits, labels, targets, points, origins });
    check(
      losses instanceof Tensor && sameShape(losses.shape, labels.shape),
      problem.attack?.name ?? 'attack',
      () =>
        `the loss '${objective.name}' must give a number for each sample, ${formatShape(labels.shape)}; got ${losses}${losses?.size === 1 ? ". Leave out its mean or sum, such as with reduction: 'none'" : ''}`,
    );
    return { logits, losses };
  });
  const mean = (all: readonly Tensor[]) =>
    draws === 1
      ? (all[0] as Tensor)
      : mul(
          all.reduce((a, b) => add(a, b)),
          1 / draws,
        );
  return { logits: mean(drawn.map(({ logits }) => logits)), losses: mean(drawn.map(({ losses }) => losses)) };
}

/** `evaluate` where a gradient is being taken. Throws `AttackError` where none flows, unless the attack is `blind`. */
export function evaluateTracked(
  problem: Taken,
  points: readonly Tensor[],
  objective: AttackObjective,
  seed: StepSeed,
): Evaluation {
  const found = evaluate(problem, points, objective, seed);
  const { attack } = problem;
  if (attack && !attack.blind) checkReached(attack.name, found.losses);
  return found;
}

/** `evaluate`, and the gradient of each sample's loss in its points. */
export function climb(
  problem: Problem,
  points: readonly Tensor[],
  objective: AttackObjective,
  seed: StepSeed,
): Evaluation & { readonly grads: readonly Tensor[] } {
  const { value, grads } = valueAndGrad(() => {
    const found = evaluateTracked(problem, points, objective, seed);
    // A sum over the samples, so that a sample's gradient does not depend on its batch.
    return { ...found, loss: sum(found.losses) };
  }, points);
  return { logits: value.logits, losses: value.losses, grads };
}

/**
 * The track after an evaluation at `points`, which are kept where they fool the model, unless the balls are larger than the budgets;
 * of given `allowed`, u32 [n], only where that holds.
 */
export function observe<T extends Track>(
  track: T,
  problem: Problem,
  points: readonly Tensor[],
  found: Evaluation,
  allowed?: Tensor,
): T {
  if ((problem.widening ?? 1) > 1) return { ...track, ...notice(track, found) };
  const wrong = isFooled(found.logits, problem);
  const fooled = allowed ? both(wrong, allowed) : wrong;
  return {
    ...track,
    ...notice(track, found),
    adversarial: choose(fooled, points, track.adversarial),
    success: maximum(track.success, fooled),
  };
}

/** As `observe`, for an attack that looks for the smallest change: `sizes` [n] are those of `points`, and
 * success is a size of at most `limit`. */
export function observeSmallest<T extends Track>(
  track: T,
  problem: Problem,
  points: readonly Tensor[],
  found: Evaluation,
  sizes: Tensor,
  limit: number,
): T {
  const fooled = isFooled(found.logits, problem);
  const better = mul(fooled, less(sizes, track.size));
  return {
    ...track,
    ...notice(track, found),
    adversarial: choose(better, points, track.adversarial),
    success: maximum(track.success, mul(fooled, lessEqual(sizes, limit))),
    size: where(better, sizes, track.size),
  };
}

/** What every evaluation tells. A loss that is NaN or a gradient that is no number would leave a sample where it is, as if it were robust. */
function notice({ clock, firstBad }: Track, { logits, losses, grads = [] }: Evaluation): Partial<Track> {
  const climbed = grads.reduce((bad: Tensor | number, grad) => where(allFinite(grad), bad, clock), NEVER);
  // NaN alone differs from itself. What comes of logits that are none is none either, so logits have the first word.
  const lost = where(equal(losses, losses), climbed, add(clock, 0.5));
  return {
    losses,
    firstBad: minimum(firstBad, where(allFinite(logits), lost, clock)),
    clock: add(clock, 1),
  };
}
