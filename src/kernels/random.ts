import { check } from '../errors.ts';
import type { Device } from '../tensor/device.ts';
import { mapScalars, numberOf, type Scalar } from '../tensor/scalar.ts';
import { checkShape, type DType, type Shape, type Spec } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { groupsOf } from './elementwise-broadcast.ts';
import { checkFloats, defineOp, like, readsNothing } from './op.ts';
import { run } from './run.ts';
import { randomWgsl } from './wgsl.gen.ts';

/**
 * What names a draw. Equal seed and stream give the same words in every op, so independent draws need another stream
 * (the step, say, or a counter over layers and steps): draws of different streams never overlap.
 */
export interface Seed {
  /** An integer in [0, 2⁵³); a scalar where a captured step is to draw anew each time. */
  readonly seed: number | Scalar;
  /** An integer in [0, 2³²); 0 when left out. */
  readonly stream?: number | undefined;
}

/** Where a draw starts: the first counter block (four words) and the key (two words). */
export interface PhiloxStart {
  readonly counter: readonly [number, number, number, number];
  readonly key: readonly [number | Scalar, number | Scalar];
}

/** Key = the halves of the seed, third counter word = the stream; the first counts blocks of four elements. */
function startOf(op: string, { seed, stream = 0 }: Seed): PhiloxStart {
  const now = numberOf(seed);
  const valid = Number.isSafeInteger(now) && now >= 0 && stream >>> 0 === stream;
  check(
    valid,
    op,
    () => `seed must be an integer in [0, 2^53), stream in [0, 2^32); got ${now} and ${stream}`,
  );
  return {
    counter: [0, 0, stream, 0],
    key: [mapScalars((s) => s >>> 0, seed), mapScalars((s) => Math.floor(s / 2 ** 32), seed)],
  };
}

interface Draw {
  readonly low?: number;
  readonly scale?: number;
  readonly most?: number;
  readonly threshold?: number;
}

function drawParams(size: number, { counter, key }: PhiloxStart, draw: Draw) {
  return {
    count: Math.ceil(size / 4),
    ...{ base0: counter[0], base1: counter[1], base2: counter[2], base3: counter[3] },
    ...{ key0: key[0], key1: key[1] },
    ...{ low: 0, scale: 1, most: 1, threshold: 0, ...draw },
  };
}

function fresh(device: Device, shape: Shape, dtype: DType, op: string): Tensor {
  checkShape(shape, op);
  return device.allocate(shape, dtype, op);
}

/**
 * u32 words of Philox4x32-10 in order: block b is the cipher of (counter₀ + b, counter₁, counter₂, counter₃).
 * For known-answer tests; `randomBits` names its start by a seed.
 */
export function philoxBits(device: Device, shape: Shape, start: PhiloxStart): Tensor {
  const outWords = fresh(device, shape, 'u32', 'randomBits');
  const params = drawParams(outWords.size, start, {});
  run(randomWgsl, 'drawBits', { outWords }, params, { groups: groupsOf(params.count) });
  return outWords;
}

/**
 * Uniform u32 words of `shape` from Philox4x32-10 (Salmon et al. 2011): the same on every adapter.
 * Throws `ShapeError` for a seed or stream out of range.
 */
export function randomBits(device: Device, shape: Shape, seed: Seed): Tensor {
  return philoxBits(device, shape, startOf('randomBits', seed));
}

/**
 * Uniform f32 in [low, high) (default [0, 1)), 24 random bits each: `low + (high − low)·(word >> 8)·2⁻²⁴`, never `high`.
 * Throws `ShapeError` for a seed or stream out of range, and unless low < high are finite.
 */
export function randomUniform(
  device: Device,
  shape: Shape,
  { low = 0, high = 1, ...seed }: Seed & { readonly low?: number; readonly high?: number },
): Tensor {
  const most = below(high);
  const valid = Number.isFinite(Math.fround(high - low)) && low < high && Math.fround(low) <= most;
  check(valid, 'randomUniform', () => `needs finite low < high; got ${low} and ${high}`);
  const start = startOf('randomUniform', seed);
  const out = fresh(device, shape, 'f32', 'randomUniform');
  const params = drawParams(out.size, start, { low, scale: high - low, most });
  run(randomWgsl, 'drawUniform', { out }, params, { groups: groupsOf(params.count) });
  return out;
}

