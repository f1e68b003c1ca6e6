import { abs, add, div, maximum, mul } from '../kernels/elementwise.ts';
import { mean } from '../kernels/reduce.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Attack } from './attack.ts';
import { ballStart, cleanStart, iterativeAttack } from './iterative.ts';
import { type AttackObjective, crossEntropyObjective, marginObjective } from './losses.ts';
import { perSample, rowsOf } from './norms.ts';
import { type AttackBudgets, checkOption } from './problem.ts';

export interface FgsmAttackOptions {
  readonly budgets: AttackBudgets;
  /** Cross-entropy when left out. */
  readonly loss?: AttackObjective;
}

export interface IterativeOptions extends FgsmAttackOptions {
  readonly steps?: number;
}

export interface PgdAttackOptions extends IterativeOptions {
  /** Start at a random point of the ball (the default) or at the input. */
  readonly randomStart?: boolean;
  /** Runs from other random points, on what is still robust; 1 when left out. */
  readonly restarts?: number;
}

/** FGSM: one step of size ε, whatever step size a budget names, from the input (Goodfellow et al. 2015, section 4). */
export function fgsmAttack({ budgets: given, loss = crossEntropyObjective }: FgsmAttackOptions): Attack {
  const pairs = Object.entries(given).map(([name, { epsilon, norm }]) => [name, { epsilon, norm }]);
  const budgets: AttackBudgets = Object.fromEntries(pairs);
  return iterativeAttack({ name: 'FGSM', budgets, loss, steps: 1, relativeStep: 1, start: cleanStart });
}

/** BIM: FGSM in steps of ε/4, 10 of them, from the input (Kurakin et al. 2017, section 2.2; step of torchattacks). */
export function bimAttack({ budgets, loss = crossEntropyObjective, steps = 10 }: IterativeOptions): Attack {
  return iterativeAttack({ name: 'BIM', budgets, loss, steps, relativeStep: 0.25, start: cleanStart });
}

/**
 * MI-FGSM: climbs along `m ← μ m + ∇ / mean|∇|` in `steps` (10) steps of ε/steps (Dong et al. 2018, algorithm 1, with the mean
 * for the sum: only the scale of m differs). μ, `decay`, is 1.
 */
export function miFgsmAttack({
  budgets,
  loss = crossEntropyObjective,
  steps = 10,
  decay = 1,
}: IterativeOptions & { readonly decay?: number }): Attack {
  checkOption('miFgsmAttack', 'decay', decay, 0, 1e6);
  const direction = (gradient: Tensor, memory: Tensor) => {
    const size = maximum(mean(abs(rowsOf(gradient)), { axes: 1 }), 1e-30);
    return add(mul(memory, decay), div(gradient, perSample(size, gradient)));
  };
  const relativeStep = 1 / Math.max(steps, 1);
  return iterativeAttack({
    name: 'MI-FGSM',
    budgets,
    loss,
    steps,
    relativeStep,
    start: cleanStart,
    direction,
  });
}

/**
 * PGD: 10 steps of ε/4 (ℓ2: ε/5) from a random point of the ball (Madry et al. 2018, section 2.1; defaults of torchattacks), in
 * the norm of each budget.
 */
export function pgdAttack({
  budgets,
  loss = crossEntropyObjective,
  steps = 10,
  randomStart = true,
  restarts = 1,
}: PgdAttackOptions): Attack {
  const start = randomStart ? ballStart : cleanStart;
  return iterativeAttack({
    name: 'PGD',
    budgets: stepsOf(budgets),
    loss,
    steps,
    restarts,
    relativeStep: 0.25,
    start,
  });
}

/** CW∞: PGD on the margin of the logits, `max_{i≠y} z_i − z_y` (as Madry et al. 2018, section 5.2); else as `pgdAttack`. */
export function cwInfAttack(options: Omit<PgdAttackOptions, 'loss'>): Attack {
  return { ...pgdAttack({ ...options, loss: marginObjective }), name: 'CW∞' };
}

function stepsOf(budgets: AttackBudgets): AttackBudgets {
  const pairs = Object.entries(budgets).map(([name, budget]) => {
    const stepSize = budget.stepSize ?? (budget.norm === 'l2' ? budget.epsilon / 5 : undefined);
    return [name, { ...budget, stepSize }];
  });
  return Object.fromEntries(pairs);
}
