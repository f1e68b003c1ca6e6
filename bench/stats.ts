/** What a series of measurements comes to, in the unit they are in. */
export interface Timing {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Throws `RangeError` without values. */
export function timingOf(values: readonly number[]): Timing {
  if (values.length === 0) throw new RangeError('timingOf: needs at least one value');
  const sorted = [...values].sort((a, b) => a - b);
  const at = (i: number) => sorted[i] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  const median = (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2;
  return { median, min: at(0), max: at(sorted.length - 1) };
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
