import type { InputSpec, Role } from './workload.ts';

type Shape = readonly number[];

function normal(shape: Shape, scale: number, role: Role, constant: boolean): InputSpec {
  return { shape, fill: 'normal', scale, role, constant };
}

/** N(0, scale²), fed at every run. */
export function input(shape: Shape, scale = 1): InputSpec {
  return normal(shape, scale, 'plain', false);
}

/** [N, …, C]. */
export function image(shape: Shape): InputSpec {
  return normal(shape, 1, 'image', false);
}

/** A weight. */
export function constant(shape: Shape, scale = 0.5): InputSpec {
  return normal(shape, scale, 'plain', true);
}

/** The weight [K…, C, O] of a convolution, scaled to keep the variance through ReLU. */
export function kernel(shape: Shape): InputSpec {
  const fanIn = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  return normal(shape, Math.sqrt(2 / fanIn), 'kernel', true);
}

/** Uniform in [0, 1). */
export function positive(shape: Shape, constant = false): InputSpec {
  return { shape, fill: 'uniform', scale: 1, role: 'plain', constant };
}

/** Integers below `classes`. */
export function labels(shape: Shape, classes: number): InputSpec {
  return { shape, fill: 'labels', scale: classes, role: 'plain', constant: false };
}

/** A weight of equal elements. */
export function equal(shape: Shape, value: number): InputSpec {
  return { shape, fill: 'equal', scale: value, role: 'plain', constant: true };
}
