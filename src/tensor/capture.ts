import { CaptureError, DisposedError } from '../errors.ts';
import type { Device } from './device.ts';
import { planMemory } from './memory-plan.ts';
import type { PooledBuffer } from './pool.ts';
import type { Copy } from './queue.ts';
import { Recording, type Value } from './recording.ts';
import { Replay } from './replay.ts';
import { tensorsIn } from './scope.ts';
import { sameShape } from './shape.ts';
import { simplify } from './simplify.ts';
import type { Tensor } from './tensor.ts';
import type { WarmUp } from './warm.ts';
import { checkUsage } from './wrap.ts';

/** A step that is recorded at its first call and replayed at later ones. */
export interface Captured<I extends readonly Tensor[], R> {
  (...inputs: I): R;
  /** Kernels it launches; 0 before the first call. */
  readonly dispatches: number;
  /** Bytes of its intermediates, each with memory of its own, and as they share it; 0 before the first call. */
  readonly memory: { readonly unplanned: number; readonly planned: number };
  /** Frees everything the step owns, its outputs included. */
  dispose(): void;
}

/**
 * Makes a step cheap to repeat: the first call runs `fn` and records its launches, later calls only replay them on new
 * inputs, with the same bits. `fn` takes tensors and returns tensors (searched for as in `Device.scope`). The step owns its
 * params, intermediates and outputs: the tensors it returns are the same every time and are overwritten by the next call.
 *
 * What is fixed at the first call: shapes, plain numbers, tensors made by `device.tensor` inside, and which tensors `fn`
 * uses without being passed them (weights: these are read anew, and may be updated in place). What `fn` does beside
 * launching kernels happens once. Numbers that change are passed as `Scalar`s.
 *
 * Throws `CaptureError` when called with another number of inputs, other shapes or element types, twice the same tensor, or
 * while a gradient is being taken; when `fn` is async, reads or writes a tensor, updates or returns an input, or calls
 * another captured step. Throws `DeviceError` for an input that wraps a buffer without COPY_SRC, `DisposedError` once disposed of, or when a tensor that it uses was disposed of.
 */
export function capture<I extends readonly Tensor[], R>(fn: (...inputs: I) => R): Captured<I, R> {
  const step = new CapturedStep(fn);
  const call = (...inputs: I): R => step.call(inputs);
  return Object.defineProperties(call, {
    dispatches: { get: () => step.dispatches },
    memory: { get: () => step.memory },
    dispose: { value: () => step.dispose() },
  }) as Captured<I, R>;
}

/** Whether a step can be captured now: not inside another one, nor while a gradient is being taken. */
export function canCapture(device: Device): boolean {
  return device.recorders.length === 0 && !device.pool.observer;
}

/** Memory that is used as it is at every replay, as long as nobody has given it back. */
interface Pinned {
  readonly buffer: PooledBuffer;
  readonly version: number;
}

/** An input as it was recorded, and how it gets into the step's own memory; undefined where nothing uses it. */
interface Input {
  readonly tensor: Tensor;
  readonly copy: Copy | undefined;
}

interface Recorded<R> {
  readonly device: Device;
  readonly inputs: readonly Input[];
  /** Of those inputs that are used. */
  readonly copies: readonly Copy[];
  readonly result: R;
  readonly outputs: readonly Tensor[];
  readonly replay: Replay;
  readonly pinned: readonly Pinned[];
  /** Memory of inputs, intermediates and constants. */
  readonly owned: readonly PooledBuffer[];
  readonly memory: { readonly unplanned: number; readonly planned: number };
}

class CapturedStep<I extends readonly Tensor[], R> {
  readonly #fn: (...inputs: I) => R;
  #recorded: Recorded<R> | undefined;
  #disposed = false;

  constructor(fn: (...inputs: I) => R) {
    this.#fn = fn;
  }

  get dispatches(): number {
    return this.#recorded?.replay.dispatches.length ?? 0;
  }

  get memory(): { readonly unplanned: number; readonly planned: number } {
    return this.#recorded?.memory ?? { unplanned: 0, planned: 0 };
  }

