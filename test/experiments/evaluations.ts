// What evaluating a network gives, made up.
import type { AttackRun, Evaluation } from '../../experiments/evaluate-model.ts';
import { restrict } from '../../experiments/evaluate-model.ts';
import type { Plan } from '../../experiments/plans.ts';
import type { Level } from '../../experiments/results.ts';
import type { AttackResult, CleanResult } from '../../src/train/evaluate.ts';

export const LEVELS: readonly Level[] = [
  { rgb: 0.01, skeleton: 0.005 },
  { rgb: 0.02, skeleton: 0.01 },
];
export const TESTED = 20;
export const ATTACKED = 16;

/** The first `count` of `n` samples. */
export function first(count: number, n = ATTACKED): boolean[] {
  return Array.from({ length: n }, (_, i) => i < count);
}

/** An attack that does all it should, and leaves `robust` samples. */
export function result(budget: Level, robust: number, steps: number): AttackResult {
  const lossByStep = Array.from({ length: steps + 1 }, (_, i) => 1 + i);
  return {
    robust: first(robust),
    losses: first(0).map(() => lossByStep[steps] as number),
    lossByStep,
    zeroGradients: 0,
    distance: budget,
    pixelRange: budget.rgb === undefined ? undefined : [0, 1],
    weights: [],
  };
}

/** FGSM and PGD-3 on each modality and on both at each level: the larger ε and the longer attack leave fewer samples. */
export function attackRuns(levels = LEVELS): AttackRun[] {
  return [1, 3].flatMap((steps) =>
    (['rgb', 'skeleton', 'both'] as const).flatMap((on) =>
      levels.map((sizes, level) => {
        const budget = restrict(sizes, on);
        const attack = steps === 1 ? 'fgsm' : 'pgd3';
        return { attack, on, level, budget, result: result(budget, 12 - 2 * level - steps, steps) };
      }),
    ),
  );
}

/** A network of both modalities that is right on the first `right` clean samples. */
export function evaluation(plan: Plan, right = 14, attacks = attackRuns()): Evaluation {
  const clean = cleanResult(first(right, TESTED));
  const attackedClean = cleanResult(first(right));
  return { plan, clean, attackedClean, attacks, unlimited: result({ rgb: 1, skeleton: 1 }, 0, 3) };
}

function cleanResult(correct: readonly boolean[]): CleanResult {
  const losses = correct.map((flag) => Number(!flag));
  return { correct, losses, predictions: correct.map(Number), weights: [] };
}
