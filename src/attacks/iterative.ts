import { check, need } from '../errors.ts';
import { add, clamp, lessEqual, mul, sub } from '../kernels/elementwise.ts';
import { zerosLike } from '../kernels/fill.ts';
import { randomNormal, randomUniform } from '../kernels/random.ts';
import type { Device } from '../tensor/device.ts';
import { formatShape, type Shape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Attack, PHASE } from './attack.ts';
import { type AttackObjective, checkClasses } from './losses.ts';
import {
  ascend,
  checkBudget,
  lengths,
  type Norm,
  normalized,
  perSample,
  project,
  startNoise,
} from './norms.ts';
import { type AttackBudgets, both, checkCount, checkOption, type Moved, type Problem } from './problem.ts';
import { checkRecipe } from './recipe.ts';
import type { StepSeed } from './stepper.ts';
import { begin, climb, draw, evaluate, observe, type Track } from './track.ts';
import { copy } from './tree.ts';

/** Where an attack begins: the points, in the order of `problem.moved`. */
export type Start = (problem: Problem, seed: StepSeed) => readonly Tensor[];

/** What to climb along, from the gradient and what the last step remembered; what is returned is remembered. */
export type Direction = (gradient: Tensor, memory: Tensor) => Tensor;

/**
 * What the points must fulfil beyond ball and range. Both [n, …] → the same shape. Points that it moves out of ball or range are
 * climbed on from, but count as no success.
 */
export type Constraint = (points: Tensor, origins: Tensor, moved: Moved) => Tensor;

/** The four parts that make a first-order attack; ball, range and the steepest direction of the norm are the loop's. */
export interface Parts {
  readonly name: string;
  readonly budgets: AttackBudgets;
  readonly steps: number;
  /** Runs on what is still robust; after one from the clean input the others begin at random points of the balls. */
  readonly restarts?: number | undefined;
  /** What is maximised. */
  readonly loss: AttackObjective;
  readonly start: Start;
  /** Step size as a share of ε, where a budget names none: for all norms, or for each. May be left out where all name one. */
  readonly relativeStep?: number | Readonly<Record<Norm, number>> | undefined;
  /** The gradient itself when left out. */
  readonly direction?: Direction | undefined;
  /** Nothing more when left out. */
  readonly project?: Constraint | undefined;
}

/** How far beyond ball and range a point may be, as a share of ε. */
const SLACK = 1e-5;
/** Of an f32, a few times over. */
const ROUNDING = 5e-7;

/** The track, and what directions remember. */
interface Climb extends Track {
  readonly memory: readonly Tensor[];
}

/**
 * A first-order attack from four parts: `x ← P(x + α s(d(∇ loss)))`, where s is the steepest direction of the norm (`ascend`) and
 * every iterate that fools the model counts.
 */
export function iterativeAttack(parts: Parts): Attack {
  checkParts(parts);
  const { name, budgets, steps, restarts = 1, loss, direction } = parts;
  // A constraint has the last word on the points, so they may be outside ball or range.
  const allowed = (problem: Problem, points: readonly Tensor[]) =>
    parts.project && insideBudgets(problem, points);
  checkCount(name, 'restarts', restarts, 1);
  checkStep(parts);
  const recipe: Attack<Climb> = {
    ...{ name, budgets, steps, runs: restarts, phase: PHASE },
    check: (problem) => checkClasses(name, loss, problem),
    start(problem, run, seed) {
      const points = startPoints(parts, problem, run, seed);
      return { ...begin(problem, points), memory: direction ? points.map(zerosLike) : [] };
    },
    step(state, problem, seed) {
      const { points } = state;
      const found = climb(problem, points, loss, seed);
      const seen = observe(state, problem, points, found, allowed(problem, points));
      return { ...seen, ...advance(parts, problem, state, found.grads) };
    },
    finish(state, problem, seed) {
      const { points } = state;
      const found = evaluate(problem, points, loss, seed);
      return observe(state, problem, points, found, allowed(problem, points));
    },
  };
  return recipe;
}

function checkParts(parts: Parts): void {
  const op = 'iterativeAttack';
  checkRecipe(op, parts, [
    'name',
    'budgets',
    'steps',
    'restarts',
    'loss',
    'start',
    'relativeStep',
    'direction',
    'project',
  ]);
  need(parts.loss !== undefined, op, 'a loss such as crossEntropyObjective', parts.loss);
  for (const part of ['start', 'direction', 'project'] as const) {
    const fits = typeof parts[part] === 'function' || (part !== 'start' && parts[part] === undefined);
    need(fits, op, `${part}, a function`, parts[part]);
  }
}

/** How long a step is in this norm, as a share of ε; none where nothing says so. */
function shareOf(relativeStep: Parts['relativeStep'], norm: Norm): number | undefined {
  return (typeof relativeStep === 'object' ? relativeStep?.[norm] : relativeStep) ?? undefined;
}

