import { valueAndGrad } from '../autograd/grad.ts';
import { check } from '../errors.ts';
import {
  add,
  div,
  greaterEqual,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  square,
  sub,
  tanh,
  where,
} from '../kernels/elementwise.ts';
import { full, zeros } from '../kernels/fill.ts';
import { sum } from '../kernels/reduce.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { adam, type Moments, noMoments } from './adam.ts';
import type { Attack, Interlude } from './attack.ts';
import { jointNorm, limitOf, toJoint } from './joint.ts';
import { marginObjective } from './losses.ts';
import { lengths } from './norms.ts';
import {
  type AttackBudgets,
  checkCount,
  checkOption,
  isFooled,
  type Moved,
  type Problem,
} from './problem.ts';
import { checkRecipe } from './recipe.ts';
import { checkRestarts, restartPoints } from './restarts.ts';
import type { StepSeed } from './stepper.ts';
import { begin, evaluateTracked, NEVER, observeSmallest, type Track } from './track.ts';
import { copy } from './tree.ts';

export interface CwL2Options {
  /** Norm `l2`; ε = Infinity for the smallest change whatever its size. */
  readonly budgets: AttackBudgets;
  /** Steps of Adam for each c: 50. */
  readonly steps?: number;
  /** Values of c that are tried: 9; 1 for a fixed c. */
  readonly searches?: number;
  /** The first c: 0.01. */
  readonly c?: number;
  /** κ: by how much the wrong class must be preferred: 0. */
  readonly confidence?: number;
  /** 0.01 */
  readonly learningRate?: number;
  /** Runs, the first from the clean input, others from random points; 1 when left out. */
  readonly restarts?: number;
}

/** Numbers are [n]. */
interface CwState extends Track {
  /** The variables: x = (tanh w + 1)/2 of the range; x itself where there is none. */
  readonly w: readonly Tensor[];
  /** Where the variables begin for each c. */
  readonly from: readonly Tensor[];
  readonly moments: readonly Moments[];
  /** Steps with this c. */
  readonly age: Tensor;
  readonly c: Tensor;
  /** The largest c that failed, the smallest that did not. */
  readonly lower: Tensor;
  readonly upper: Tensor;
  /** u32: this c has fooled the model. */
  readonly hit: Tensor;
}

const UNKNOWN = 1e10;

const NAMES = ['budgets', 'steps', 'searches', 'c', 'confidence', 'learningRate', 'restarts'] as const;

/**
 * CW ℓ2 (Carlini & Wagner 2017, section VI-A): Adam on w minimises `‖x(w) − x₀‖² + c · max(z_y − max_{i≠y} z_i, −κ)` with
 * x(w) = (tanh w + 1)/2 in the range, and a binary search for each sample finds the smallest c that succeeds.
 */
export function cwL2Attack(options: CwL2Options): Attack {
  const name = 'CW ℓ2';
  checkRecipe(name, options, NAMES);
  const { budgets, steps = 50, searches = 9, c = 0.01, confidence = 0, learningRate = 0.01 } = options;
  const { restarts = 1 } = options;
  jointNorm(name, budgets, ['l2']);
  checkOption(name, 'c', c, 1e-12, 1e12);
  checkOption(name, 'confidence', confidence, 0, 1e6);
  checkOption(name, 'learningRate', learningRate, 0, 1e6);
  checkCount(name, 'steps', steps, 1);
  checkCount(name, 'searches', searches, 1);
  const recipe: Attack<CwState> = {
    ...{ name, budgets, steps: steps * searches, runs: restarts, smallest: true },
    check(problem) {
      checkRestarts(name, problem, restarts);
      for (const { name: input, range: [low, high] = [0, 1] } of problem.moved)
        check(
          Number.isFinite(high - low) && high > low,
          name,
          () => `${input}: its variables need a range with two ends, or none; got [${low}, ${high}]`,
        );
    },
    start(problem, run, seed, sizes) {
      const { device, size: n } = problem.labels;
      const points = restartPoints(problem, run, restarts, seed, sizes);
      const from = points.map((x, i) => toVariable(x, problem.moved[i] as Moved));
      return {
        ...begin(problem, points),
        ...{ from, ...fresh(from, n) },
        c: full(device, [n], c),
        lower: zeros(device, [n]),
        upper: full(device, [n], UNKNOWN),
      };
    },
    step(state, problem, seed) {
      const found = descend(state, problem, confidence, seed);
      const sizes = lengths(found.change, 'l2');
      // κ > 0 asks for more than another class.
      const enough = mul(isFooled(found.logits, problem), greaterEqual(found.losses, confidence));
      const seen = observeSmallest(
        state,
        problem,
        found.points,
        found,
        where(enough, sizes, FAR),
        limitOf(problem),
      );
      return { ...seen, ...follow(state, found.grads, learningRate), hit: maximum(state.hit, enough) };
    },
    between: (done) => (done % steps === 0 ? nextSearch : undefined),
  };
  return recipe;
}

