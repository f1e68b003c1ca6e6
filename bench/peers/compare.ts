import type { Samples } from './protocol.ts';
import type { Named } from './workload.ts';

const ENDS = 1000;

/** The first and last thousand elements of each result, and a thousand spread over it. */
export function sample(results: Named<Float32Array>): Samples {
  return Object.fromEntries(Object.entries(results).map(([name, values]) => [name, pick(values)]));
}

function pick(values: Float32Array): number[] {
  if (values.length <= 3 * ENDS) return [...values];
  const stride = Math.floor(values.length / ENDS);
  const spread = Array.from({ length: ENDS }, (_, i) => values[i * stride]!);
  return [...values.subarray(0, ENDS), ...values.subarray(-ENDS), ...spread];
}

/**
 * The largest `|a − b| / (|b| + rms(b))` over all results: relative, with elements near zero measured against the
 * others of their result. Infinity where a result is missing, of another size, or not finite.
 */
export function relativeError(found: Samples, expected: Samples): number {
  const errors = Object.entries(expected).map(([name, b]) => errorOf(found[name] ?? [], b));
  return Math.max(...errors);
}

function errorOf(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  const rms = Math.sqrt(b.reduce((sum, x) => sum + x * x, 0) / b.length);
  const errors = b.map((x, i) => Math.abs(a[i]! - x) / (Math.abs(x) + rms || 1));
  return Math.max(...errors.map((error) => (Number.isFinite(error) ? error : Number.POSITIVE_INFINITY)));
}
