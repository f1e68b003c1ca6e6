import type { Captured } from '../../src/tensor/capture.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';

export const numbers = (n: number, seed: number) =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(i * seed + 1));

export const read = async (tensor: Tensor) => [...(await tensor.read())];

/** Frees at the end of a test what it captured. */
export async function using<R>(
  step: Captured<readonly Tensor[], unknown>,
  body: () => Promise<R>,
): Promise<R> {
  try {
    return await body();
  } finally {
    step.dispose();
  }
}
