import { check, KernelError } from '../errors.ts';
import { mapScalars, numberOf, type Scalar } from '../tensor/scalar.ts';
import { sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { groupsOf } from './elementwise-broadcast.ts';
import { checkF32, checkTensor } from './op.ts';
import { run } from './run.ts';
import { updateWgsl } from './wgsl.gen.ts';

export interface SgdOptions {
  readonly learningRate: number | Scalar;
  /** μ; 0 when left out. Needs a velocity. */
  readonly momentum?: number;
  /** λ; 0 when left out. */
  readonly weightDecay?: number;
  readonly nesterov?: boolean;
  /** Leave an element (and its velocity) as it is where its gradient is NaN; false when left out. See `LossScaler`. */
  readonly skipNaN?: boolean;
}

/**
 * A step of stochastic gradient descent in place: `d = g + λ·p; v ← μ·v + d; p ← p − η·v`, with Nesterov
 * `p ← p − η·(d + μ·v)` (Sutskever et al. 2013); without velocity `p ← p − η·d`. All of one shape, f32.
 * Throws `DisposedError`; `ShapeError` for shapes or dtypes that differ, for momentum without velocity, and for a learning rate
 * that is no finite number;
 * `KernelError` while an open gradient tape needs the parameter or velocity, or when they share memory.
 */
export function sgdUpdate(
  param: Tensor,
  grad: Tensor,
  velocity: Tensor | undefined,
  { learningRate, momentum = 0, weightDecay = 0, nesterov = false, skipNaN = false }: SgdOptions,
): void {
  const given = velocity !== undefined || (momentum === 0 && !nesterov);
  check(given, 'sgdUpdate', () => `momentum ${momentum}, nesterov ${nesterov} need a velocity`);
  checkRate('sgdUpdate', learningRate);
  checkUpdate('sgdUpdate', velocity ? { param, velocity } : { param }, { grad });
  const count = Math.ceil(param.size / 4);
  const flags = { momentum, nesterov: nesterov ? 1 : 0, skipNaN: skipNaN ? 1 : 0 };
  const params = { count, rate: learningRate, decay: weightDecay, ...flags };
  if (velocity)
    run(updateWgsl, 'sgdMomentum', { param, grad, velocity }, params, { groups: groupsOf(count) });
  else run(updateWgsl, 'sgd', { param, grad }, params, { groups: groupsOf(count) });
}

export interface AdamwOptions {
  readonly learningRate: number | Scalar;
  /** Decay of the mean of gradients; 0.9 when left out. */
  readonly beta1?: number;
  /** Decay of the mean of squared gradients; 0.999 when left out. */
  readonly beta2?: number;
  /** 1e-8 when left out. */
  readonly epsilon?: number;
  /** Decoupled decay λ; 0.01 when left out. */
  readonly weightDecay?: number;
  /** The number of this step, from 1. */
  readonly step: number | Scalar;
  /** Leave an element (and its moments) as it is where its gradient is NaN; false when left out. See `LossScaler`. */
  readonly skipNaN?: boolean;
}

/**
 * A step of AdamW in place (Loshchilov and Hutter 2019): `m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²;`
 * `p ← p − η·λ·p − η·m̂ / (√v̂ + ε)` with `m̂ = m/(1−β₁ᵗ)`, `v̂ = v/(1−β₂ᵗ)`. All of one shape, f32.
 * Throws `DisposedError`; `ShapeError` for shapes or dtypes that differ, for a step that is no positive integer, and for a
 * learning rate that is no finite number;
 * `KernelError` while an open gradient tape needs param, m or v, or when they share memory.
 */
export function adamwUpdate(param: Tensor, grad: Tensor, m: Tensor, v: Tensor, options: AdamwOptions): void {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 } = options;
  const { step, skipNaN = false } = options;
  const now = numberOf(step);
  check(Number.isInteger(now) && now >= 1, 'adamwUpdate', () => `step counts from 1; got ${now}`);
  checkRate('adamwUpdate', learningRate);
  checkUpdate('adamwUpdate', { param, m, v }, { grad });
  const count = Math.ceil(param.size / 4);
  const params = {
    count,
    epsilon,
    keep: mapScalars((rate) => 1 - rate * weightDecay, learningRate),
    rate: mapScalars((rate, t) => rate / (1 - beta1 ** t), learningRate, step),
    rootScale: mapScalars((t) => 1 / Math.sqrt(1 - beta2 ** t), step),
    ...{ beta1, take1: 1 - beta1, beta2, take2: 1 - beta2, skipNaN: skipNaN ? 1 : 0 },
  };
  const tensors = { param, grad, velocity: m, square: v };
  run(updateWgsl, 'adamw', tensors, params, { groups: groupsOf(count) });
}

