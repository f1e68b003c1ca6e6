import { expect } from 'vitest';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { random } from '../ops/nd.ts';

/** Deterministic numbers in [−1, 1), exact in f32. */
export function numbers(size: number, seed: number): Float32Array<ArrayBuffer> {
  const next = random(seed);
  return Float32Array.from({ length: size }, () => next() * 2 - 1);
}

/** The elements as plain numbers. */
export async function values(tensor: Tensor): Promise<number[]> {
  return [...(await tensor.read())];
}

/** Every element within `tolerance` of its expected value. */
export async function expectClose(
  tensor: Tensor,
  expected: ArrayLike<number>,
  tolerance = 1e-5,
): Promise<void> {
  const got = await tensor.read();
  expect(got.length).toBe(expected.length);
  const errors = Array.from(expected, (value, i) => Math.abs(value - (got[i] ?? Number.NaN)));
  expect(Math.max(...errors)).toBeLessThan(tolerance);
}

/** The elements as 32-bit words, which tell −0 from 0 and one NaN from another. */
export async function bits(tensor: Tensor): Promise<number[]> {
  return [...new Uint32Array((await tensor.read()).buffer)];
}

/** The bits of several tensors, by name. */
export async function allBits(tensors: ReadonlyMap<string, Tensor>): Promise<Record<string, number[]>> {
  const found: Record<string, number[]> = {};
  for (const [name, tensor] of tensors) found[name] = await bits(tensor);
  return found;
}
