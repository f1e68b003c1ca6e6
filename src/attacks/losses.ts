import { ShapeError } from '../errors.ts';
import { add, div, equal, mul, neg, sub, where } from '../kernels/elementwise.ts';
import { oneHot } from '../kernels/layout.ts';
import { crossEntropy } from '../kernels/loss.ts';
import { argmax, max, sum } from '../kernels/reduce.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** What a loss may look at: one evaluation of the model. */
export interface Evaluated {
  /** [n, classes] */
  readonly logits: Tensor;
  /** The true classes, i32 [n]. */
  readonly labels: Tensor;
  /** The classes to reach, i32 [n]; undefined in an untargeted attack. */
  readonly targets?: Tensor | undefined;
  /** The attacked inputs where the model was evaluated, and where they started. */
  readonly points: readonly Tensor[];
  readonly origins: readonly Tensor[];
}

/** What an attack maximises: a number for each sample, [n]. */
export interface AttackObjective {
  readonly name: string;
  /** Fewest classes it is defined for. */
  readonly classes: number;
  readonly loss: (evaluated: Evaluated) => Tensor;
}

/** Logits of the given classes: [n, classes] by i32 [n] → [n]; its gradient goes to those classes alone. */
export function pick(logits: Tensor, classes: Tensor): Tensor {
  return sum(mul(logits, oneHot(classes, logits.shape[1] ?? 0)), { axes: 1 });
}

const LOWEST = -3e38;

/** The logits without those of the given classes, which are below all others. Shape of `logits`. */
export function without(logits: Tensor, classes: Tensor): Tensor {
  return where(equal(oneHot(classes, logits.shape[1] ?? 0), 1), LOWEST, logits);
}

/** The classes with the `count` largest logits, best first: [n, classes] → i32 [n] each. No gradient. */
export function ranked(logits: Tensor, count: number): Tensor[] {
  const found: Tensor[] = [];
  let left = logits;
  for (let i = 0; i < count; i++) {
    const best = argmax(left, { axes: 1 });
    found.push(best);
    left = without(left, best);
  }
  return found;
}

/** `max_{i≠k} z_i − z_k`: above 0 where the model does not choose class k. [n, classes] by i32 [n] → [n]. */
export function marginOver(logits: Tensor, classes: Tensor): Tensor {
  return sub(max(without(logits, classes), { axes: 1 }), pick(logits, classes));
}

/** Cross-entropy with the true class, or minus that with the target. */
export const crossEntropyObjective: AttackObjective = {
  name: 'cross-entropy',
  classes: 1,
  loss: ({ logits, labels, targets }) =>
    targets
      ? neg(crossEntropy(logits, targets, { reduction: 'none' }))
      : crossEntropy(logits, labels, { reduction: 'none' }),
};

/** `max_{i≠y} z_i − z_y`, or `z_t − max_{i≠t} z_i` with a target (Carlini & Wagner 2017, section IV; f₆). */
export const marginObjective: AttackObjective = {
  name: 'margin',
  classes: 2,
  loss: ({ logits, labels, targets }) =>
    targets ? neg(marginOver(logits, targets)) : marginOver(logits, labels),
};

/**
 * Difference of logits ratio `−(z_y − max_{i≠y} z_i) / (z₍₁₎ − z₍₃₎)`, with a target
 * `−(z_y − z_t) / (z₍₁₎ − (z₍₃₎ + z₍₄₎)/2)` (Croce & Hein 2020, equations 6 and 7). Needs 3 classes, with a target 4.
 */
export const dlrObjective: AttackObjective = {
  name: 'DLR',
  classes: 3,
  loss: ({ logits, labels, targets }) => {
    const order = ranked(logits, targets ? 4 : 3).map((rank) => pick(logits, rank));
    const [first, , third, fourth] = order as [Tensor, Tensor, Tensor, Tensor];
    if (!targets) return div(marginOver(logits, labels), add(sub(first, third), 1e-12));
    const scale = sub(first, mul(add(third, fourth), 0.5));
    return div(sub(pick(logits, targets), pick(logits, labels)), add(scale, 1e-12));
  },
};

/** Throws `ShapeError` where an objective is not defined for so few classes. */
export function checkClasses(
  op: string,
  objective: AttackObjective,
  { classes, targets }: { readonly classes: number; readonly targets?: Tensor | undefined },
  targeted = targets !== undefined,
): void {
  const needed = objective === dlrObjective && targeted ? 4 : objective.classes;
  if (classes >= needed) return;
  const hint = objective === dlrObjective ? '; take crossEntropyObjective or marginObjective' : '';
  throw new ShapeError(
    op,
    `${targeted ? 'targeted ' : ''}${objective.name} needs at least ${needed} classes; the model has ${classes}${hint}`,
  );
}