/**
 * An exponential moving average in place, for running statistics: `target ← (1 − momentum)·target + momentum·scale·value`.
 * Both of one shape, f32; scale is 1 when left out. Throws `DisposedError`; `ShapeError` for shapes or dtypes that differ, and
 * for a momentum or scale that is no finite number; `KernelError` while an open gradient tape needs `target`, or when the two
 * share memory.
 */
export function emaUpdate(
  target: Tensor,
  value: Tensor,
  { momentum, scale = 1 }: { readonly momentum: number; readonly scale?: number },
): void {
  const given = Number.isFinite(momentum) && Number.isFinite(scale);
  check(given, 'emaUpdate', () => `momentum and scale must be finite numbers; got ${momentum}, ${scale}`);
  checkUpdate('emaUpdate', { target }, { value });
  const count = Math.ceil(target.size / 4);
  const params = { count, keep: 1 - momentum, take: momentum * scale };
  run(updateWgsl, 'ema', { param: target, grad: value }, params, { groups: groupsOf(count) });
}

/**
 * A running sum in place: `target ← target + scale·value`, or `target ← scale·value` (whatever it held) where `fresh` is 1.
 * Both of one shape, f32. Throws `DisposedError`; `ShapeError` for shapes or dtypes that differ; `KernelError` while an open
 * gradient tape needs `target`, or when the two share memory. Whatever shares memory with `target` changes too: gradients that
 * are equal may, so sum into zeros of your own (`zerosLike`), or use `GradientSum`.
 */
export function accumulateUpdate(
  target: Tensor,
  value: Tensor,
  { scale = 1, fresh = 0 }: { readonly scale?: number | Scalar; readonly fresh?: number | Scalar } = {},
): void {
  checkUpdate('accumulateUpdate', { target }, { value });
  const count = Math.ceil(target.size / 4);
  const tensors = { param: target, grad: value };
  run(updateWgsl, 'accumulate', tensors, { count, scale, fresh }, { groups: groupsOf(count) });
}

/** A rate that is no finite number would leave no parameter one. Throws `ShapeError`. */
export function checkRate(op: string, learningRate: number | Scalar): void {
  const now = typeof learningRate === 'number' ? learningRate : learningRate?.value;
  check(Number.isFinite(now), op, () => `learningRate must be a finite number; got ${now}`);
}

type Named = Readonly<Record<string, Tensor>>;

/** Everything alive, f32, of one shape and device; what is written is nobody else's. */
function checkUpdate(op: string, written: Named, read: Named): void {
  const all = Object.entries({ ...written, ...read });
  const [, first] = all[0] as [string, Tensor];
  for (const [name, tensor] of all) {
    checkTensor(op, tensor, name);
    tensor.storage(op);
    checkF32(op, name, tensor);
    check(sameShape(tensor.shape, first.shape), op, () => `${name} must be like ${first}; got ${tensor}`);
    check(tensor.device === first.device, op, () => `${name} is on another device`);
  }
  if (new Set(all.map(([, tensor]) => tensor.storage(op).buffer)).size < all.length)
    throw new KernelError(op, `${all.map(([name]) => name).join(', ')} must not share memory`);
  first.device.checkAlive();
  for (const [name, tensor] of Object.entries(written)) first.device.checkWritable(tensor, op, name);
}
