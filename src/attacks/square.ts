import { check } from '../errors.ts';
import { add, greater, maximum, mul, where } from '../kernels/elementwise.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Attack } from './attack.ts';
import { marginObjective } from './losses.ts';
import { project } from './norms.ts';
import { type AttackBudgets, checkCount, isFooled, type Moved, type Problem } from './problem.ts';
import { checkRecipe } from './recipe.ts';
import { proposeMass, tiles } from './square-mass.ts';
import { layoutOf, randomSigns, schedule, windowOf } from './square-window.ts';
import type { StepSeed } from './stepper.ts';
import { begin, choose, evaluate, observe, type Track } from './track.ts';

export interface SquareOptions {
  readonly budgets: AttackBudgets;
  /** Evaluations of the model: 5000. */
  readonly queries?: number;
  /** Share of the elements that a window has at first: 0.8. */
  readonly p?: number;
  /** 1 when left out. */
  readonly restarts?: number;
}

/** The track, and the margin at `points`, the best so far. */
interface SquareState extends Track {
  readonly margin: Tensor;
}

/**
 * Square attack (Andriushchenko et al. 2020, algorithms 1 to 3): random search without gradients. ℓ∞: from vertical stripes of ±ε,
 * square windows are set to ±ε in each channel; ℓ2 and ℓ1 (Croce & Hein 2021): mass moves from one window to another. A change is kept where the margin
 * rises. Windows lie in the two axes before the channels: [N, H, W, C], [N, T, H, W, C] (all frames), [N, T, V, C];
 * in the one axis of [N, L] and [N, L, C].
 */
export function squareAttack(options: SquareOptions): Attack {
  const name = 'Square';
  checkRecipe(name, options, ['budgets', 'queries', 'p', 'restarts']);
  const { budgets, queries = 5000, p = 0.8, restarts = 1 } = options;
  checkCount(name, 'queries', queries, 1);
  checkCount(name, 'restarts', restarts, 1);
  check(p > 0 && p <= 1, name, () => `p must be in (0, 1]; got ${p}`);
  const recipe: Attack<SquareState> = {
    ...{ name, budgets, steps: queries - 1, runs: restarts, phase: 100 },
    start(problem, _run, seed) {
      const points = problem.origins.map((x, i) => startOf(problem, x, i, seed));
      const found = evaluate(problem, points, marginObjective, seed);
      return { ...observe(begin(problem, points), problem, points, found), margin: found.losses };
    },
    step(state, problem, seed) {
      const next = state.points.map((_, i) => propose(problem, state, i, p, seed));
      const found = evaluate(problem, next, marginObjective, seed);
      const better = maximum(greater(found.losses, state.margin), isFooled(found.logits, problem));
      return {
        ...observe(state, problem, next, found),
        points: choose(better, next, state.points),
        margin: where(better, found.losses, state.margin),
      };
    },
  };
  return recipe;
}

/** Streams of random numbers that a modality has to itself. */
const STREAMS = 16;

/** ℓ∞: stripes of ±ε along the first axis of the windows; else a pattern of tiles. */
function startOf(problem: Problem, x: Tensor, i: number, seed: StepSeed): Tensor {
  const budget = problem.moved[i] as Moved;
  const layout = layoutOf(x.shape);
  const draws = { seed, stream: STREAMS * i };
  if (budget.norm !== 'linf') return tiles({ problem, origin: x, budget, layout }, draws);
  const signs = randomSigns(problem, layout.lanes.with(0, x.shape[0] ?? 0), draws);
  return project(add(x, mul(signs, budget.epsilon)), x, budget);
}

function propose(
  problem: Problem,
  { points, clock }: SquareState,
  i: number,
  p: number,
  seed: StepSeed,
): Tensor {
  const [point, origin, budget] = [
    points[i] as Tensor,
    problem.origins[i] as Tensor,
    problem.moved[i] as Moved,
  ];
  const layout = layoutOf(point.shape);
  const draws = { seed, stream: STREAMS * i };
  const sides = schedule(clock, layout, p, budget.norm !== 'linf');
  if (budget.norm !== 'linf') return proposeMass({ problem, origin, budget, layout }, point, p, sides, draws);
  const { inside } = windowOf(problem, layout, sides, draws);
  const shape = layout.channels.with(0, point.shape[0] ?? 0);
  const signs = randomSigns(problem, shape, { seed, stream: draws.stream + 1 });
  return project(add(point, where(inside, mul(signs, 2 * budget.epsilon), 0)), origin, budget);
}
