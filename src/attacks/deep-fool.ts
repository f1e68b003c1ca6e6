import { abs, add, clamp, div, less, mul, sign, sub, where } from '../kernels/elementwise.ts';
import { full } from '../kernels/fill.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Attack } from './attack.ts';
import { fromJoint, jointNorm, jointSize, limitOf, toJointGradient } from './joint.ts';
import { type AttackObjective, marginObjective, pick, ranked } from './losses.ts';
import { lengths, perSample } from './norms.ts';
import { type AttackBudgets, checkCount, checkOption, isFooled, type Problem } from './problem.ts';
import { checkRecipe } from './recipe.ts';
import { checkRestarts, restartPoints } from './restarts.ts';
import { begin, choose, climb, evaluate, NEVER, observeSmallest, type Track } from './track.ts';

export interface DeepFoolOptions {
  /** One norm, `linf` or `l2`; ε = Infinity for the smallest change whatever its size. */
  readonly budgets: AttackBudgets;
  /** 50 when left out. */
  readonly steps?: number;
  /** How far beyond the linearised boundary the points lie, as a share of the way there: 0.02. */
  readonly overshoot?: number;
  /** How many other classes are looked at, the likeliest first: 9. */
  readonly candidates?: number;
  /** Runs, the first from the clean input, others from random points; 1 when left out. */
  readonly restarts?: number;
}

interface DeepFoolState extends Track {
  /** The way so far, in the order of `problem.moved`. */
  readonly way: readonly Tensor[];
  /** Classes that are looked at, i32 [n] each; none in a targeted attack. */
  readonly others: readonly Tensor[];
}

/** The nearest linearised boundary of an f: its distance, and the joint gradient of f there. */
interface Boundary {
  readonly distance: Tensor;
  readonly w: Tensor;
}

const preference = (other: Tensor): AttackObjective => ({
  name: 'difference of logits',
  classes: 2,
  loss: ({ logits, labels }) => sub(pick(logits, other), pick(logits, labels)),
});

/**
 * DeepFool (Moosavi-Dezfooli et al. 2016, algorithm 2): walks to the nearest of the linearised boundaries between the true
 * class and each other, until one is crossed: `r ← r + (|f| / ‖w‖₂² + …) w` (ℓ∞: `|f| / ‖w‖₁ sign w`), points at
 * `x + (1 + overshoot) r`. A step takes a gradient for each candidate.
 */
export function deepFoolAttack(options: DeepFoolOptions): Attack {
  const name = 'DeepFool';
  checkRecipe(name, options, ['budgets', 'steps', 'overshoot', 'candidates', 'restarts']);
  const { budgets, steps = 50, overshoot = 0.02, candidates = 9, restarts = 1 } = options;
  const norm = jointNorm(name, budgets, ['linf', 'l2']);
  checkOption(name, 'overshoot', overshoot, 0, 1);
  checkCount(name, 'candidates', candidates, 1);
  const recipe: Attack<DeepFoolState> = {
    ...{ name, budgets, steps, runs: restarts, smallest: true, phase: 5 },
    check: (problem) => checkRestarts(name, problem, restarts),
    start(problem, run, seed, sizes) {
      const { logits } = evaluate(problem, problem.origins, marginObjective, seed);
      const count = Math.min(candidates, problem.classes - 1);
      const others = problem.targets ? [] : ranked(logits, count + 1).slice(1);
      const points = restartPoints(problem, run, restarts, seed, sizes);
      const way = points.map((point, i) => sub(point, problem.origins[i] as Tensor));
      return { ...begin(problem, points), way, others };
    },
    step(state, problem, seed) {
      const objectives = problem.targets ? [marginObjective] : state.others.map(preference);
      const found = objectives.map((objective) => climb(problem, state.points, objective, seed));
      const [first] = found as [(typeof found)[0]];
      const changes = state.points.map((point, i) => sub(point, problem.origins[i] as Tensor));
      const sizes = jointSize(problem, changes, norm);
      const all = { ...first, grads: found.flatMap(({ grads }) => grads) };
      const seen = observeSmallest(state, problem, state.points, all, sizes, limitOf(problem));
      const step = fromJoint(problem, wayTo(nearest(problem, found, norm), norm));
      const ways = state.way.map((way, i) => add(way, step[i] as Tensor));
      const arrived = isFooled(first.logits, problem);
      const way = choose(arrived, state.way, ways);
      return { ...seen, way, points: choose(arrived, state.points, pointsAt(problem, way, 1 + overshoot)) };
    },
    finish: (state, problem, seed) => {
      const changes = state.points.map((point, i) => sub(point, problem.origins[i] as Tensor));
      const found = evaluate(problem, state.points, marginObjective, seed);
      return observeSmallest(
        state,
        problem,
        state.points,
        found,
        jointSize(problem, changes, norm),
        limitOf(problem),
      );
    },
  };
  return recipe;
}

type Found = { readonly losses: Tensor; readonly grads: readonly Tensor[] };

function nearest(problem: Problem, found: readonly Found[], norm: 'linf' | 'l2'): Boundary {
  const boundaries = found.map(({ losses, grads }): Boundary => {
    const w = toJointGradient(problem, grads);
    // A gradient of 0 leads nowhere: its boundary is far.
    const slope = lengths(w, norm === 'l2' ? 'l2' : 'l1');
    return { distance: div(abs(losses), add(slope, 1e-20)), w };
  });
  const far = full(problem.labels.device, [problem.labels.size], NEVER);
  const [one] = boundaries as [Boundary];
  return boundaries.reduce((a, b) => closer(a, b), { ...one, distance: far });
}

function closer(a: Boundary, b: Boundary): Boundary {
  const flag = less(b.distance, a.distance);
  return {
    distance: where(flag, b.distance, a.distance),
    w: where(perSample(flag, b.w), b.w, a.w),
  };
}

/** The way to a boundary, and 10⁻⁴ beyond, as in the authors' code. */
function wayTo({ distance, w }: Boundary, norm: 'linf' | 'l2'): Tensor {
  const length = perSample(add(distance, BEYOND), w);
  if (norm === 'linf') return mul(sign(w), length);
  return mul(div(w, perSample(add(lengths(w, 'l2'), 1e-20), w)), length);
}

const BEYOND = 1e-4;

function pointsAt({ origins, moved }: Problem, way: readonly Tensor[], factor: number): Tensor[] {
  return origins.map((x, i) => {
    const point = add(x, mul(way[i] as Tensor, factor));
    const range = moved[i]?.range;
    return range ? clamp(point, ...range) : point;
  });
}
