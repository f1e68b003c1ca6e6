import { ShapeError } from '../errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Attack } from './attack.ts';
import { crossEntropyObjective, ranked, without } from './losses.ts';
import type { Problem } from './problem.ts';
import type { StepSeed } from './stepper.ts';
import { evaluate } from './track.ts';

/** Runs of an attack that aims at each of `targets` other classes, as many as there are; at one where the user has chosen it. */
export function runsOver(targets: number, restarts: number): Attack['runs'] {
  if (targets === 0) return restarts;
  return ({ classes, targets: chosen }) => (chosen ? 1 : Math.min(targets, classes - 1)) * restarts;
}

/** The class of rank `index` among the others, by the clean logits: 0 is the likeliest. i32 [n]. */
export function targetOf(problem: Problem, index: number, seed: StepSeed): Tensor {
  const { logits } = evaluate(problem, problem.origins, crossEntropyObjective, seed);
  return ranked(without(logits, problem.labels), index + 1)[index] as Tensor;
}

/** Throws `ShapeError` where the user has given targets to an attack that chooses them itself. */
export function checkTargets({ targets }: Problem, name: string): void {
  if (targets)
    throw new ShapeError(
      name,
      `it chooses its targets itself; leave out 'targets', or take the untargeted recipe`,
    );
}
