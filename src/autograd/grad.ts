import { need, ShapeError } from '../errors.ts';
import { zerosLike } from '../kernels/fill.ts';
import { reshape } from '../kernels/layout.ts';
import type { Device } from '../tensor/device.ts';
import { tensorsIn } from '../tensor/scope.ts';
import { isFloat } from '../tensor/shape.ts';
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
 * tensor of one element, or `{ loss, … }` when other tensors are wanted too, and is not async. May be nested for higher
 * derivatives. Gradients that are equal may share memory: do not update them in place. Throws `ShapeError` for a loss of
 * several elements or none, `KernelError` for an op without gradient rule on the path.
 */
export function valueAndGrad<R extends Tensor | { readonly loss: Tensor }>(
  fn: () => R,
  wrt: readonly Tensor[],
): ValueAndGrad<R> {
  need(typeof fn === 'function', 'grad', 'a function that gives the loss', fn);
  const device = deviceOf(wrt);
  return device.scope(() => {
    const tape = new Tape(wrt);
    const value = recorded(device, tape, fn);
    const found = tape.backward(lossOf(value), tensorsIn(value));
    const grads = found.map((grad, i) => grad ?? zerosLike(wrt[i] as Tensor));
    return { value, grads: grads.map(viewOfRepeated) };
  });
}

function lossOf(value: Tensor | { readonly loss: Tensor }): Tensor {
  const loss = value instanceof Tensor ? value : value?.loss;
  if (loss instanceof Tensor) return loss;
  if (value instanceof Promise) value.catch(() => {}); // what it would reject with is not the error to see
  const got = value instanceof Promise ? 'a promise; it cannot be async' : String(value);
  throw new ShapeError('grad', `the function must return a tensor or { loss }; got ${got}`);
}

/** A view where the same tensor came before: each result can be disposed of alone. */
function viewOfRepeated(grad: Tensor, i: number, grads: readonly Tensor[]): Tensor {
  return grads.indexOf(grad) < i ? reshape(grad, grad.shape) : grad;
}

/** The gradients alone; see `valueAndGrad`. */
export function grad(fn: () => Tensor | { readonly loss: Tensor }, wrt: readonly Tensor[]): Tensor[] {
  return deviceOf(wrt).scope(() => valueAndGrad(fn, wrt).grads);
}

/** Inside the function of `valueAndGrad`: whether a gradient flows from `loss` to any of the tensors that the innermost one asks for. */
export function isReached(loss: Tensor): boolean {
  return loss.device.recorders.at(-1)?.tracks(loss) ?? false;
}

/** The same elements, through which no gradient flows: `d stopGradient(x)/dx = 0`. Shape in = shape out, no copy. */
export function stopGradient(x: Tensor): Tensor {
  need(x instanceof Tensor, 'stopGradient', 'a tensor as x', x);
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
  need(Array.isArray(wrt), 'grad', 'a list of tensors', wrt);
  for (const tensor of wrt) need(tensor instanceof Tensor, 'grad', 'tensors to differentiate by', tensor);
  const [first] = wrt;
  if (!first) throw new ShapeError('grad', 'needs at least one tensor to differentiate by');
  const wrong = wrt.find((tensor) => !isFloat(tensor.dtype));
  if (wrong) throw new ShapeError('grad', `only f32 and f16 tensors can be differentiated by; got ${wrong}`);
  return first.device;
}
