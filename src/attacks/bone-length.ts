import { check } from '../errors.ts';
import { add, clamp, mul, sign, sub } from '../kernels/elementwise.ts';
import { ones } from '../kernels/fill.ts';
import { matmul } from '../kernels/matmul.ts';
import { randomUniform } from '../kernels/random.ts';
import { sum } from '../kernels/reduce.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Attack, PHASE } from './attack.ts';
import { cleanStart } from './iterative.ts';
import { type AttackObjective, crossEntropyObjective } from './losses.ts';
import { checkCount, checkOption } from './problem.ts';
import { checkRecipe } from './recipe.ts';
import {
  boneVectors,
  checkSkeleton,
  checkUnranged,
  isAbove,
  jointMatrix,
  type SkeletonOptions,
} from './skeleton.ts';
import { begin, climb, draw, evaluate, observe, type Track } from './track.ts';

export interface BoneLengthOptions extends SkeletonOptions {
  /** Largest relative change of a bone's length; 0.1 when left out. */
  readonly change?: number;
  /** Of the relative length, in each step; 0.01 when left out. */
  readonly stepSize?: number;
  /** 50 when left out. */
  readonly steps?: number;
  /** Runs on what is still robust, the first from β = 1, others from random β; 1 when left out. */
  readonly restarts?: number;
  /** Cross-entropy when left out. */
  readonly loss?: AttackObjective;
}

interface BoneLengthState extends Track {
  /** The relative length β of each bone, [n, …, 1, V, 1]: the same in all frames. */
  readonly factors: Tensor;
}

/**
 * Adversarial bone length attack: moves nothing but the lengths of the bones, alike in all frames: `β ← clip(β + α sign ∂CE/∂β, 1 ± ε)`
 * from β = 1, with bone v of length β_v L_v and the root in place (Tanaka, Kera and Kawamoto, AAAI 2022; the PGD variant in ℓ∞).
 */
export function boneLengthAttack(options: BoneLengthOptions): Attack<BoneLengthState> {
  const name = 'bone length';
  checkRecipe(name, options, ['modality', 'parents', 'change', 'stepSize', 'steps', 'restarts', 'loss']);
  const { modality = 'skeleton', parents, change = 0.1, stepSize = 0.01, steps = 50 } = options;
  const { loss = crossEntropyObjective, restarts = 1 } = options;
  check(change >= 0 && change <= 1, name, () => `change must be in [0, 1]; got ${change}`);
  checkOption(name, 'stepSize', stepSize, 0, 1);
  checkCount(name, 'restarts', restarts, 1);
  // How far joints move follows from the change of the bones: no bound of its own.
  const budgets = { [modality]: { epsilon: Number.POSITIVE_INFINITY } };
  return {
    ...{ name, budgets, steps, runs: restarts, unbounded: true, phase: PHASE },
    check(problem) {
      checkSkeleton(name, problem, options, true);
      checkUnranged(name, problem, options);
    },
    start(problem, run, seed) {
      const origin = problem.origins[0] as Tensor;
      const shape = factorShape(origin.shape);
      if (run === 0)
        return { ...begin(problem, cleanStart(problem, seed)), factors: ones(origin.device, shape) };
      const limits = { low: 1 - change, high: 1 + change };
      const make = (whole: Shape) => randomUniform(origin.device, whole, { seed, ...limits });
      const factors = draw(problem, shape, make);
      return { ...begin(problem, [stretched(origin, factors, parents)]), factors };
    },
    step(state, problem, seed) {
      const found = climb(problem, state.points, loss, seed);
      const seen = observe(state, problem, state.points, found);
      const origin = problem.origins[0] as Tensor;
      const above = jointMatrix(origin.device, parents, isAbove(parents));
      const bones = boneVectors(origin, parents);
      // ∂x_v/∂β_u is bone u for every ancestor u of v, v included.
      const below = matmul(above, found.grads[0] as Tensor, { transposeA: true });
      const axes = [origin.shape.length - 3, origin.shape.length - 1];
      const slope = sum(mul(below, bones), { axes, keepDims: true });
      const factors = clamp(add(state.factors, mul(sign(slope), stepSize)), 1 - change, 1 + change);
      return { ...seen, factors, points: [stretched(origin, factors, parents)] };
    },
    finish: (state, problem, seed) =>
      observe(state, problem, state.points, evaluate(problem, state.points, loss, seed)),
  };
}

/** Poses with bones of these relative lengths; added to the clean ones, so that β = 1 is clean to the bit. */
function stretched(origin: Tensor, factors: Tensor, parents: readonly number[]): Tensor {
  const above = jointMatrix(origin.device, parents, isAbove(parents));
  return add(origin, matmul(above, mul(boneVectors(origin, parents), sub(factors, 1))));
}

function factorShape(poses: Shape): number[] {
  return poses.map((n, axis) => (axis === poses.length - 3 || axis === poses.length - 1 ? 1 : n));
}
