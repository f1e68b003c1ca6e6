import { grad } from '../autograd/grad.ts';
import { add, div, equal, minimum, mul, pow, sqrt, square, sub, where } from '../kernels/elementwise.ts';
import { zerosLike } from '../kernels/fill.ts';
import { sum } from '../kernels/reduce.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Attack } from './attack.ts';
import { cleanStart } from './iterative.ts';
import { crossEntropyObjective } from './losses.ts';
import { lengths, normalized, perSample, project } from './norms.ts';
import { type AttackBudgets, checkOption, type Moved } from './problem.ts';
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
}

interface SmartState extends Track {
  readonly mean: Tensor;
  readonly square: Tensor;
}

const [BETA1, BETA2] = [0.9, 0.999];

/**
 * SMART: climbs along `w ∇CE/‖∇CE‖ − (1 − w) ∇P/‖∇P‖` with Adam, P the perceptual distance, in steps of at most `clip`, with
 * samples at rest once they fool the model (Wang et al., CVPR 2021, section 3). The budget bounds the whole change.
 */
export function smartAttack(options: SmartOptions): Attack<SmartState> {
  const { budgets, steps = 100, classWeight = 0.6, clip = 0.01, learningRate = 0.01 } = options;
  checkOption('smartAttack', 'classWeight', classWeight, 0, 1);
  checkOption('smartAttack', 'clip', clip, 0, 1e6);
  checkOption('smartAttack', 'learningRate', learningRate, 0, 1e6);
  return {
    ...{ name: 'SMART', budgets, steps, runs: 1 },
    check: (problem) => checkSkeleton('smartAttack', problem, options, true),
    start(problem, _run, seed) {
      const points = cleanStart(problem, seed);
      const zero = zerosLike(points[0] as Tensor);
      return { ...begin(problem, points), mean: zero, square: zerosLike(zero) };
    },
    step(state, problem, seed) {
      const found = climb(problem, state.points, crossEntropyObjective, seed);
      const seen = observe(state, problem, state.points, found);
      const [point, origin] = [state.points[0], problem.origins[0]] as [Tensor, Tensor];
      const [away] = grad(() => sum(perceptualDistance(point, origin, options)), [point]) as [Tensor];
      const classes = mul(normalized(found.grads[0] as Tensor, 'l2'), classWeight);
      const gradient = sub(classes, mul(normalized(away, 'l2'), 1 - classWeight));
      const { update, ...moments } = adam(state, gradient, seen.clock, learningRate);
      const moved = project(add(point, shortened(update, clip)), origin, problem.moved[0] as Moved);
      const left = perSample(equal(seen.success, 0), moved);
      return { ...seen, ...moments, points: [where(left, moved, point)] };
    },
    finish: (state, problem, seed) =>
      observe(state, problem, state.points, evaluate(problem, state.points, crossEntropyObjective, seed)),
  };
}

/** Adam's step upwards; `steps` [n] counts from 1. */
function adam(state: SmartState, gradient: Tensor, steps: Tensor, learningRate: number) {
  const mean = add(mul(state.mean, BETA1), mul(gradient, 1 - BETA1));
  const squares = add(mul(state.square, BETA2), mul(square(gradient), 1 - BETA2));
  const unbiased = (moment: Tensor, beta: number) => div(moment, perSample(sub(1, pow(beta, steps)), moment));
  const direction = div(unbiased(mean, BETA1), add(sqrt(unbiased(squares, BETA2)), 1e-8));
  return { mean, square: squares, update: mul(direction, learningRate) };
}

/** At most `most` long in ℓ2, for each sample. */
function shortened(update: Tensor, most: number): Tensor {
  const scale = minimum(div(most, add(lengths(update, 'l2'), 1e-12)), 1);
  return mul(update, perSample(scale, update));
}
