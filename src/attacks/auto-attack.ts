import { check } from '../errors.ts';
import { apgdAttack } from './apgd.ts';
import type { Attack } from './attack.ts';
import { fabAttack } from './fab.ts';
import { jointNorm } from './joint.ts';
import { crossEntropyObjective, dlrObjective } from './losses.ts';
import type { AttackBudgets } from './problem.ts';
import { checkRecipe } from './recipe.ts';
import { squareAttack } from './square.ts';

export interface AutoAttackOptions {
  readonly budgets: AttackBudgets;
  /**
   * `standard` (the default): APGD-CE, APGD-T (9 targets), FAB-T (9 targets), Square (5000 queries). `rand`, for models with
   * `draws`: APGD-CE and APGD-DLR.
   */
  readonly version?: 'standard' | 'rand';
}

/**
 * The list of AutoAttack (Croce & Hein 2020, section 5), free of parameters: each attack works on what those before it left
 * robust. ℓ1 has 5 restarts of APGD-CE and 5 targets of APGD-T, which begin in larger balls (Croce & Hein 2021). A list of one's own does as well.
 * Throws `ShapeError` unless all budgets have one norm. Needs 4 classes.
 */
export function autoAttack(options: AutoAttackOptions): readonly Attack[] {
  checkRecipe('AutoAttack', options, ['budgets', 'version']);
  const { budgets, version = 'standard' } = options;
  const known = ['standard', 'rand'].includes(version);
  check(
    known,
    'AutoAttack',
    () => `version must be standard or rand, or give a list of your own; got ${version}`,
  );
  const norm = jointNorm('AutoAttack', budgets, ['linf', 'l2', 'l1']);
  const l1 = norm === 'l1';
  if (version === 'rand')
    return [crossEntropyObjective, dlrObjective].map((loss) => apgdAttack({ budgets, loss }));
  return [
    apgdAttack({ budgets, loss: crossEntropyObjective, restarts: l1 ? 5 : 1, largerFirst: l1 }),
    apgdAttack({ budgets, loss: dlrObjective, targets: l1 ? 5 : 9, largerFirst: l1 }),
    fabAttack({ budgets, targets: 9 }),
    squareAttack({ budgets, queries: 5000 }),
  ];
}
