import { type AllNames, checkNames, need } from '../errors.ts';
import type { AttackObjective } from './losses.ts';
import type { AttackBudgets } from './problem.ts';

interface Recipe {
  readonly budgets?: AttackBudgets;
  readonly loss?: AttackObjective;
  readonly parents?: readonly number[];
}

/** Throws `ShapeError` where the options of an attack, its budgets or its objective are none, or a name is misspelt. */
export function checkRecipe<T extends Recipe, const N extends readonly string[]>(
  op: string,
  options: T,
  names: AllNames<T, N>,
): void {
  checkNames(op, options, names);
  const { budgets, loss, parents } = options;
  if (names.includes('budgets')) checkBudgets(op, budgets);
  if (names.includes('parents')) need(Array.isArray(parents), op, 'parents, a list of joints', parents);
  need(
    loss === undefined || typeof loss?.loss === 'function',
    op,
    'a loss such as crossEntropyObjective',
    loss,
  );
}

/** Throws `ShapeError` unless every budget is an object. */
export function checkBudgets(
  op: string,
  budgets: AttackBudgets | undefined,
): asserts budgets is AttackBudgets {
  need(Object(budgets) === budgets, op, 'budgets, such as { x: { epsilon: 8 / 255 } }', budgets);
  for (const [name, budget] of Object.entries(budgets as AttackBudgets))
    checkNames(op, budget, ['epsilon', 'norm', 'stepSize'], `budgets of ${name}`);
}
