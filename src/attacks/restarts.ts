import { minimum, mul } from '../kernels/elementwise.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { sphereStart } from './iterative.ts';
import { unitOf } from './joint.ts';
import { elementsOf, finiteBudget } from './norms.ts';
import { checkCount, type Moved, type Problem } from './problem.ts';
import type { StepSeed } from './stepper.ts';

// Attacks that begin at the clean input: their first run does, further ones begin at random points.

/** Throws `ShapeError` unless `restarts` is a count, and there is a ball or a range that random points can come from. */
export function checkRestarts(op: string, { moved, origins }: Problem, restarts: number): void {
  checkCount(op, 'restarts', restarts, 1);
  if (restarts === 1) return;
  for (const [i, budget] of moved.entries())
    finiteBudget(
      op,
      budget,
      elementsOf(origins[i] as Tensor),
      `restarts begin at random points; ${budget.name}: `,
    );
}

/**
 * Where a run begins: the first of `restarts` at the clean inputs, the others at a random point halfway to the bound, or to the
 * smallest change so far, `sizes` [n] (as FAB does).
 */
export function restartPoints(
  problem: Problem,
  run: number,
  restarts: number,
  seed: StepSeed,
  sizes?: Tensor,
): readonly Tensor[] {
  if (run % restarts === 0) return problem.origins;
  const bounded = problem.moved.map((budget, i) =>
    finiteBudget('restart', budget, elementsOf(problem.origins[i] as Tensor)),
  );
  const radius = ({ epsilon }: Moved, i: number) =>
    sizes ? mul(minimum(mul(sizes, unitOf(problem, i)), epsilon), 0.5) : 0.5 * epsilon;
  return sphereStart({ ...problem, moved: bounded }, seed, radius);
}
