import { check } from '../errors.ts';
import { boneProjection } from '../kernels/bone-projection.ts';
import type { Attack } from './attack.ts';
import type { PgdAttackOptions } from './first-order.ts';
import { ballStart, type Constraint, cleanStart, iterativeAttack } from './iterative.ts';
import { crossEntropyObjective } from './losses.ts';
import { checkRecipe } from './recipe.ts';
import { checkSkeleton, checkUnranged, type SkeletonOptions } from './skeleton.ts';

/**
 * Bone-length-preserving PGD: PGD in ℓ∞, and after each step (and the random start) every joint is put back on the sphere around its
 * parent, root to leaf (`boneProjection`): bones keep their lengths, joints stay within ε. Defaults as `pgdAttack`. Other
 * modalities with a budget move as in PGD. Our own construction, a reconstruction of what such attacks do.
 */
export function bonePgdAttack(options: PgdAttackOptions & SkeletonOptions): Attack {
  const name = 'bone-preserving PGD';
  checkRecipe(name, options, ['budgets', 'loss', 'restarts', 'steps', 'randomStart', 'modality', 'parents']);
  const { budgets, modality = 'skeleton', parents, steps = 10, restarts } = options;
  const { loss = crossEntropyObjective, randomStart = true } = options;
  const keepBones: Constraint = (points, origins, { name, epsilon }) =>
    name === modality ? boneProjection(points, origins, { parents, epsilon }) : points;
  const start = randomStart ? ballStart : cleanStart;
  const parts = { name, budgets, steps, restarts, loss, start, project: keepBones };
  const made = iterativeAttack({ ...parts, relativeStep: 0.25 });
  return {
    ...made,
    check(problem) {
      made.check?.(problem);
      checkSkeleton(name, problem, options, false);
      checkUnranged(name, problem, options);
      const moved = problem.moved.find((one) => one.name === modality);
      check(moved?.norm === 'linf', name, () => `${modality} moves in linf; got ${moved?.norm}`);
    },
  };
}
