import { add, mul } from '../kernels/elementwise.ts';
import { zerosLike } from '../kernels/fill.ts';
import { randomNormal, randomUniform } from '../kernels/random.ts';
import type { Device } from '../tensor/device.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Attack, PHASE } from './attack.ts';
import { type AttackObjective, checkClasses } from './losses.ts';
import { ascend, type Norm, normalized, perSample, project, startNoise } from './norms.ts';
import { type AttackBudgets, checkCount, checkOption, type Moved, type Problem } from './problem.ts';
import type { StepSeed } from './stepper.ts';
import { begin, climb, draw, evaluate, observe, type Track } from './track.ts';
import { copy } from './tree.ts';

/** Where an attack begins: the points, in the order of `problem.moved`. */
export type Start = (problem: Problem, seed: StepSeed) => readonly Tensor[];

/** What to climb along, from the gradient and what the last step remembered; what is returned is remembered. */
export type Direction = (gradient: Tensor, memory: Tensor) => Tensor;

/** What the points must fulfil beyond ball and range. Both [n, …] → the same shape. */
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
  /** Step size as a share of ε, where a budget names none: for all norms, or for each. */
  readonly relativeStep: number | Readonly<Record<Norm, number>>;
  /** The gradient itself when left out. */
  readonly direction?: Direction | undefined;
  /** Nothing more when left out. */
  readonly project?: Constraint | undefined;
}

/** The track, and what directions remember. */
interface Climb extends Track {
  readonly memory: readonly Tensor[];
}

/**
 * A first-order attack from four parts: `x ← P(x + α s(d(∇ loss)))`, where s is the steepest direction of the norm (`ascend`) and
 * every iterate that fools the model counts.
 */
export function iterativeAttack(parts: Parts): Attack {
  const { name, budgets, steps, restarts = 1, loss, start, direction, relativeStep } = parts;
  const stepOf = ({ stepSize, norm, epsilon }: Moved) =>
    stepSize ?? (typeof relativeStep === 'number' ? relativeStep : relativeStep[norm]) * epsilon;
  const advance = (
    problem: Problem,
    state: Climb,
    grads: readonly Tensor[],
  ): Pick<Climb, 'points' | 'memory'> => {
    const memory = direction
      ? grads.map((grad, i) => direction(grad, state.memory[i] as Tensor))
      : state.memory;
    const points = problem.moved.map((moved, i) => {
      const [point, origin] = [state.points[i] as Tensor, problem.origins[i] as Tensor];
      const along = (direction ? memory[i] : grads[i]) as Tensor;
      const next = ascend(point, along, origin, moved, stepOf(moved));
      return parts.project?.(next, origin, moved) ?? next;
    });
    return { points, memory };
  };
  checkCount(name, 'restarts', restarts, 1);
  for (const share of Object.values(typeof relativeStep === 'number' ? [relativeStep] : relativeStep))
    checkOption(name, 'relativeStep', share, 0, 1e6);
  const recipe: Attack<Climb> = {
    ...{ name, budgets, steps, runs: restarts, phase: PHASE },
    check: (problem) => checkClasses(name, loss, problem),
    start(problem, run, seed) {
      const from = run > 0 && start === cleanStart ? ballStart : start;
      const points = from(problem, seed).map((point, i) => {
        if (!parts.project || from === cleanStart) return point;
        return parts.project(point, problem.origins[i] as Tensor, problem.moved[i] as Moved);
      });
      return { ...begin(problem, points), memory: direction ? points.map(zerosLike) : [] };
    },
    step(state, problem, seed) {
      const found = climb(problem, state.points, loss, seed);
      const seen = observe(state, problem, state.points, found);
      return { ...seen, ...advance(problem, state, found.grads) };
    },
    finish: (state, problem, seed) =>
      observe(state, problem, state.points, evaluate(problem, state.points, loss, seed)),
  };
  return recipe;
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
