import { grad } from '../autograd/grad.ts';
import { add, div, equal, minimum, mul, sub, where } from '../kernels/elementwise.ts';
import { sum } from '../kernels/reduce.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { adam, type Moments, noMoments } from './adam.ts';
import { type Attack, PHASE } from './attack.ts';
import { crossEntropyObjective } from './losses.ts';
import { lengths, normalized, perSample, project } from './norms.ts';
import { type AttackBudgets, checkOption, type Moved } from './problem.ts';
import { checkRecipe } from './recipe.ts';
import { checkRestarts, restartPoints } from './restarts.ts';
import {
  checkSkeleton,
  type PerceptualOptions,
  perceptualDistance,
  type SkeletonOptions,
} from './skeleton.ts';
import { begin, climb, evaluate, observe, type Track } from './track.ts';

export interface SmartOptions extends SkeletonOptions, PerceptualOptions {
  readonly budgets: AttackBudgets;
  /** 100 when left out. */
  readonly steps?: number;
  /** Share of the class loss in the direction; the rest is the perceptual loss. 0.6 when left out. */
  readonly classWeight?: number;
  /** Largest ℓ2 norm of a step; 0.01 when left out. */
  readonly clip?: number;
  /** Rate of Adam; 0.01 when left out. */
  readonly learningRate?: number;
  /** Runs on what is still robust, the first from the clean input, others from random points; 1 when left out. */
  readonly restarts?: number;
}

const NAMES = [
  ...(['budgets', 'steps', 'classWeight', 'clip', 'learningRate', 'restarts'] as const),
  ...(['modality', 'parents', 'bones', 'positions', 'frameRate'] as const),
];

interface SmartState extends Track {
  readonly moments: Moments;
}

/**
 * SMART: climbs along `w ∇CE/‖∇CE‖ − (1 − w) ∇P/‖∇P‖` with Adam, P the perceptual distance, in steps of at most `clip`, with
 * samples at rest once they fool the model (Wang et al., CVPR 2021, section 3). The budget bounds the whole change; ε = Infinity does not.
 */
export function smartAttack(options: SmartOptions): Attack<SmartState> {
  const name = 'SMART';
  checkRecipe(name, options, NAMES);
  const { budgets, steps = 100, classWeight = 0.6, clip = 0.01, learningRate = 0.01 } = options;
  const { restarts = 1 } = options;
  checkOption(name, 'classWeight', classWeight, 0, 1);
  checkOption(name, 'clip', clip, 0, 1e6);
  checkOption(name, 'learningRate', learningRate, 0, 1e6);
  return {
    ...{ name, budgets, steps, runs: restarts, unbounded: true, phase: PHASE },
    check(problem) {
      checkSkeleton(name, problem, options, true);
      checkRestarts(name, problem, restarts);
    },
    start(problem, run, seed) {
      const points = restartPoints(problem, run, restarts, seed);
      return { ...begin(problem, points), moments: noMoments(points[0] as Tensor) };
    },
    step(state, problem, seed) {
      const found = climb(problem, state.points, crossEntropyObjective, seed);
      const seen = observe(state, problem, state.points, found);
      const [point, origin] = [state.points[0], problem.origins[0]] as [Tensor, Tensor];
      const [away] = grad(() => sum(perceptualDistance(point, origin, options)), [point]) as [Tensor];
      const classes = mul(normalized(found.grads[0] as Tensor, 'l2'), classWeight);
      const gradient = sub(classes, mul(normalized(away, 'l2'), 1 - classWeight));
      const { moments, step } = adam(state.moments, gradient, seen.clock);
      const upwards = shortened(mul(step, learningRate), clip);
      const moved = project(add(point, upwards), origin, problem.moved[0] as Moved);
      const left = perSample(equal(seen.success, 0), moved);
      return { ...seen, moments, points: [where(left, moved, point)] };
    },
    finish: (state, problem, seed) =>
      observe(state, problem, state.points, evaluate(problem, state.points, crossEntropyObjective, seed)),
  };
}

/** At most `most` long in ℓ2, for each sample. */
function shortened(update: Tensor, most: number): Tensor {
  const scale = minimum(div(most, add(lengths(update, 'l2'), 1e-12)), 1);
  return mul(update, perSample(scale, update));
}
