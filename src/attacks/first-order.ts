import { abs, add, div, maximum, mul } from '../kernels/elementwise.ts';
import { mean } from '../kernels/reduce.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Attack } from './attack.ts';
import { ballStart, cleanStart, iterativeAttack } from './iterative.ts';
import { type AttackObjective, crossEntropyObjective, marginObjective } from './losses.ts';
import { perSample, rowsOf } from './norms.ts';
import { type AttackBudgets, checkOption } from './problem.ts';
import { checkRecipe } from './recipe.ts';

export interface FgsmAttackOptions {
  readonly budgets: AttackBudgets;
  /** Cross-entropy when left out. */
  readonly loss?: AttackObjective;
  /** Runs on what is still robust; 1 when left out. Only the first may begin at the clean input, others at random points of the balls. */
  readonly restarts?: number;
}

export interface IterativeOptions extends FgsmAttackOptions {
  readonly steps?: number;
}

export interface PgdAttackOptions extends IterativeOptions {
  /** Start at a random point of the ball (the default) or at the input. */
  readonly randomStart?: boolean;
}

const NAMES = ['budgets', 'loss', 'restarts', 'steps'] as const;

/** FGSM: one step of size ε, whatever step size a budget names, from the input (Goodfellow et al. 2015, section 4). */
export function fgsmAttack(options: FgsmAttackOptions): Attack {
  checkRecipe('FGSM', options, ['budgets', 'loss', 'restarts']);
  const { budgets: given, loss = crossEntropyObjective, restarts } = options;
  const pairs = Object.entries(given).map(([name, { epsilon, norm }]) => [name, { epsilon, norm }]);
  const budgets: AttackBudgets = Object.fromEntries(pairs);
  const parts = { name: 'FGSM', steps: 1, relativeStep: 1, start: cleanStart };
  return iterativeAttack({ ...parts, budgets, loss, restarts });
}

/** BIM: FGSM in steps of ε/4, 10 of them, from the input (Kurakin et al. 2017, section 2.2; step of torchattacks). */
export function bimAttack(options: IterativeOptions): Attack {
  checkRecipe('BIM', options, NAMES);
  const { budgets, loss = crossEntropyObjective, steps = 10, restarts } = options;
  const parts = { name: 'BIM', relativeStep: 0.25, start: cleanStart };
  return iterativeAttack({ ...parts, budgets, loss, steps, restarts });
}

/**
 * MI-FGSM: climbs along `m ← μ m + ∇ / mean|∇|` in `steps` (10) steps of ε/steps (Dong et al. 2018, algorithm 1, with the mean
 * for the sum: only the scale of m differs). μ, `decay`, is 1.
 */
export function miFgsmAttack(options: IterativeOptions & { readonly decay?: number }): Attack {
  checkRecipe('MI-FGSM', options, [...NAMES, 'decay']);
  const { budgets, loss = crossEntropyObjective, steps = 10, decay = 1, restarts } = options;
  checkOption('MI-FGSM', 'decay', decay, 0, 1e6);
  const direction = (gradient: Tensor, memory: Tensor) => {
    const size = maximum(mean(abs(rowsOf(gradient)), { axes: 1 }), 1e-30);
    return add(mul(memory, decay), div(gradient, perSample(size, gradient)));
  };
  const relativeStep = 1 / Math.max(steps, 1);
  const parts = { name: 'MI-FGSM', relativeStep, start: cleanStart, direction };
  return iterativeAttack({ ...parts, budgets, loss, steps, restarts });
}

/**
 * PGD: 10 steps of ε/4 (ℓ2: ε/5) from a random point of the ball (Madry et al. 2018, section 2.1; defaults of torchattacks), in
 * the norm of each budget.
 */
export function pgdAttack(options: PgdAttackOptions): Attack {
  return descent('PGD', options, options?.loss ?? crossEntropyObjective);
}

/** CW∞: PGD on the margin of the logits, `max_{i≠y} z_i − z_y` (as Madry et al. 2018, section 5.2); else as `pgdAttack`. */
export function cwInfAttack(options: Omit<PgdAttackOptions, 'loss'>): Attack {
  return descent('CW∞', options, marginObjective);
}

function descent(name: string, options: PgdAttackOptions, loss: AttackObjective): Attack {
  checkRecipe(name, options, [...NAMES, 'randomStart']);
  const { budgets, steps = 10, randomStart = true, restarts } = options;
  const start = randomStart ? ballStart : cleanStart;
  const relativeStep = { linf: 0.25, l2: 0.2, l1: 0.25 };
  return iterativeAttack({ name, budgets, loss, steps, restarts, relativeStep, start });
}
