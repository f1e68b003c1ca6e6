import { abs, add, clamp, div, less, maximum, minimum, mul, neg, sign, sub } from '../kernels/elementwise.ts';
import { concat, slice } from '../kernels/layout.ts';
import { sum } from '../kernels/reduce.ts';
import { type Room, toPlane } from '../kernels/row-solve.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Attack } from './attack.ts';
import { fromJoint, jointNorm, jointRoom, jointSize, limitOf, toJoint, toJointGradient } from './joint.ts';
import { type AttackObjective, marginObjective, pick } from './losses.ts';
import { lengths, type Norm, perSample } from './norms.ts';
import { type AttackBudgets, asNumber, checkCount, checkOption, isFooled, type Problem } from './problem.ts';
import { checkRecipe } from './recipe.ts';
import { checkRestarts, restartPoints } from './restarts.ts';
import { runsOver, targetOf } from './targets.ts';
import { begin, choose, climb, evaluate, NEVER, observeSmallest, type Track } from './track.ts';

export interface FabOptions {
  /** One norm; ε = Infinity for the smallest change whatever its size. */
  readonly budgets: AttackBudgets;
  /** 100 when left out. */
  readonly steps?: number;
  /** Runs for each target: the first from the clean input, others from random points; 1 when left out. */
  readonly restarts?: number;
  /** So many other classes, the likeliest first: 9. The targets of a targeted attack take their place. */
  readonly targets?: number;
  /** Most of the way back to the clean input that a step takes: 0.1. */
  readonly alphaMax?: number;
  /** How far beyond the linearised boundary a step goes: 1.05. */
  readonly eta?: number;
  /** Where the search goes on after a success, between clean input and success: 0.9. */
  readonly beta?: number;
}

/** The track, and the class that is aimed at, i32 [n]. */
interface FabState extends Track {
  readonly target: Tensor;
}

/** `z_t − z_y`: above 0 where the target is preferred. */
const difference: AttackObjective = {
  name: 'difference of logits',
  classes: 2,
  loss: ({ logits, labels, targets }) => sub(pick(logits, targets as Tensor), pick(logits, labels)),
};

/**
 * FAB-T (Croce & Hein 2020b, algorithm 1, in the targeted form of AutoAttack): steps to the linearised boundary between the true class
 * and one other, from where the search stands and from the clean input, blended; after a success it goes on nearer to the
 * clean input. In a targeted attack the boundary is that of the target with all others, and nothing is blended before a success.
 */
export function fabAttack(options: FabOptions): Attack {
  const name = 'FAB-T';
  checkRecipe(name, options, ['budgets', 'steps', 'restarts', 'targets', 'alphaMax', 'eta', 'beta']);
  const { budgets, steps = 100, restarts = 1, targets = 9, alphaMax = 0.1, eta = 1.05, beta = 0.9 } = options;
  const norm = jointNorm(name, budgets, ['linf', 'l2', 'l1']);
  checkOption(name, 'alphaMax', alphaMax, 0, 1);
  checkOption(name, 'eta', eta, 1, 2);
  checkOption(name, 'beta', beta, 0, 1);
  checkCount(name, 'targets', targets, 1);
  const bounded = Object.values(budgets).every(({ epsilon }) => epsilon < Number.POSITIVE_INFINITY);
  const recipe: Attack<FabState> = {
    ...{ name, budgets, steps, smallest: true },
    phase: bounded ? 10 : undefined,
    runs: runsOver(targets, restarts),
    check: (problem) => checkRestarts(name, problem, restarts),
    start: (problem, run, seed, sizes) => ({
      ...begin(problem, restartPoints(problem, run, restarts, seed, sizes)),
      target: problem.targets ?? targetOf(problem, Math.floor(run / restarts), seed),
    }),
    step(state, problem, seed) {
      const aimed = { ...problem, targets: state.target };
      // Beyond the plane between a given target and the label a third class may be the choice.
      const objective = problem.targets ? marginObjective : difference;
      const found = climb(aimed, state.points, objective, seed);
      const next = towards(problem, state, found, { norm, alphaMax, eta });
      const seen = evaluate(aimed, next, objective, seed);
      const changes = next.map((point, i) => sub(point, problem.origins[i] as Tensor));
      const back = changes.map((change, i) => add(problem.origins[i] as Tensor, mul(change, beta)));
      const sizes = jointSize(problem, changes, norm);
      return {
        ...observeSmallest(state, problem, next, { ...seen, grads: found.grads }, sizes, limitOf(problem)),
        points: choose(isFooled(seen.logits, problem), back, next),
      };
    },
  };
  return recipe;
}

interface Way {
  readonly norm: Norm;
  readonly alphaMax: number;
  readonly eta: number;
}

/** `(1 − α)(x + η δ) + α (x₀ + η δ₀)`, with δ and δ₀ the ways from x and x₀ to the plane where the linearised f is 0. */
function towards(
  problem: Problem,
  { points, size }: Track,
  { losses, grads }: { readonly losses: Tensor; readonly grads: readonly Tensor[] },
  { norm, alphaMax, eta }: Way,
): Tensor[] {
  const { origins } = problem;
  const w = toJointGradient(problem, grads);
  const away = toJoint(
    problem,
    points.map((point, i) => sub(origins[i] as Tensor, point)),
  );
  const fromClean = neg(add(losses, sum(mul(w, away), { axes: 1 })));
  const ways = bothWays(
    norm,
    w,
    [neg(losses), fromClean],
    [jointRoom(problem, points), jointRoom(problem, origins)],
  );
  const [here, clean] = ways.map((way) => maximum(lengths(way, norm), 1e-8)) as [Tensor, Tensor];
  const share = minimum(div(here, add(here, clean)), alphaMax);
  // A given class may only be chosen beyond several planes: on the way to its corner a pull towards one of them keeps the search out.
  const alpha = problem.targets ? mul(share, asNumber(less(size, NEVER))) : share;
  const [step, stepFromClean] = ways.map((way) => fromJoint(problem, mul(way, eta))) as [Tensor[], Tensor[]];
  return points.map((point, i) => {
    const back = perSample(alpha, point);
    const near = mul(add(point, step[i] as Tensor), sub(1, back));
    const far = mul(add(origins[i] as Tensor, stepFromClean[i] as Tensor), back);
    const range = problem.moved[i]?.range;
    return range ? clamp(add(near, far), ...range) : add(near, far);
  });
}

/** The shortest ways from two points of each sample to their plane `w·δ = gap`, in one launch. */
function bothWays(norm: Norm, w: Tensor, gaps: readonly Tensor[], rooms: readonly Room[]): Tensor[] {
  const signed = gaps.map((gap) => mul(w, perSample(sign(gap), w)));
  const room = { low: concat(rooms.map(({ low }) => low)), high: concat(rooms.map(({ high }) => high)) };
  const ways = toPlane(norm, concat(signed), abs(concat(gaps)), room);
  const [n = 0, width = 0] = w.shape;
  return gaps.map((_, k) => slice(ways, { begin: [k * n, 0], size: [n, width] }));
}
