import { ShapeError } from '../errors.ts';
import { mul } from '../kernels/elementwise.ts';
import { concat, reshape, slice } from '../kernels/layout.ts';
import { type Room, roomOf } from '../kernels/row-solve.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { lengths, type Norm, rowsOf } from './norms.ts';
import { type Problem, sameNorm } from './problem.ts';
import { NEVER } from './track.ts';

// Attacks that look for the smallest change see all modalities as one vector. Where there are several, each is measured in
// units of its ε, so that a change of size 1 lies within all budgets.

/** What one unit of the joint vector is in the units of a modality. */
export function unitOf({ moved }: Pick<Problem, 'moved'>, i: number): number {
  const { epsilon = 1 } = moved[i] ?? {};
  return moved.length > 1 && epsilon < Number.POSITIVE_INFINITY ? epsilon : 1;
}

/** The largest size that counts as success: ε, or 1 in units of ε; no limit where ε is infinite. */
export function limitOf({ moved }: Pick<Problem, 'moved'>): number {
  if (moved.some(({ epsilon }) => epsilon === Number.POSITIVE_INFINITY)) return NEVER;
  return moved.length > 1 ? 1 : (moved[0]?.epsilon ?? 0);
}

/** Changes of the modalities as one vector: [n, …] each → [n, elements]. */
export function toJoint(problem: Problem, changes: readonly Tensor[]): Tensor {
  return joined(changes.map((change, i) => scaled(rowsOf(change), 1 / unitOf(problem, i))));
}

/** Gradients in the modalities as that in the joint vector. */
export function toJointGradient(problem: Problem, grads: readonly Tensor[]): Tensor {
  return joined(grads.map((grad, i) => scaled(rowsOf(grad), unitOf(problem, i))));
}

/** A joint vector as changes of the modalities. */
export function fromJoint(problem: Problem, vector: Tensor): Tensor[] {
  const n = vector.shape[0] ?? 0;
  let at = 0;
  return problem.origins.map((x, i) => {
    const width = x.size / n;
    const part = problem.origins.length === 1 ? vector : slice(vector, { begin: [0, at], size: [n, width] });
    at += width;
    return reshape(scaled(part, unitOf(problem, i)), x.shape);
  });
}

/** How far the joint vector may move from `points`, within the ranges. */
export function jointRoom(problem: Problem, points: readonly Tensor[]): Room {
  const rooms = points.map((point, i) => roomOf(point, problem.moved[i]?.range));
  return {
    low: toJoint(
      problem,
      rooms.map(({ low }) => low),
    ),
    high: toJoint(
      problem,
      rooms.map(({ high }) => high),
    ),
  };
}

/** The size of the change from the clean inputs to `points`, [n]. */
export function jointSize(problem: Problem, changes: readonly Tensor[], norm: Norm): Tensor {
  return lengths(toJoint(problem, changes), norm);
}

/** The norm that all modalities share. Throws `ShapeError` where they differ, or `name` does not know it. */
export function jointNorm<N extends Norm>(
  name: string,
  budgets: Parameters<typeof sameNorm>[0],
  known: readonly N[],
): N {
  const norm = sameNorm(budgets);
  const found = known.find((one) => one === norm);
  if (found === undefined)
    throw new ShapeError(
      name,
      `needs one norm for all modalities, of ${known.join(', ')}; got ${norm ?? (Object.keys(budgets).length === 0 ? 'no budget' : 'several')}`,
    );
  return found;
}

function scaled(x: Tensor, factor: number): Tensor {
  return factor === 1 ? x : mul(x, factor);
}

function joined(rows: readonly Tensor[]): Tensor {
  return rows.length === 1 ? (rows[0] as Tensor) : concat(rows, { axis: 1 });
}
