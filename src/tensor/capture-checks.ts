import { CaptureError, need } from '../errors.ts';
import type { Plan, PlannedInput } from './capture-plan.ts';
import type { Device } from './device.ts';
import type { Recording } from './recording.ts';
import { tensorsIn } from './scope.ts';
import { sameShape } from './shape.ts';
import { Tensor } from './tensor.ts';
import { checkUsage } from './wrap.ts';

/** The device of the inputs, which must be fit to be captured with. */
export function checkInputs(inputs: readonly Tensor[]): Device {
  for (const [i, input] of inputs.entries()) checkTensor(input, i);
  const device = inputs[0]?.device;
  if (!device) throw new CaptureError('capture', 'a captured step needs at least one input');
  for (let i = 0; i < inputs.length; i++) checkInput(inputs, i, device);
  if (device.recorders.length > 0)
    throw new CaptureError('capture', 'no gradient flows through a captured step; take it inside the step');
  if (device.pool.observer)
    throw new CaptureError('capture', 'a captured step cannot call another; capture the two as one');
  device.checkAlive();
  return device;
}

/** Throws for what is no tensor. */
export function checkTensor(input: unknown, i: number): void {
  need(input instanceof Tensor, 'capture', `a tensor as input ${i}`, input);
}

function checkInput(inputs: readonly Tensor[], i: number, device: Device): void {
  const input = inputs[i] as Tensor;
  const { buffer } = input.storage('capture');
  for (let j = 0; j < i; j++)
    if (inputs[j]?.storage('capture').buffer === buffer)
      throw new CaptureError('capture', 'two inputs share memory; pass each tensor once');
  if (input.device !== device) throw new CaptureError('capture', 'the inputs are on different devices');
  checkUsage('capture', buffer, 'COPY_SRC');
}

/** Throws where a replay would do something else than the first call did. */
export function checkRecording(recording: Recording, inputs: readonly Tensor[], result: unknown): void {
  const { launches, failure } = recording;
  if (result instanceof Promise) {
    result.catch(() => {}); // its scope may close out of order
    throw new CaptureError('capture', 'a captured step cannot be async');
  }
  if (failure) throw failure;
  const given = new Set(inputs.map((input) => input.storage('capture').buffer));
  if ([...tensorsIn(result)].some((output) => given.has(output.storage('capture').buffer)))
    throw new CaptureError('capture', 'the step returns one of its inputs; return a new tensor');
  for (const { label, values, written } of launches) {
    const updated = values.some(({ buffer, inner }, i) => written[i] && !inner && given.has(buffer));
    if (updated)
      throw new CaptureError(
        'capture',
        `${label} updates an input in place; use the tensor without passing it`,
      );
  }
}

/** There must be as many inputs as were recorded. */
export function checkCount({ inputs: known }: Plan, inputs: readonly Tensor[]): void {
  const count = known.length;
  if (inputs.length !== count)
    throw new CaptureError('capture', `the step was recorded with ${count} inputs; got ${inputs.length}`);
}

/** The inputs must be as they were recorded. */
export function checkUnchanged({ inputs: known, device }: Plan, inputs: readonly Tensor[]): void {
  for (let i = 0; i < known.length; i++) {
    const input = inputs[i] as Tensor;
    const { tensor } = known[i] as PlannedInput;
    const same = sameShape(input.shape, tensor.shape) && input.dtype === tensor.dtype;
    if (!same || input.device !== device)
      throw new CaptureError('capture', `input ${i} was recorded as ${tensor}; got ${input}`);
  }
}