  call(inputs: I): R {
    if (this.#disposed) throw new DisposedError('capture', 'the captured step was disposed of');
    const device = checkInputs(inputs);
    if (device.warmUp) return warm(device, device.warmUp, () => this.#fn(...inputs));
    if (!this.#recorded) {
      this.#recorded = record(device, this.#fn, inputs);
      return this.#recorded.result;
    }
    checkUnchanged(this.#recorded, inputs);
    checkPinned(this.#recorded);
    point(this.#recorded, inputs);
    device.queue.replay(this.#recorded.replay, this.#recorded.copies);
    return this.#recorded.result;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#recorded) release(this.#recorded);
  }
}

/** Notes which pipelines the first call needs, and which other ones a replay. */
function warm<R>(device: Device, warmUp: WarmUp, action: () => R): R {
  const recording = new Recording();
  const result = device.record(recording, () => device.scope(action));
  for (const { wanted } of simplify(recording.launches, isIntermediate)) warmUp.want(wanted);
  return result;
}

/** Runs `fn` once for its result, and plans how it is done again. */
function record<I extends readonly Tensor[], R>(
  device: Device,
  fn: (...inputs: I) => R,
  inputs: I,
): Recorded<R> {
  const recording = new Recording();
  let outputs: Tensor[] = [];
  try {
    const result = device.record(recording, () => device.scope(() => fn(...inputs)));
    // Not the weights that it may return too.
    outputs = [...tensorsIn(result)].filter((tensor) => recording.made(tensor.storage('capture').buffer));
    checkRecording(recording, inputs, result);
    for (const output of outputs) device.keep(output);
    return { device, result, outputs, ...plan(device, recording, inputs) };
  } catch (error) {
    for (const output of outputs) output.dispose();
    for (const buffer of recording.constants) device.pool.give(buffer);
    throw error;
  }
}

/** Gives every value its memory: inputs and intermediates new one, everything else what it had. */
function plan(device: Device, recording: Recording, inputs: readonly Tensor[]) {
  const launches = simplify(recording.launches, isIntermediate);
  const values = new Set(launches.flatMap((launch) => launch.values));
  const inner = [...values].filter(isIntermediate);
  const { slots, assigned } = planMemory(inner);
  const buffers = slots.map((bytes) => device.pool.take(bytes, 'capture'));
  const places = new Map(inner.map((value, i) => [value, buffers[assigned[i] as number] as PooledBuffer]));
  const taken: PooledBuffer[] = [];
  const known = inputs.map((tensor): Input => {
    const { buffer: from } = tensor.storage('capture');
    const value = [...values].find((one) => !one.inner && one.buffer === from);
    if (!value) return { tensor, copy: undefined };
    const own = device.pool.take(from.bytes, 'capture');
    taken.push(own);
    places.set(value, own);
    return { tensor, copy: { from, to: own.gpu, bytes: tensor.bytes } };
  });
  const replay = new Replay(
    device.gpu,
    launches,
    (value) => places.get(value) ?? value.buffer,
    (wanted) => device.pipelines.get(wanted),
    device.queue.bind,
  );
  const pinned = [...values].filter((value) => !places.has(value) && !isRetained(recording, value));
  return {
    inputs: known,
    copies: known.flatMap(({ copy }) => copy ?? []),
    replay,
    pinned,
    owned: [...buffers, ...taken, ...recording.constants],
    memory: { unplanned: sumBytes(inner), planned: sumBytes(buffers) },
  };
}

/** Made inside the step and given back inside it: nobody needs it between replays. */
function isIntermediate({ inner, constant, buffer, version }: Value): boolean {
  return inner && !constant && buffer.version !== version;
}

function isRetained(recording: Recording, value: Value): boolean {
  return value.constant && recording.constants.includes(value.buffer);
}

function sumBytes(all: readonly { readonly bytes: number }[]): number {
  return all.reduce((sum, { bytes }) => sum + bytes, 0);
}

function checkInputs(inputs: readonly Tensor[]): Device {
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

function checkInput(inputs: readonly Tensor[], i: number, device: Device): void {
  const input = inputs[i] as Tensor;
  const { buffer } = input.storage('capture');
  for (let j = 0; j < i; j++)
    if (inputs[j]?.storage('capture').buffer === buffer)
      throw new CaptureError('capture', 'two inputs share memory; pass each tensor once');
  if (input.device !== device) throw new CaptureError('capture', 'the inputs are on different devices');
  checkUsage('capture', buffer, 'COPY_SRC');
}

function checkRecording({ launches, failure }: Recording, inputs: readonly Tensor[], result: unknown): void {
  if (result instanceof Promise) {
    result.then(disposeAll, () => {}); // its scope may have closed out of order
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

/** What a step made that cannot be used. */
function disposeAll(result: unknown): void {
  for (const tensor of tensorsIn(result)) tensor.dispose();
}

function checkUnchanged<R>({ inputs: known, device }: Recorded<R>, inputs: readonly Tensor[]): void {
  const count = known.length;
  if (inputs.length !== count)
    throw new CaptureError('capture', `the step was recorded with ${count} inputs; got ${inputs.length}`);
  for (let i = 0; i < count; i++) {
    const input = inputs[i] as Tensor;
    const { tensor } = known[i] as Input;
    const same = sameShape(input.shape, tensor.shape) && input.dtype === tensor.dtype;
    if (!same || input.device !== device)
      throw new CaptureError('capture', `input ${i} was recorded as ${tensor}; got ${input}`);
  }
}

function checkPinned<R>({ pinned, outputs }: Recorded<R>): void {
  const gone = pinned.some(({ buffer, version }) => buffer.version !== version);
  if (gone || outputs.some((output) => output.disposed))
    throw new DisposedError('capture', 'a tensor that the captured step uses or returned was disposed of');
}

/** Lets the copies begin at what is passed this time. */
function point<R>({ inputs: known }: Recorded<R>, inputs: readonly Tensor[]): void {
  for (let i = 0; i < known.length; i++) {
    const { copy } = known[i] as Input;
    if (copy) copy.from = (inputs[i] as Tensor).storage('capture').buffer;
  }
}

function release<R>({ device, outputs, owned, replay }: Recorded<R>): void {
  for (const output of outputs) output.dispose();
  for (const buffer of owned) device.pool.give(buffer);
  replay.dispose();
}
