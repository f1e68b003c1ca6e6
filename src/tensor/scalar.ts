/**
 * A number that is looked up when a kernel is launched, and again at every replay of a captured step: a learning rate, a
 * seed. Any object with a `value` will do.
 */
export interface Scalar {
  readonly value: number;
}

/** A number now. */
export function numberOf(scalar: number | Scalar): number {
  return typeof scalar === 'number' ? scalar : scalar.value;
}

/** `f` of numbers; where one of them is a scalar the result is a scalar that follows it. */
export function mapScalars(
  f: (...values: number[]) => number,
  ...scalars: readonly (number | Scalar)[]
): number | Scalar {
  const now = () => f(...scalars.map(numberOf));
  if (scalars.every((scalar) => typeof scalar === 'number')) return now();
  return {
    get value() {
      return now();
    },
  };
}