/** Throws `ShapeError` where a budget that moves has neither a step size nor a share of ε, and for a share that is no number from 0 up. */
function checkStep({ name, budgets, relativeStep }: Parts): void {
  for (const [modality, budget] of Object.entries(budgets)) {
    checkBudget(name, budget, `${modality}: `);
    const { epsilon, norm = 'linf', stepSize } = budget;
    const share = shareOf(relativeStep, norm);
    const known = share !== undefined || stepSize !== undefined || !(epsilon > 0);
    need(known, name, `relativeStep, a share of ε, or a stepSize in the budget of ${modality}`, relativeStep);
    if (share !== undefined) checkOption(name, 'relativeStep', share, 0, 1e6);
  }
}

/** Where a run begins: the clean inputs themselves, or points that ball, range and constraint hold for. */
function startPoints(parts: Parts, problem: Problem, run: number, seed: StepSeed): readonly Tensor[] {
  const { name } = parts;
  const from = run > 0 && parts.start === cleanStart ? ballStart : parts.start;
  const points = from(problem, seed);
  const { length } = problem.moved;
  check(
    points.length === length,
    name,
    () => `start must give ${length} tensors of points; got ${points.length}`,
  );
  return points.map((point, i) => {
    const [origin, moved] = [problem.origins[i] as Tensor, problem.moved[i] as Moved];
    checkPart(name, 'start', point, origin);
    if (from === cleanStart) return point;
    const inside = from === ballStart ? point : project(point, origin, moved);
    return constrained(parts, inside, origin, moved);
  });
}

/** A step of the length that the budget names, else of its share of ε. */
function advance(
  { name, direction, relativeStep, ...parts }: Parts,
  { moved, origins }: Problem,
  state: Climb,
  grads: readonly Tensor[],
): Pick<Climb, 'points' | 'memory'> {
  const memory = direction
    ? grads.map((grad, i) => direction(grad, state.memory[i] as Tensor))
    : state.memory;
  const points = moved.map((budget, i) => {
    const [point, origin] = [state.points[i] as Tensor, origins[i] as Tensor];
    const along = (direction ? memory[i] : grads[i]) as Tensor;
    checkPart(name, 'direction', along, origin);
    const step = budget.stepSize ?? (shareOf(relativeStep, budget.norm) ?? 0) * budget.epsilon;
    const next = ascend(point, along, origin, budget, step);
    return constrained({ name, ...parts }, next, origin, budget);
  });
  return { points, memory };
}

function constrained(
  { name, project: constraint }: Pick<Parts, 'name' | 'project'>,
  points: Tensor,
  origin: Tensor,
  moved: Moved,
): Tensor {
  return checkPart(name, 'project', constraint?.(points, origin, moved) ?? points, origin);
}

/** The tensor, which must have the shape of the clean input. Throws `ShapeError` that names the part that made it. */
function checkPart(name: string, part: string, made: Tensor, origin: Tensor): Tensor {
  check(
    sameShape(made.shape, origin.shape),
    name,
    () => `${part} must give ${formatShape(origin.shape)}; got ${formatShape(made.shape)}`,
  );
  return made;
}

/** u32 [n]: whether all points of a sample are in their balls and ranges, but for rounding. */
function insideBudgets({ moved, origins }: Problem, points: readonly Tensor[]): Tensor {
  const flags = moved.flatMap(({ norm, epsilon, range }, i) => {
    const [point, origin] = [points[i] as Tensor, origins[i] as Tensor];
    // Points are rounded as numbers of their own size, which may be far larger than ε.
    const limit = add(mul(lengths(origin, norm), ROUNDING), epsilon * (1 + SLACK));
    const near = lessEqual(lengths(sub(point, origin), norm), limit);
    if (!range) return [near];
    const beyond = sub(point, clamp(point, range[0], range[1]));
    return [near, lessEqual(lengths(beyond, 'linf'), SLACK * epsilon)];
  });
  return flags.reduce(both);
}

/** At the clean inputs. */
export const cleanStart: Start = ({ origins }) => origins.map(copy);

/** At a random point of each ball, as `randomStart`. */
export const ballStart: Start = (problem, seed) =>
  problem.origins.map((x, i) => {
    const budget = problem.moved[i] as Moved;
    const noise = draw(problem, x.shape, (shape) => startNoise(x.device, shape, budget, seed, i));
    return project(add(x, noise), x, budget);
  });

/** At a random point at the distance `radius` (a number, or one for each sample), as long as that lies in the range. */
export function sphereStart(
  problem: Problem,
  seed: StepSeed,
  radius: (budget: Moved, i: number) => number | Tensor = ({ epsilon }) => epsilon,
): readonly Tensor[] {
  return problem.origins.map((x, i) => {
    const budget = problem.moved[i] as Moved;
    const noise = draw(problem, x.shape, (shape) => directionNoise(x.device, shape, budget.norm, seed, i));
    const far = radius(budget, i);
    const change = mul(normalized(noise, budget.norm), typeof far === 'number' ? far : perSample(far, x));
    return project(add(x, change), x, budget);
  });
}

function directionNoise(device: Device, shape: Shape, norm: Norm, seed: StepSeed, stream: number): Tensor {
  if (norm === 'linf') return randomUniform(device, shape, { seed, stream, low: -1, high: 1 });
  return randomNormal(device, shape, { seed, stream });
}
