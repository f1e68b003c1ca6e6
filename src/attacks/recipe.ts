import { type AllNames, check, checkNames, need } from '../errors.ts';
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
  checkAttackNames(op, options, names);
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
  for (const [name, budget] of Object.entries(budgets as AttackBudgets)) {
    checkAttackNames(op, budget, BUDGET, `budgets of ${name}`);
  }
}

const BUDGET = ['epsilon', 'norm', 'stepSize'] as const;

/** What is meant by names of other libraries, by names of budgets beside them, and of targets that attack would not see. */
const FOREIGN: Readonly<Record<string, string>> = {
  ...{ eps: 'epsilon', epsilon: 'epsilon', epsilons: 'epsilon', norm: 'norm' },
  ...{ alpha: 'stepSize', eps_iter: 'stepSize', abs_stepsize: 'stepSize', stepSize: 'stepSize' },
  ...{ n_iter: 'steps', nb_iter: 'steps', iterations: 'steps', n_queries: 'queries', n_restarts: 'restarts' },
  ...{ lr: 'learningRate', kappa: 'confidence', random_start: 'randomStart' },
  ...{ targeted: 'targets', targets: 'targets' },
};

/** Where a name belongs that the options at hand do not take. */
const PLACES: Readonly<Record<string, string>> = {
  ...{ epsilon: ' in budgets', norm: ' in budgets', stepSize: ' in budgets' },
  ...{ targets: ', a Tensor i32 [N] given to attack,', queries: ' of squareAttack' },
  ...{ confidence: ' of cwL2Attack', learningRate: ' of cwL2Attack, stepSize in budgets of others,' },
};

/** `checkNames`, and `ShapeError` for a name that none of `names` is, and by which something else would run than was asked for. */
export function checkAttackNames<T extends object, const N extends readonly string[]>(
  op: string,
  given: T,
  names: AllNames<T, N>,
  what = 'options',
): void {
  checkNames(op, given, names, what);
  for (const name of Object.keys(given)) {
    const meant = names.includes(name) || !Object.hasOwn(FOREIGN, name) ? undefined : FOREIGN[name];
    const place = () => (names.includes(meant ?? '') ? '' : (PLACES[meant ?? ''] ?? ' of the recipe'));
    check(meant === undefined, op, () => `${what} have no '${name}'; '${meant}'${place()} is meant`);
  }
}
