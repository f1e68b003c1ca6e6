import { ShapeError } from '../errors.ts';
import { zerosLike } from '../kernels/fill.ts';
import type { Device } from '../tensor/device.ts';
import { Tensor } from '../tensor/tensor.ts';
import { Tape } from './tape.ts';

/** The value of a function and its gradients, in the order of the tensors asked for. */
export interface ValueAndGrad<R> {
  /** What the function returned. */
  readonly value: R;
  readonly grads: Tensor[];
}

/**
 * Calls `fn` and differentiates the loss it returns: `grads[i] = dLoss/dWrt[i]`, each of the shape of `wrt[i]` (zeros
 * where the loss does not depend on it). Only calls between `wrt` and the loss are differentiated. `fn` returns a
 * tensor of one element, or `{ loss, … }` when other tensors are wanted too. May be nested for higher derivatives.
 * Throws `ShapeError` for a loss of several elements, `KernelError` for an op without gradient rule on the path.
 */
export function valueAndGrad<R extends Tensor | { readonly loss: Tensor }>(
  fn: () => R,
  wrt: readonly Tensor[],
): ValueAndGrad<R> {
  const device = deviceOf(wrt);
  return device.scope(() => {
    const tape = new Tape(wrt);
    const value = recorded(device, tape, fn);
    const loss = value instanceof Tensor ? value : value.loss;
    const grads = tape.backward(loss).map((grad, i) => grad ?? zerosLike(wrt[i] as Tensor));
    return { value, grads };
  });
}

/** The gradients alone; see `valueAndGrad`. */
export function grad(fn: () => Tensor | { readonly loss: Tensor }, wrt: readonly Tensor[]): Tensor[] {
  return deviceOf(wrt).scope(() => valueAndGrad(fn, wrt).grads);
}

/** The same elements, through which no gradient flows: `d stopGradient(x)/dx = 0`. Shape in = shape out, no copy. */
export function stopGradient(x: Tensor): Tensor {
  return x.view(x.shape, 'stopGradient');
}

function recorded<R>(device: Device, tape: Tape, fn: () => R): R {
  device.recorders.push(tape);
  try {
    return fn();
  } finally {
    device.recorders.splice(device.recorders.lastIndexOf(tape), 1);
  }
}

function deviceOf(wrt: readonly Tensor[]): Device {
  const [first] = wrt;
  if (!first) throw new ShapeError('grad', 'needs at least one tensor to differentiate by');
  const wrong = wrt.find((tensor) => tensor.dtype !== 'f32');
  if (wrong) throw new ShapeError('grad', `only f32 tensors can be differentiated by; got ${wrong}`);
  return first.device;
}
