import type { Device } from '../tensor/device.ts';
import { checkShape, type DType, type Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { bitsOf, groupsOf } from './elementwise-broadcast.ts';
import { checkTensor } from './op.ts';
import { run } from './run.ts';
import { elementwiseFillWgsl } from './wgsl.gen.ts';

/**
 * A tensor of `shape` with every element `value`, written by the GPU.
 * Throws `ShapeError` for a bad shape and for a value an integer `dtype` cannot hold.
 */
export function full(device: Device, shape: Shape, value: number, dtype: DType = 'f32'): Tensor {
  checkShape(shape, 'full');
  const bits = bitsOf('full', value, dtype);
  const out = device.allocate(shape, dtype, 'full');
  const count = Math.ceil(out.size / 4);
  run(elementwiseFillWgsl, 'fill', { out }, { count, value: bits }, { groups: groupsOf(count) });
  return out;
}

/** Zeros of `shape`; see `full`. */
export function zeros(device: Device, shape: Shape, dtype: DType = 'f32'): Tensor {
  return full(device, shape, 0, dtype);
}

/** Ones of `shape`; see `full`. */
export function ones(device: Device, shape: Shape, dtype: DType = 'f32'): Tensor {
  return full(device, shape, 1, dtype);
}

/** Zeros of the shape and element type of `x`. */
export function zerosLike(x: Tensor): Tensor {
  checkTensor('zerosLike', x);
  return full(x.device, x.shape, 0, x.dtype);
}

/** Ones of the shape and element type of `x`. */
export function onesLike(x: Tensor): Tensor {
  checkTensor('onesLike', x);
  return full(x.device, x.shape, 1, x.dtype);
}
