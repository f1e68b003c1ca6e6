import { need, ShapeError } from '../errors.ts';
import type { Device } from '../tensor/device.ts';
import type { OpCall } from '../tensor/recorder.ts';
import { type FloatType, isFloat, type Shape, type Spec } from '../tensor/shape.ts';
import { Tensor } from '../tensor/tensor.ts';

/** Named tensor inputs of an op; an optional one may be undefined. */
export type Inputs = Readonly<Record<string, Tensor | undefined>>;

/** What a gradient rule gets: the inputs and outputs of the call and the gradient of each output. */
export interface GradientContext<I, A, G> {
  readonly inputs: I;
  readonly attrs: A;
  readonly outputs: { readonly [K in keyof G]: Tensor };
  /** dLoss/dOutput, undefined where the loss does not depend on that output. */
  readonly grads: { readonly [K in keyof G]: Tensor | undefined };
  /** Whether the gradient with respect to an input will be asked for. */
  readonly wants: (input: Tensor | undefined) => boolean;
}

/** Everything there is to say about an op. `S` is the tuple of output specs. */
export interface OpRule<I extends Inputs, A, S extends readonly Spec[]> {
  readonly name: string;
  /** The shape rule: pure; throws `ShapeError`. */
  outputs(inputs: I, attrs: A): S;
  /** Launches the kernels that fill `outputs`. Absent for a view: the output shares the memory of the first input. */
  forward?(inputs: I, outputs: { readonly [K in keyof S]: Tensor }, attrs: A): void;
  /** The inputs and outputs whose elements `gradient` reads, which a tape keeps for it: all of them when left out. */
  reads?(inputs: I, outputs: { readonly [K in keyof S]: Tensor }, attrs: A): readonly (Tensor | undefined)[];
  /** dLoss/dInput for each input that has one, as thunks written in ops. An input left out gets no gradient. */
  gradient?(context: GradientContext<I, A, S>): { readonly [K in keyof I]?: (() => Tensor) | undefined };
}

/**
 * Makes the one function through which every call of an op goes: inputs checked, shapes computed, memory taken,
 * kernels launched, and the call shown to the open gradient tapes.
 */
export function defineOp<I extends Inputs, A, S extends readonly Spec[]>(
  rule: OpRule<I, A, S>,
): (inputs: I, attrs: A) => { readonly [K in keyof S]: Tensor } {
  type Outputs = { readonly [K in keyof S]: Tensor };
  return (inputs, attrs) => {
    const device = checkInputs(rule.name, inputs);
    const specs = rule.outputs(inputs, attrs);
    const outputs = rule.forward
      ? (specs.map(({ shape, dtype }) => device.allocate(shape, dtype, rule.name)) as unknown as Outputs)
      : (viewOfFirst(rule.name, inputs, specs) as unknown as Outputs);
    rule.forward?.(inputs, outputs, attrs);
    if (device.recorders.length > 0) record(device, rule, inputs, attrs, outputs);
    return outputs;
  };
}

/** All inputs tensors, alive and on one device, which is returned. */
function checkInputs(name: string, inputs: Inputs): Device {
  let device: Device | undefined;
  for (const [key, tensor] of Object.entries(inputs)) {
    if (tensor === undefined) continue;
    checkTensor(name, tensor, key);
    tensor.storage(name);
    device ??= tensor.device;
    if (tensor.device !== device)
      throw new ShapeError(name, `${key} is on another device than the other inputs`);
  }
  if (!device) throw new ShapeError(name, 'needs at least one tensor');
  device.checkAlive();
  return device;
}

function viewOfFirst(name: string, inputs: Inputs, specs: readonly Spec[]): Tensor[] {
  const [first] = Object.values(inputs);
  return specs.map(({ shape }) => (first as Tensor).view(shape, name));
}

function record<I extends Inputs, A, S extends readonly Spec[]>(
  device: Device,
  rule: OpRule<I, A, S>,
  inputs: I,
  attrs: A,
  outputs: { readonly [K in keyof S]: Tensor },
): void {
  type Grads = { readonly [K in keyof S]: Tensor | undefined };
  const gradient: OpCall['gradient'] =
    rule.gradient &&
    ((grads, wants) =>
      rule.gradient?.({ inputs, attrs, outputs, grads: grads as unknown as Grads, wants }) ?? {});
  const made = outputs as unknown as readonly Tensor[];
  const read = rule.reads?.(inputs, outputs, attrs) ?? [...Object.values(inputs), ...made];
  const reads = read.filter((tensor) => tensor !== undefined);
  const call = { op: rule.name, inputs, outputs: made, reads, gradient };
  for (const recorder of device.recorders) recorder.record(call);
}

/** `reads` of a gradient rule that needs shapes only. */
export const readsNothing = (): readonly Tensor[] => [];

/** Runs ops that another op is made of: open tapes do not see them, and what they make is freed unless returned. */
export function unrecorded<R>(device: Device, action: () => R): R {
  const tapes = device.recorders.splice(0);
  try {
    return device.scope(action);
  } finally {
    device.recorders.push(...tapes);
  }
}

/** Throws `ShapeError` of `op` for what is no tensor: for ops that look at an input before they are called with it. */
export function checkTensor(op: string, tensor: Tensor, key = 'x'): void {
  need(tensor instanceof Tensor, op, `a tensor as ${key}`, tensor);
}

/** The same for each of several. */
export function checkTensors(op: string, tensors: Inputs): void {
  for (const [key, tensor] of Object.entries(tensors)) checkTensor(op, tensor as Tensor, key);
}

/** An output of this shape (that of x when left out) with the element type of x. */
export function like(x: Tensor, shape: Shape = x.shape): Spec {
  return { shape, dtype: x.dtype };
}

/** The element type that all of `tensors` have. Throws `ShapeError` unless it is f32, or f16, and one for all. */
export function checkFloats(op: string, tensors: Inputs): FloatType {
  const [first, ...others] = Object.entries(tensors).filter(([, tensor]) => tensor !== undefined);
  need(first?.[1] instanceof Tensor, op, 'a tensor', first?.[1]);
  const [name, { dtype }] = first as [string, Tensor];
  if (!isFloat(dtype)) throw new ShapeError(op, `${name} must be f32 or f16; got ${first?.[1]}`);
  for (const [other, tensor] of others) {
    if (tensor?.dtype !== dtype)
      throw new ShapeError(
        op,
        `${other} must be ${dtype} as ${name}; got ${tensor}, and ${name} ${first?.[1]}`,
      );
  }
  return dtype;
}

/** An f32 output of this shape. */
export function f32(shape: Shape): Spec {
  return { shape, dtype: 'f32' };
}

/** Throws `ShapeError` unless `tensor` is f32. */
export function checkF32(op: string, name: string, tensor: Tensor): void {
  if (tensor.dtype !== 'f32') throw new ShapeError(op, `${name} must be f32; got ${tensor}`);
}

/**
 * Whether an open tape follows one of these tensors. Inside a gradient rule it means that a gradient of the gradient is
 * being taken, so a rule with a fused backward kernel writes its formula in differentiable ops instead.
 */
export function isTracked(...tensors: readonly (Tensor | undefined)[]): boolean {
  return tensors.some((tensor) => tensor?.device.recorders.some((recorder) => recorder.tracks(tensor)));
}
