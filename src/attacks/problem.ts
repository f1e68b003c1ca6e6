import { AttackError, check, shown } from '../errors.ts';
import { abs, cast, equal, lessEqual, mul, notEqual } from '../kernels/elementwise.ts';
import { gather } from '../kernels/layout.ts';
import { argmax, max, min } from '../kernels/reduce.ts';
import type { Device } from '../tensor/device.ts';
import { Tensor } from '../tensor/tensor.ts';
import { type AttackInputs, type AttackModel, checkInputs, checkModalities, cleanLogits } from './model.ts';
import { type Budget, checkBall, elementsOf, type Norm, rowsOf } from './norms.ts';
import { checkBudgets } from './recipe.ts';
import { mapTensors } from './tree.ts';

/** How far one modality may be moved. */
export interface AttackBudget {
  /**
   * In the units of the input, at most what holds its whole range; 0 leaves it as it is. Infinity: whatever the size, for an attack
   * that looks for the smallest change; for others the whole range, which the model must declare.
   */
  readonly epsilon: number;
  /** `linf` when left out. */
  readonly norm?: Norm | undefined;
  /** Of attacks with a fixed step, in the units of ε; their default when left out. */
  readonly stepSize?: number | undefined;
}

/** The budget of each attacked modality. One that is left out stays clean. */
export type AttackBudgets = Readonly<Record<string, AttackBudget>>;

/** A modality that moves. */
export interface Moved extends Budget {
  readonly name: string;
  readonly norm: Norm;
  readonly stepSize?: number | undefined;
}

/** The tensors of a problem; all have a row for each sample. */
export interface ProblemTensors {
  /** Clean values of what moves, in the order of `moved`. */
  readonly origins: readonly Tensor[];
  /** What stays clean, in the order of `still`. */
  readonly clean: readonly Tensor[];
  /** i32 [n] */
  readonly labels: Tensor;
  /** i32 [n]; undefined in an untargeted attack. */
  readonly targets: Tensor | undefined;
  /** Which sample of the whole batch a row is, i32 [n]: draws do not depend on who else is still there. */
  readonly rows: Tensor;
}

/** What an attack works on: a model and n samples of a batch of `total`. */
export interface Problem extends ProblemTensors {
  readonly model: AttackModel;
  readonly moved: readonly Moved[];
  readonly still: readonly string[];
  readonly classes: number;
  readonly total: number;
  /** How many times as large as the budgets the balls of `moved` are; 1 when left out. */
  readonly widening?: number | undefined;
}

export interface Truth {
  readonly labels: Tensor;
  readonly targets?: Tensor;
}

/** Labels, and targets where there are any. Throws `ShapeError` for targets that were lost: the attack would go on untargeted. */
function truthOf(op: string, truth: Truth): Truth {
  const { labels, targets } = truth;
  if (targets) return { labels, targets };
  check(
    !('targets' in truth),
    op,
    () => `targets is ${targets}; give i32 [N], or leave it out for an untargeted attack`,
  );
  return { labels };
}

/**
 * A problem for sync use, such as inside a captured step: shapes and budgets are checked, values are not. Throws `ShapeError`
 * for a modality the model lacks, ε < 0 or beyond the range, labels that do not fit; `AttackError` for a model in training mode; both in the name of `op`.
 */
export function makeProblem(
  model: AttackModel,
  inputs: AttackInputs,
  truth: Truth,
  budgets: AttackBudgets,
  op = 'attack',
): { readonly problem: Problem; readonly logits: Tensor } {
  checkInputs(op, model, inputs);
  checkBudgets(op, budgets);
  const names = Object.keys(budgets);
  checkModalities(op, model, names);
  const moved = names.map((name) => movedOf(op, model, inputs, name, budgets[name] as AttackBudget));
  const moving = moved.filter(({ epsilon }) => epsilon > 0);
  const still = Object.keys(model.inputs).filter((name) => !moving.some((one) => one.name === name));
  const logits = cleanLogits(op, model, inputs);
  const [total = 0, classes = 0] = logits.shape;
  check(
    classes >= 2,
    op,
    () => `the model has ${classes} class, which it is right to choose; an attack needs 2`,
  );
  const given = truthOf(op, truth);
  for (const [name, tensor] of Object.entries(given)) {
    const fits = tensor instanceof Tensor && tensor.dtype === 'i32' && tensor.shape.length === 1;
    check(
      fits && tensor.size === total,
      op,
      () => `${name} must be i32 [${total}]; got ${tensor instanceof Tensor ? tensor : shown(tensor)}`,
    );
  }
  const tensors: ProblemTensors = {
    origins: moving.map(({ name }) => inputs[name] as Tensor),
    clean: still.map((name) => inputs[name] as Tensor),
    ...{ labels: given.labels, targets: given.targets },
    rows: given.labels.device.tensor(Int32Array.from({ length: total }, (_, i) => i)),
  };
  return { problem: { model, moved: moving, still, classes, total, ...tensors }, logits };
}

function movedOf(
  op: string,
  model: AttackModel,
  inputs: AttackInputs,
  name: string,
  budget: AttackBudget,
): Moved {
  const { epsilon, norm = 'linf', stepSize } = budget;
  const moved = { name, epsilon, norm, stepSize, range: model.inputs[name] };
  checkBall(op, moved, `${name}: `, elementsOf(inputs[name] as Tensor));
  return moved;
}

