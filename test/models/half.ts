import { expect } from 'vitest';
import type { ActionInputs } from '../../src/amr/action-network.ts';
import { grad } from '../../src/autograd/grad.ts';
import { DeviceError } from '../../src/errors.ts';
import { cast } from '../../src/kernels/elementwise.ts';
import { EVALUATION, type Mode } from '../../src/nn/module.ts';
import type { FloatType } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { values } from '../nn/tools.ts';

/** A network, what it is given, and a scalar of what it gives. */
export interface HalfCase {
  readonly parameters: readonly Tensor[];
  readonly inputs: ActionInputs;
  forward(inputs: ActionInputs, mode: Mode): { readonly logits: Tensor; readonly loss: Tensor };
}

const TRAINING: Mode = { training: true, seed: 1 };

async function numbersOf(tensors: readonly Tensor[]): Promise<number[]> {
  return (await Promise.all(tensors.map(values))).flat();
}

/** The inputs as another type, by name and as a list. */
function given(inputs: ActionInputs, dtype: FloatType) {
  const entries = Object.entries(inputs).map(([modality, x]) => [modality, cast(x, dtype)] as const);
  return { inputs: Object.fromEntries(entries), xs: entries.map(([, x]) => x) };
}

/** Logits, and gradients by the inputs and by the weights, in evaluation; all of the weights is f32. */
async function evaluated({ forward, parameters, ...half }: HalfCase, dtype: FloatType) {
  const { inputs, xs } = given(half.inputs, dtype);
  const { logits } = forward(inputs, EVALUATION);
  const grads = grad(() => forward(inputs, EVALUATION).loss, [...xs, ...parameters]);
  const [slopes, weights] = [grads.slice(0, xs.length), grads.slice(xs.length)];
  expect(slopes.filter((slope) => slope.dtype !== dtype)).toEqual([]);
  expect([logits, ...weights].filter((tensor) => tensor.dtype !== 'f32')).toEqual([]);
  return {
    logits: await values(logits),
    slopes: await numbersOf(slopes),
    weights: await numbersOf(weights),
  };
}

/** In training, gradients by the weights are f32 numbers, and not all of them 0. */
async function trains({ forward, parameters, ...half }: HalfCase): Promise<void> {
  const { inputs } = given(half.inputs, 'f16');
  const weights = grad(() => forward(inputs, TRAINING).loss, parameters);
  expect(weights.filter(({ dtype }) => dtype !== 'f32')).toEqual([]);
  const found = await numbersOf(weights);
  expect(found.every(Number.isFinite)).toBe(true);
  expect(found.some((value) => value !== 0)).toBe(true);
}

/** ‖a − b‖ / ‖b‖: NaN unless all are numbers. */
function relativeError(a: readonly number[], b: readonly number[]): number {
  expect(a.length).toBe(b.length);
  const squares = (of: (i: number) => number) => a.reduce((all, _, i) => all + of(i) ** 2, 0);
  return Math.sqrt(squares((i) => (a[i] as number) - (b[i] as number)) / squares((i) => b[i] as number));
}

/**
 * What f16 inputs change, relative to f32: of logits less than 0.5 %, of gradients less than `tolerance`. A ReLU that rounding flips
 * changes a gradient by all that came through it. A `DeviceError` where there is no f16.
 */
export async function holdsInHalf(half: HalfCase, tolerance = 0.3): Promise<void> {
  const [{ device }] = half.parameters as [Tensor];
  if (!device.traits.f16) return expect(evaluated(half, 'f16')).rejects.toThrow(DeviceError);
  const [narrow, wide] = [await evaluated(half, 'f16'), await evaluated(half, 'f32')];
  await trains(half);
  expect(relativeError(narrow.logits, wide.logits)).toBeLessThan(5e-3);
  expect(relativeError(narrow.slopes, wide.slopes)).toBeLessThan(tolerance);
  expect(relativeError(narrow.weights, wide.weights)).toBeLessThan(tolerance);
}
