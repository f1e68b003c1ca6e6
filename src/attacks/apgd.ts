import { check } from '../errors.ts';
import { add, greater, lessEqual, maximum, mul, sign, sub, where } from '../kernels/elementwise.ts';
import { full, ones, zeros } from '../kernels/fill.ts';
import { randomNormal } from '../kernels/random.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  type ApgdState,
  fromSupport,
  SPARSE,
  type Stage,
  shrinkingStages,
  sparseCheck,
  sparseDirection,
} from './apgd-l1.ts';
import type { Attack, Interlude } from './attack.ts';
import { sphereStart } from './iterative.ts';
import { type AttackObjective, checkClasses, crossEntropyObjective } from './losses.ts';
import { normalized, perSample, project } from './norms.ts';
import {
  type AttackBudgets,
  asNumber,
  checkCount,
  checkOption,
  type Moved,
  type Problem,
  sameNorm,
} from './problem.ts';
import { checkRecipe } from './recipe.ts';
import type { StepSeed } from './stepper.ts';
import { checkTargets, runsOver, targetOf } from './targets.ts';
import { begin, choose, climb, draw, observe, type Track } from './track.ts';

export interface ApgdOptions {
  readonly budgets: AttackBudgets;
  /** Cross-entropy when left out; `dlrObjective` is the other one of the paper. */
  readonly loss?: AttackObjective;
  /** 100 when left out. */
  readonly steps?: number;
  /** Runs from other random points, on what is still robust; 1 when left out. */
  readonly restarts?: number;
  /** Runs with the loss of so many targets each, the likeliest other classes first; untargeted when left out. */
  readonly targets?: number;
  /** Share of steps that must raise the loss for the step size to stay: 0.75. */
  readonly rho?: number;
  /** Begins in balls of 3ε, then 2ε, for three tenths of the steps each, and goes on from the best point: in AutoAttack for ℓ1. */
  readonly largerFirst?: boolean;
}

const NAMES = ['budgets', 'loss', 'steps', 'restarts', 'targets', 'rho', 'largerFirst'] as const;

/**
 * APGD (Croce & Hein 2020, algorithm 1): PGD with momentum, from a random point of the sphere, whose step size, 2ε at first, halves
 * at checkpoints where too few steps raised the loss, which then goes on from the best point. ℓ1: Croce & Hein 2021,
 * algorithm 1. Every modality has its own ball; the step size, in units of ε, is one for all.
 */
export function apgdAttack(options: ApgdOptions): Attack {
  checkRecipe('APGD', options, NAMES);
  const {
    budgets,
    loss = crossEntropyObjective,
    steps = 100,
    restarts = 1,
    targets = 0,
    rho = 0.75,
  } = options;
  const name = `APGD${targets > 0 ? '-T' : ''} (${loss.name})`;
  checkOption(name, 'rho', rho, 0, 1);
  checkCount(name, 'steps', steps);
  checkCount(name, 'restarts', restarts, 1);
  checkCount(name, 'targets', targets);
  const l1 = sameNorm(budgets) === 'l1';
  const stages = options.largerFirst ? shrinkingStages(steps) : [{ widening: 1, first: 1, last: steps }];
  const recipe: Attack<ApgdState> = {
    ...{ name, budgets, steps, phase: 25 },
    runs: runsOver(targets, restarts),
    check(problem) {
      checkNorms(name, problem);
      if (targets > 0) checkTargets(problem, name);
      checkClasses(name, loss, problem, targets > 0 || problem.targets !== undefined);
    },
    start(problem, run, seed) {
      const target = targets > 0 ? targetOf(problem, Math.floor(run / restarts), seed) : undefined;
      const track = begin(problem, startOf(problem, seed));
      const begun = startAt(problem, aimed({ target }, problem), track, loss, seed);
      return options.largerFirst ? fromSupport(begun, problem) : begun;
    },
    step(state, problem, seed) {
      const next = l1 ? sparseMove(state, problem) : move(state, problem);
      return arrive(state, problem, next, climb(aimed(state, problem), next, loss, seed));
    },
    between: interludes(stages, l1, rho, loss),
    widening: (step) => stages.find(({ last }) => step <= last)?.widening ?? 1,
    // The strongest point is the answer where none fools the model.
    finish: (state) => ({ ...state, points: state.best }),
  };
  return recipe;
}

/** The problem with the class that this run aims at. */
function aimed({ target }: Pick<ApgdState, 'target'>, problem: Problem): Problem {
  return target ? { ...problem, targets: target } : problem;
}

/** The state at the next points, where this was found. */
function arrive(
  state: ApgdState,
  problem: Problem,
  next: readonly Tensor[],
  found: ReturnType<typeof climb>,
): ApgdState {
  const better = greater(found.losses, state.bestLoss);
  const rises = add(state.rises, asNumber(greater(found.losses, state.losses)));
  return {
    ...observe(state, problem, next, found),
    ...{ points: next, old: state.points, grads: found.grads, rises, since: add(state.since, 1) },
    best: choose(better, next, state.best),
    bestGrads: choose(better, found.grads, state.bestGrads),
    bestLoss: where(better, found.losses, state.bestLoss),
    blend: full(better.device, better.shape, 0.75),
  };
}