/** The tensors of a problem alone. */
export function tensorsOf({ origins, clean, labels, targets, rows }: Problem): ProblemTensors {
  return { origins, clean, labels, targets, rows };
}

/** The problem of some of its samples: row i of the result is row `indices[i]`. */
export function subset(problem: Problem, indices: Tensor): Problem {
  return { ...problem, ...mapTensors(tensorsOf(problem), (tensor) => gather(tensor, indices)) };
}

/** All inputs of the model, with the moved ones at `points`. */
export function assemble({ moved, still, clean }: Problem, points: readonly Tensor[]): AttackInputs {
  const pairs = [
    ...moved.map(({ name }, i) => [name, points[i]]),
    ...still.map((name, i) => [name, clean[i]]),
  ];
  return Object.fromEntries(pairs) as AttackInputs;
}

/** u32 [n]: 1 where the attack has its will: another class than the true one, or the target. */
export function isFooled(logits: Tensor, { labels, targets }: Pick<Problem, 'labels' | 'targets'>): Tensor {
  const chosen = argmax(logits, { axes: 1 });
  return targets ? equal(chosen, targets) : notEqual(chosen, labels);
}

const LARGEST = 3.4e38;

/** u32 [n]: 1 where every element of a row of [n, …] is a finite number. */
export function allFinite(rows: Tensor): Tensor {
  return lessEqual(max(abs(rowsOf(rows)), { axes: 1 }), LARGEST);
}

/**
 * Looks at the values once, and reads which samples are fooled as they are. Throws `AttackError` for inputs out of the range
 * the model declares, labels or targets that are no class, targets that are the label, and logits that are no numbers.
 */
export async function checkValues(op: string, problem: Problem, logits: Tensor): Promise<boolean[]> {
  const { model } = problem;
  const inputs = assemble(problem, problem.origins);
  for (const [name, range] of Object.entries(model.inputs)) {
    const extent = await extentOf(inputs[name] as Tensor);
    const [low, high] = range ?? [-LARGEST, LARGEST];
    if (extent.some(Number.isNaN)) throw new AttackError(op, `${name} has an element that is NaN`);
    if (!(extent[0] >= low && extent[1] <= high))
      throw new AttackError(
        op,
        `${name} must lie in [${low}, ${high}]; got ${extent.join(' … ')}. Scale it, or declare its range in the model`,
      );
  }
  await checkTruth(op, problem);
  const finite = await allFinite(logits).read();
  const bad = finite.filter((flag) => flag === 0).length;
  throwUnlessFinite(op, 'logits are NaN or infinite', 'the clean inputs', bad, finite.length);
  return Array.from(await isFooled(logits, problem).read(), (flag) => flag === 1);
}

async function checkTruth(op: string, { classes, labels, targets }: Problem): Promise<void> {
  const classOf = async (name: string, tensor: Tensor) => {
    const read = await tensor.read('i32');
    const sample = read.findIndex((label) => label < 0 || label >= classes);
    if (sample >= 0)
      throw new AttackError(
        op,
        `${name} must be in 0 … ${classes - 1}; got ${read[sample]} for sample ${sample}`,
      );
    return read;
  };
  const truth = await classOf('labels', labels);
  if (!targets) return;
  const aims = await classOf('targets', targets);
  const same = aims.findIndex((aim, i) => aim === truth[i]);
  if (same >= 0)
    throw new AttackError(
      op,
      `targets must be other classes than the labels; sample ${same} has ${aims[same]} for both. Choose another target, or leave the sample out`,
    );
}

/** Throws `AttackError` naming what was no number, where, and of how many samples. */
export function throwUnlessFinite(op: string, what: string, where: string, bad: number, all: number): void {
  if (bad === 0) return;
  const share = ((100 * bad) / all).toFixed(1);
  throw new AttackError(op, `${what} at ${where} for ${share} % of ${all} samples`);
}

async function extentOf(x: Tensor): Promise<[number, number]> {
  return Promise.all([min(x).item(), max(x).item()]);
}

/** i32 indices for `gather`. */
export function indicesOf(device: Device, rows: readonly number[]): Tensor {
  return device.tensor(Int32Array.from(rows));
}

/** Throws `ShapeError` for a number of `attack` that is not a whole one from `least` up. */
export function checkCount(attack: string, name: string, value: number, least = 0): void {
  const fits = Number.isInteger(value) && value >= least;
  check(fits, attack, () => `${name} must be a whole number of at least ${least}; got ${shown(value)}`);
}

/** Throws `ShapeError` for an option of `attack` that is not in [least, most]; NaN is not. */
export function checkOption(attack: string, name: string, value: number, least: number, most: number): void {
  const fits = value >= least && value <= most;
  check(fits, attack, () => `${name} must be in [${least}, ${most}]; got ${value}`);
}

/** A flag u32 [n] as f32. */
export function asNumber(flag: Tensor): Tensor {
  return cast(flag, 'f32');
}

/** Both flags: u32 [n] and u32 [n] → u32 [n]. */
export function both(a: Tensor, b: Tensor): Tensor {
  return mul(a, b);
}

/** The norm of all budgets; undefined where they differ. */
export function sameNorm(budgets: AttackBudgets | readonly Moved[]): Norm | undefined {
  const norms = new Set(Object.values(budgets).map(({ norm = 'linf' }) => norm));
  return norms.size === 1 ? [...norms][0] : undefined;
}
