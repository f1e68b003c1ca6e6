import {
  abs,
  add,
  cast,
  clamp,
  div,
  greater,
  less,
  maximum,
  mul,
  sub,
  where,
} from '../kernels/elementwise.ts';
import { sum } from '../kernels/reduce.ts';
import { sparseSign } from '../kernels/row-solve.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { rowsOf } from './norms.ts';
import { asNumber, type Problem } from './problem.ts';
import { choose, type Track } from './track.ts';

/** The state of APGD; numbers are [n]. */
export interface ApgdState extends Track {
  readonly old: readonly Tensor[];
  /** Gradients at `points`. */
  readonly grads: readonly Tensor[];
  /** The class that the loss aims at; undefined where it aims at none. */
  readonly target: Tensor | undefined;
  readonly best: readonly Tensor[];
  readonly bestGrads: readonly Tensor[];
  readonly bestLoss: Tensor;
  /** Step size in units of ε. */
  readonly eta: Tensor;
  /** a of the momentum: 1 at the first step, then .75. */
  readonly blend: Tensor;
  /** Steps since the last checkpoint, and how many of them raised the loss. */
  readonly since: Tensor;
  readonly rises: Tensor;
  /** Best loss at the last checkpoint, and whether the step size was halved there (u32). */
  readonly lastBest: Tensor;
  readonly reduced: Tensor;
  /** ℓ1: share of the elements that a step moves, and how many the best point had moved at the last checkpoint. */
  readonly share: Tensor;
  readonly support: Tensor;
}

/** Constants of ℓ1: first share of elements, first step size, its smallest share of that, and what divides it. */
export const SPARSE = { share: 0.2, step: 1, least: 0.1, shrink: 1.5 } as const;

/** Steps with balls that are `widening` times as large as the budgets. */
export interface Stage {
  readonly widening: number;
  /** The first step, counted from 1, and the last. */
  readonly first: number;
  readonly last: number;
}

/** 3ε and 2ε for three tenths of the steps each, then ε (Croce & Hein 2021, section 4.3). */
export function shrinkingStages(steps: number): Stage[] {
  const share = Math.floor(0.3 * steps);
  const stages = [
    { widening: 3, first: 1, last: share },
    { widening: 2, first: share + 1, last: 2 * share },
    { widening: 1, first: 2 * share + 1, last: steps },
  ];
  return stages.filter(({ first, last }) => last >= first || last === steps);
}

/** ℓ1: the signs of the largest elements of the gradient, `share` of them, over their number. */
export function sparseDirection({ grads, share }: ApgdState, i: number): Tensor {
  const grad = grads[i] as Tensor;
  // Rounded down, so that a support of 2 leads to 1; a tenth more, as a product that should be whole may be a little less.
  const counts = cast(cast(add(mul(share, grad.size / share.size), 0.1), 'i32'), 'f32');
  return sparseSign(grad, maximum(counts, 1));
}

/**
 * ℓ1: as many elements as the best point has moved, over 1.5, take part from now on. Where it has become sparser by 5 % the
 * step size starts anew from the best point; elsewhere it shrinks (Croce & Hein 2021, section 4.2).
 */
export function sparseCheck(state: ApgdState, problem: Problem): ApgdState {
  const { support, share } = fromSupport(state, problem);
  const sparser = less(support, mul(state.support, 0.95));
  const shrunk = clamp(div(state.eta, SPARSE.shrink), SPARSE.step * SPARSE.least, SPARSE.step);
  return {
    ...state,
    eta: where(sparser, SPARSE.step, shrunk),
    points: choose(sparser, state.best, state.points),
    grads: choose(sparser, state.bestGrads, state.grads),
    ...{ share, support },
  };
}

/** With as many elements taking part as the best point has moved, over 1.5. */
export function fromSupport(state: ApgdState, { origins }: Problem): ApgdState {
  const elements = origins.reduce((all, { size }) => all + size / state.eta.size, 0);
  const moved = state.best.map((point, i) =>
    sum(asNumber(greater(abs(rowsOf(sub(point, origins[i] as Tensor))), 0)), { axes: 1 }),
  );
  const support = moved.reduce((a, b) => add(a, b));
  return { ...state, share: div(support, elements * SPARSE.shrink), support };
}
