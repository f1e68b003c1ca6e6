import { ShapeError } from '../errors.ts';
import { mapScalars, type Scalar } from '../tensor/scalar.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Attack, Interlude } from './attack.ts';
import { elementsOf, finiteBudget } from './norms.ts';
import { type Problem, type ProblemTensors, tensorsOf } from './problem.ts';
import type { Stepper, StepSeed } from './stepper.ts';
import type { Taken, Track } from './track.ts';
import { copy, mapTensors } from './tree.ts';

/** Which steps of which run, and where what is seen goes. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly seed: StepSeed;
  /** Gets the losses [n] after each step; they hold until it returns. */
  readonly onLosses?: ((losses: Tensor) => void) | undefined;
}

/** The seed of a step; 0 is the start. A run has 2²⁰ of them for each of 128 draws. */
export function stepSeed(run: StepSeed, step: number): StepSeed {
  return mapScalars((base) => base * 2 ** 27 + step, run);
}

/** The seed of a run: integers in, an integer below 2²⁶ out; a scalar follows its seed. */
export function runSeed(seed: number | Scalar, run: number): StepSeed {
  return mapScalars((value) => (value * 40503 + run * 7919) % 2 ** 26, seed);
}

/** The problem with budgets as the attack takes them. Throws `ShapeError` where it cannot work on it. */
export function fitted<S extends Track>(attack: Attack<S>, problem: Problem): Taken {
  const { name: op, smallest, unbounded, blind, check } = attack;
  const moved = problem.moved.map((budget, i) => {
    const elements = elementsOf(problem.origins[i] as Tensor);
    return smallest || unbounded ? budget : finiteBudget(op, budget, elements, `${budget.name}: `);
  });
  check?.({ ...problem, moved });
  if (Object.keys(attack.budgets).length === 0)
    throw new ShapeError(
      op,
      `needs a budget for at least one of ${Object.keys(problem.model.inputs).join(', ')}`,
    );
  return { ...problem, moved, attack: { name: op, blind } };
}

/** The problem at a step: with larger balls where the attack has them. */
export function widened<S extends Track>(attack: Attack<S>, problem: Problem, step: number): Problem {
  const widening = attack.widening?.(step) ?? 1;
  if (widening === 1) return problem;
  const moved = problem.moved.map((budget) => ({ ...budget, epsilon: widening * budget.epsilon }));
  return { ...problem, moved, widening };
}

/** The one loop of all attacks: steps, and what is done between them. Nothing is read. */
export function runSteps<S extends Track>(
  attack: Attack<S>,
  problem: Problem,
  state: S,
  stepper: Stepper,
  { from, to, seed, onLosses }: Stretch,
): S {
  const fixed = tensorsOf(problem);
  const steps: Interlude<S> = { kind: 'step', step: (s, p, drawn) => attack.step(s, p, drawn) };
  const take = ({ kind, step }: Interlude<S>, now: S, done: number, at: number) => {
    const here = widened(attack, problem, at);
    const on = (s: S, tensors: ProblemTensors, drawn: StepSeed) => step(s, { ...here, ...tensors }, drawn);
    const variant = `${problem.total} ${problem.classes} ${here.widening}`;
    return stepper.advance(on, now, fixed, stepSeed(seed, done), {
      kind: `${attack.name} ${kind}`,
      variant,
      owners: [attack, problem.model],
    });
  };
  let now = state;
  for (let done = from + 1; done <= to; done++) {
    now = take(steps, now, done, done);
    onLosses?.(now.losses);
    const interlude = attack.between?.(done);
    // It prepares the step that follows.
    if (interlude) now = take(interlude, now, done, Math.min(done + 1, attack.steps));
  }
  return now;
}

/** A whole run without reading anything: usable inside a captured step. Its state lasts. */
export function runAttack<S extends Track>(
  attack: Attack<S>,
  problem: Problem,
  stepper: Stepper,
  { run = 0, seed = 0 }: { readonly run?: number; readonly seed?: number | Scalar } = {},
): S {
  const own = runSeed(seed, run);
  return problem.labels.device.scope(() => {
    const fit = fitted(attack, problem);
    const start = attack.start(widened(attack, fit, 1), run, stepSeed(own, 0));
    const last = runSteps(attack, fit, start, stepper, { from: 0, to: attack.steps, seed: own });
    return finishRun(attack, fit, last, own);
  });
}

/** The last look of a run, with memory of its own. */
export function finishRun<S extends Track>(attack: Attack<S>, problem: Problem, state: S, seed: StepSeed): S {
  const done = attack.finish?.(state, problem, stepSeed(seed, attack.steps + 1)) ?? state;
  // The state of a captured step is overwritten by its next run.
  return mapTensors(done, copy);
}
