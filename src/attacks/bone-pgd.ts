import { boneProjection } from '../kernels/bone-projection.ts';
import type { Attack } from './attack.ts';
import type { PgdAttackOptions } from './first-order.ts';
import { ballStart, type Constraint, cleanStart, iterativeAttack, type Start } from './iterative.ts';
import { crossEntropyObjective } from './losses.ts';
import type { Moved } from './problem.ts';
import { checkSkeleton, type SkeletonOptions } from './skeleton.ts';

/**
 * Bone-length-preserving PGD: PGD in ℓ∞, and after each step (and the random start) every joint is put back on the sphere around its
 * parent, root to leaf (`boneProjection`): bones keep their lengths, joints stay within ε. Defaults as `pgdAttack`. Other
 * modalities with a budget move as in PGD. Our own construction, a reconstruction of what such attacks do.
 */
export function bonePgdAttack(options: PgdAttackOptions & SkeletonOptions): Attack {
  const { budgets, modality = 'skeleton', parents, steps = 10, restarts = 1 } = options;
  const { loss = crossEntropyObjective, randomStart = true } = options;
  const keepBones: Constraint = (points, origins, { name, epsilon }) =>
    name === modality ? boneProjection(points, origins, { parents, epsilon }) : points;
  const begin = randomStart ? ballStart : cleanStart;
  const start: Start = (problem, seed) =>
    begin(problem, seed).map((points, i) => {
      const origin = problem.origins[i];
      return origin ? keepBones(points, origin, problem.moved[i] as Moved) : points;
    });
  const parts = { name: 'bone-preserving PGD', budgets, steps, restarts, loss, start, project: keepBones };
  const made = iterativeAttack({ ...parts, relativeStep: 0.25 });
  return {
    ...made,
    check(problem) {
      made.check?.(problem);
      checkSkeleton('bonePgdAttack', problem, options, false);
    },
  };
}
