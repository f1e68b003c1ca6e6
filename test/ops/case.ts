import { floatToHalf, halfToFloat } from '../../src/formats/half.ts';
import type { DType } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { type Nd, nd, random } from './nd.ts';

/** How an input of a case is made. */
export interface Input {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** The element at a flat position, given the next random number in [0, 1). */
  readonly value: (random: () => number, flat: number) => number;
}

/**
 * One op at one size. From this object come: forward against the float64 reference, gradients against central
 * differences of that reference, the adjoint identity, same bits twice, guard zones, every variant, and a benchmark.
 */
export interface OpCase<N extends string = string> {
  readonly name: string;
  readonly inputs: Readonly<Record<N, Input>>;
  /** The op under test. All outputs are compared. */
  op(inputs: Readonly<Record<N, Tensor>>): Tensor | readonly Tensor[];
  /** The same in float64, in plain loops. */
  reference(inputs: Readonly<Record<N, Nd>>): Nd | readonly Nd[];
  /** Largest error allowed, relative to the largest magnitude of the output (1e-5 when left out). */
  readonly tolerance?: number;
  /** Inputs to differentiate by: every f32 input when left out. */
  readonly gradients?: readonly N[];
  readonly gradientTolerance?: number;
  /** Inputs in which the op is linear when the others are fixed: ⟨A x, y⟩ = ⟨x, Aᵀ y⟩ must hold for each. */
  readonly linear?: readonly N[];
  /** Whether gradients of gradients are compared too (second central differences of the reference). */
  readonly secondOrder?: boolean;
  /**
   * `forward`: with a variant forced no gradients, as what they launch are products that other cases launch forward. `none`: no
   * variant is forced, as none has a part in what the case is there for.
   */
  readonly forced?: 'forward' | 'none';
  /** Says what is wrong with the outputs, or nothing. */
  readonly property?: (outputs: readonly Nd[], inputs: Readonly<Record<N, Nd>>) => string | undefined;
  /** Takes a software adapter seconds (more than 65,535 workgroups, say): checked in Node, not again in a browser. */
  readonly large?: true;
  /** Floating-point operations and bytes moved by one call, for the benchmark. */
  readonly flops?: number;
  readonly bytes?: number;
}

/** Fixes the input names of a case, so that `op` and `reference` are typed by them. */
export function opCase<N extends string>(definition: OpCase<N>): OpCase {
  return definition as unknown as OpCase;
}

/** Standard normal values. */
export function normal(shape: readonly number[]): Input {
  const value = (next: () => number) => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  return { shape, dtype: 'f32', value };
}

/** Uniform values in [low, high). */
export function uniform(shape: readonly number[], low: number, high: number): Input {
  return { shape, dtype: 'f32', value: (next) => low + (high - low) * next() };
}

/** Uniform integers in [low, high). */
export function integers(
  shape: readonly number[],
  low: number,
  high: number,
  dtype: 'i32' | 'u32' = 'i32',
): Input {
  return { shape, dtype, value: (next) => Math.floor(low + (high - low) * next()) };
}

/** Given values, repeated as often as the shape needs. */
export function values(shape: readonly number[], list: readonly number[], dtype: DType = 'f32'): Input {
  return { shape, dtype, value: (_, flat) => list[flat % list.length] ?? 0 };
}

/** Distinct values 1/n apart in shuffled order: no ties for max, and central differences never cross a kink. */
export function distinct(shape: readonly number[]): Input {
  const size = shape.reduce((a, b) => a * b, 1);
  const next = random(size + 77);
  const order = Array.from({ length: size }, (_, i) => i);
  for (let i = size - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  return {
    shape,
    dtype: 'f32',
    value: (_, flat) => (((order[flat] ?? 0) + 0.5) / Math.max(size, 1)) * 2 - 1,
  };
}

const same = (value: number) => value;
const ROUND = {
  f32: Math.fround,
  f16: (value: number) => halfToFloat(floatToHalf(value)),
  i32: same,
  u32: same,
};

/** The values of an input, rounded to its element type, the same at every call. */
export function materialize(input: Input, seed: number): Nd {
  const made = nd(input.shape);
  const next = random(seed);
  const round = ROUND[input.dtype];
  for (let flat = 0; flat < made.data.length; flat++) made.data[flat] = round(input.value(next, flat));
  return made;
}
