import type { Tensor } from '../tensor/tensor.ts';
import type { AttackBudgets, Problem } from './problem.ts';
import type { StepSeed } from './stepper.ts';
import type { Track } from './track.ts';

/**
 * A recipe: what an attack begins with, and how it goes on. Its functions launch kernels and read nothing back, so they run
 * eagerly, captured, and inside a captured step. Made by `iterativeAttack` and the other makers.
 */
export interface Attack<S extends Track = Track> {
  readonly name: string;
  readonly budgets: AttackBudgets;
  readonly steps: number;
  /** How often it runs on what is still robust: restarts × targets, of which there are no more than other classes. */
  readonly runs: number | ((problem: Problem) => number);
  /** It looks for the smallest change: with ε = Infinity every run sees every sample. */
  readonly smallest?: boolean | undefined;
  /** Goes on where no gradient flows through the model, as an audit wants it; else that is an `AttackError`. */
  readonly blind?: boolean | undefined;
  /** ε = Infinity is no bound; else it is the whole range, and an error where that has no ends. */
  readonly unbounded?: boolean | undefined;
  /** After so many steps samples with success may be taken out of the batch; never within a run when left out. */
  readonly phase?: number | undefined;
  /** Throws `ShapeError` for a problem that it cannot work on. */
  check?(problem: Problem): void;
  /** `sizes`: of the smallest changes that earlier runs found, [n]; `NEVER` where they found none. */
  start(problem: Problem, run: number, seed: StepSeed, sizes?: Tensor): S;
  step(state: S, problem: Problem, seed: StepSeed): S;
  /** What is done once the last step is taken, such as to look at the last points. */
  finish?(state: S, problem: Problem, seed: StepSeed): S;
  /** What is done after so many steps beside them; nothing where it gives nothing. */
  between?(steps: number): Interlude<S> | undefined;
  /** How many times as large as the budgets the balls are at a step, counted from 1: points found there are no success yet. 1 when left out. */
  widening?(step: number): number;
}

/** After how many steps most attacks let samples with success leave. */
export const PHASE = 20;

/** What is done between steps. Kinds are captured apart. */
export interface Interlude<S extends Track> {
  readonly kind: string;
  step(state: S, problem: Problem, seed: StepSeed): S;
}