/** What is done between steps: a look at the step size at checkpoints, and after a stage the begin of the next. */
function interludes(stages: readonly Stage[], l1: boolean, rho: number, loss: AttackObjective) {
  const checkpoint: Interlude<ApgdState> = {
    kind: 'checkpoint',
    step: (state, problem) => (l1 ? sparseCheck(state, problem) : halve(state, rho)),
  };
  const stage: Interlude<ApgdState> = {
    kind: 'stage',
    step(state, problem, seed) {
      const { origins, moved } = problem;
      const points = state.best.map((x, i) => project(x, origins[i] as Tensor, moved[i] as Moved));
      return fromSupport(startAt(problem, aimed(state, problem), { ...state, points }, loss, seed), problem);
    },
  };
  const ends = stages.slice(0, -1).map(({ last }) => last);
  const looks = stages.flatMap(({ first, last }) => {
    const within = (l1 ? sparseCheckpoints : checkpoints)(last - first + 1);
    return within.map((at) => first - 1 + at);
  });
  return (done: number) => {
    if (ends.includes(done)) return stage;
    return looks.includes(done) ? checkpoint : undefined;
  };
}

function checkNorms(op: string, { moved }: Problem): void {
  const mixed = sameNorm(moved) === undefined && moved.some(({ norm }) => norm === 'l1');
  check(!mixed, op, () => 'it moves all modalities in l1 or none: its step size follows other rules there');
}

/** After which steps the step size is looked at: ⌊.22 n⌋, then each gap shorter by ⌊.03 n⌋, down to ⌊.06 n⌋. */
export function checkpoints(steps: number): number[] {
  const share = (part: number) => Math.max(Math.floor(part * steps), 1);
  const found: number[] = [];
  let gap = share(0.22);
  for (let at = gap; at <= steps; at += gap) {
    found.push(at);
    gap = Math.max(gap - share(0.03), share(0.06));
  }
  return found;
}

/** ℓ1: after every ⌊.04 n⌋ steps. */
function sparseCheckpoints(steps: number): number[] {
  const gap = Math.max(Math.floor(0.04 * steps), 1);
  return Array.from({ length: Math.floor(steps / gap) }, (_, i) => (i + 1) * gap);
}

/** What a run, or a stage of it, begins with at the points of a track. */
function startAt(
  problem: Problem,
  aimed: Problem,
  track: Track,
  loss: AttackObjective,
  seed: StepSeed,
): ApgdState {
  const { device, size: n } = problem.labels;
  const { points } = track;
  const found = climb(aimed, points, loss, seed);
  const elements = problem.origins.reduce((sum, { size }) => sum + size / n, 0);
  const constant = (value: number) => full(device, [n], value);
  return {
    ...observe(track, problem, points, found),
    ...{
      old: points,
      grads: found.grads,
      target: aimed.targets === problem.targets ? undefined : aimed.targets,
    },
    ...{ best: points, bestGrads: found.grads, bestLoss: found.losses, lastBest: found.losses },
    eta: constant(sameNorm(problem.moved) === 'l1' ? SPARSE.step : 2),
    ...{ blend: ones(device, [n]), rises: zeros(device, [n]), since: zeros(device, [n]) },
    reduced: ones(device, [n], 'u32'),
    share: constant(SPARSE.share),
    support: constant(elements),
  };
}

/** `z = P(x + η s(∇))`, `x' = P(x + a (z − x) + (1 − a)(x − x_old))`, with η = eta · ε. */
function move(state: ApgdState, { moved, origins }: Problem): Tensor[] {
  return moved.map((budget, i) => {
    const [x, origin] = [state.points[i] as Tensor, origins[i] as Tensor];
    const grad = state.grads[i] as Tensor;
    const direction = budget.norm === 'l2' ? normalized(grad, 'l2') : sign(grad);
    const z = project(add(x, mul(direction, perSample(mul(state.eta, budget.epsilon), x))), origin, budget);
    const a = perSample(state.blend, x);
    const onward = add(mul(sub(z, x), a), mul(sub(x, state.old[i] as Tensor), sub(1, a)));
    return project(add(x, onward), origin, budget);
  });
}

/** ℓ1: no momentum, and a direction of few elements. */
function sparseMove(state: ApgdState, problem: Problem): Tensor[] {
  return problem.moved.map((budget, i) => {
    const [x, origin] = [state.points[i] as Tensor, problem.origins[i] as Tensor];
    const direction = sparseDirection(state, i);
    const size = perSample(mul(state.eta, budget.epsilon), x);
    return project(add(x, mul(direction, size)), origin, budget);
  });
}

/** Conditions 1 and 2 of section 3.2: too few rises, or neither step size nor best loss changed since the last checkpoint. */
function halve(state: ApgdState, rho: number): ApgdState {
  const few = lessEqual(state.rises, mul(state.since, rho));
  const stuck = mul(sub(1, asNumber(state.reduced)), asNumber(lessEqual(state.bestLoss, state.lastBest)));
  const reduced = maximum(few, greater(stuck, 0));
  return {
    ...state,
    eta: where(reduced, mul(state.eta, 0.5), state.eta),
    points: choose(reduced, state.best, state.points),
    grads: choose(reduced, state.bestGrads, state.grads),
    ...{ reduced, lastBest: state.bestLoss, rises: mul(state.rises, 0), since: mul(state.since, 0) },
  };
}

/** A random point of the sphere; ℓ1: the projection of normal noise, which moves few elements. */
function startOf(problem: Problem, seed: StepSeed): readonly Tensor[] {
  if (sameNorm(problem.moved) !== 'l1') return sphereStart(problem, seed);
  return problem.origins.map((x, i) => {
    const noise = draw(problem, x.shape, (shape) => randomNormal(x.device, shape, { seed, stream: i }));
    return project(add(x, noise), x, problem.moved[i] as Moved);
  });
}