const nextSearch: Interlude<CwState> = {
  kind: 'search',
  step: (state) => ({ ...state, ...search(state), ...fresh(state.from, state.c.size) }),
};

/** A size that is never the smallest. */
const FAR = 2 * NEVER;

/** What a new c begins with. */
function fresh(from: readonly Tensor[], n: number) {
  const { device } = from[0] as Tensor;
  const [age, hit] = [zeros(device, [n]), zeros(device, [n], 'u32')];
  return { w: from.map(copy), moments: from.map(noMoments), age, hit };
}

/** Where the variables are, what the model says there, and the gradient of the objective in them. */
function descend({ w, c }: CwState, problem: Problem, confidence: number, seed: StepSeed) {
  const { value, grads } = valueAndGrad(() => {
    const points = w.map((variable, i) => toPoint(variable, problem.moved[i] as Moved));
    const changes = points.map((point, i) => sub(point, problem.origins[i] as Tensor));
    const change = toJoint(problem, changes);
    const found = evaluateTracked(problem, points, marginObjective, seed);
    const price = mul(maximum(neg(found.losses), -confidence), c);
    return { points, change, ...found, loss: add(sum(square(change)), sum(price)) };
  }, w);
  return { ...value, grads };
}

/** Adam's step downwards. */
function follow(state: CwState, grads: readonly Tensor[], learningRate: number) {
  const age = add(state.age, 1);
  const steps = grads.map((grad, i) => adam(state.moments[i] as Moments, grad, age));
  const w = state.w.map((variable, i) => sub(variable, mul(steps[i]?.step as Tensor, learningRate)));
  return { w, age, moments: steps.map(({ moments }) => moments) };
}

/** A smaller c after a success, halfway to what failed; a larger one after a failure: halfway, or ten times where none fits. */
function search({ c, hit, lower, upper }: CwState): Partial<CwState> {
  const above = where(hit, minimum(upper, c), upper);
  const below = where(hit, lower, maximum(lower, c));
  const known = less(above, UNKNOWN);
  return {
    c: where(known, mul(add(below, above), 0.5), mul(c, 10)),
    lower: below,
    upper: above,
  };
}

/** The range without its ends, where the inverse of tanh is infinite. */
const INSIDE = 0.999999;

function toVariable(x: Tensor, { range }: Moved): Tensor {
  if (!range) return copy(x);
  const [low, high] = range;
  const inside = mul(sub(mul(sub(x, low), 2 / (high - low)), 1), INSIDE);
  return mul(log(div(add(inside, 1), sub(1, inside))), 0.5);
}

function toPoint(w: Tensor, { range }: Moved): Tensor {
  if (!range) return mul(w, 1);
  const [low, high] = range;
  return add(mul(add(tanh(w), 1), (high - low) / 2), low);
}