/** The largest f32 below `value`. */
function below(value: number): number {
  const rounded = Math.fround(value);
  if (rounded < value) return rounded;
  if (rounded === 0) return -(2 ** -126); // GPUs may flush smaller numbers to zero
  const bits = new Int32Array(new Float32Array([rounded]).buffer);
  bits[0] = (bits[0] ?? 0) + (rounded > 0 ? -1 : 1);
  return new Float32Array(bits.buffer)[0] ?? Number.NaN;
}

/**
 * Normal f32 of the given mean (0) and standard deviation (1), by Box–Muller from two words each pair; |z| < 6.7.
 * Throws `ShapeError` for a seed or stream out of range, and unless mean and std ≥ 0 are finite.
 */
export function randomNormal(
  device: Device,
  shape: Shape,
  { mean = 0, std = 1, ...seed }: Seed & { readonly mean?: number; readonly std?: number },
): Tensor {
  const valid = Number.isFinite(mean) && Number.isFinite(std) && std >= 0;
  check(valid, 'randomNormal', () => `needs a finite mean and std ≥ 0; got ${mean} and ${std}`);
  const start = startOf('randomNormal', seed);
  const out = fresh(device, shape, 'f32', 'randomNormal');
  const params = drawParams(out.size, start, { low: mean, scale: std });
  run(randomWgsl, 'drawNormal', { out }, params, { groups: groupsOf(params.count) });
  return out;
}

interface DropoutAttrs {
  readonly rate: number;
  readonly start: PhiloxStart;
}

const dropoutOp = defineOp<{ x: Tensor }, DropoutAttrs, [Spec]>({
  name: 'dropout',
  outputs({ x }) {
    checkFloats('dropout', { x });
    return [like(x)];
  },
  forward({ x }, [out], { rate, start }) {
    const threshold = Math.round(rate * 2 ** 24);
    const params = drawParams(x.size, start, { scale: 1 / (1 - rate), threshold });
    run(randomWgsl, 'dropout', { x, kept: out }, params, { groups: groupsOf(params.count) });
  },
  // The same seed draws the same mask again: nothing has to be saved.
  reads: readsNothing,
  gradient: ({ attrs, grads: [g] }) => ({ x: (): Tensor => dropoutOp({ x: g as Tensor }, attrs)[0] }),
});

/**
 * Zeroes each element with probability `rate` and scales the others: `out = x·kept / (1 − rate)` (Srivastava et al. 2014).
 * Shape in = shape out, f32 or f16. Throws `ShapeError` unless 0 ≤ rate < 1, and for a seed or stream out of range.
 */
export function dropout(x: Tensor, { rate, ...seed }: Seed & { readonly rate: number }): Tensor {
  check(rate >= 0 && rate < 1, 'dropout', () => `rate must be in [0, 1); got ${rate}`);
  return dropoutOp({ x }, { rate, start: startOf('dropout', seed) })[0];
}

/**
 * A random order of 0 … n − 1 as i32 [n], without sorting: each index is enciphered by a Feistel network and again while
 * the image is ≥ n (Mitchell et al., "Bandwidth-optimal random shuffling for GPUs", 2022). O(n) work, n ≤ 2³⁰.
 * The same on every adapter. Throws `ShapeError` for a bad n, seed or stream.
 */
export function permutation(device: Device, n: number, seed: Seed): Tensor {
  const valid = Number.isInteger(n) && n >= 0 && n <= 2 ** 30;
  check(valid, 'permutation', () => `n must be an integer in [0, 2^30]; got ${n}`);
  const { counter, key } = startOf('permutation', seed);
  const order = device.allocate([n], 'i32', 'permutation');
  const bits = n > 1 ? 32 - Math.clz32(n - 1) : 0;
  const left = bits >> 1;
  const params = { n, left, right: bits - left, stream: counter[2], key0: key[0], key1: key[1] };
  run(randomWgsl, 'permute', { order }, params, { groups: groupsOf(n) });
  return order;
}
