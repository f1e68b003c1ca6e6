import { CaptureError, checkNames, DisposedError, need } from '../errors.ts';
import { checkCount, checkInputs, checkRecording, checkUnchanged } from './capture-checks.ts';
import { isIntermediate, type Plan, type PlannedInput, planReplay } from './capture-plan.ts';
import type { Device } from './device.ts';
import { Recording } from './recording.ts';
import { tensorsIn } from './scope.ts';
import { simplify } from './simplify.ts';
import type { Tensor } from './tensor.ts';
import type { WarmUp } from './warm.ts';

/** A step that is recorded at its first call and replayed at later ones. */
export interface Captured<I extends readonly Tensor[], R> {
  (...inputs: I): R;
  /** Kernels it launches where all is computed; 0 before the first call. */
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
 * another captured step; for `moving` that is no count. Throws `ShapeError` for what is no function or no tensor and for options that are misspelt, `DeviceError` for an input that wraps a buffer without COPY_SRC, `DisposedError` once disposed of, or when a tensor that it uses was disposed of.
 */
export function capture<I extends readonly Tensor[], R>(
  fn: (...inputs: I) => R,
  options: CaptureOptions = {},
): Captured<I, R> {
  const step = new CapturedStep(fn, options);
  const call = (...inputs: I): R => step.call(inputs);
  return Object.defineProperties(call, {
    dispatches: { get: () => step.dispatches },
    memory: { get: () => step.memory },
    dispose: { value: () => step.dispose() },
  }) as Captured<I, R>;
}

export interface CaptureOptions {
  /**
   * How many inputs, from the first, are other ones at each call. What depends on none of them, nor on scalars, is kept, and
   * computed again only once the other inputs or the weights have changed. When left out, all is computed at each call.
   */
  readonly moving?: number | undefined;
}

/** Whether a step can be captured now: not inside another one, nor while a gradient is being taken. */
export function canCapture(device: Device): boolean {
  return device.recorders.length === 0 && !device.pool.observer;
}

interface Recorded<R> extends Plan {
  readonly result: R;
  readonly outputs: readonly Tensor[];
}

class CapturedStep<I extends readonly Tensor[], R> {
  readonly #fn: (...inputs: I) => R;
  readonly #moving: number | undefined;
  #recorded: Recorded<R> | undefined;
  #disposed = false;

  constructor(fn: (...inputs: I) => R, options: CaptureOptions) {
    checkStep(fn, options);
    this.#fn = fn;
    this.#moving = options.moving;
  }

  get dispatches(): number {
    return this.#recorded?.replay.dispatches.length ?? 0;
  }

  get memory(): Plan['memory'] {
    return this.#recorded?.memory ?? { unplanned: 0, planned: 0 };
  }

  call(inputs: I): R {
    if (this.#disposed) throw new DisposedError('capture', 'the captured step was disposed of');
    if (this.#recorded) checkCount(this.#recorded, inputs);
    const device = checkInputs(inputs);
    if (device.warmUp) return warm(device, device.warmUp, () => this.#fn(...inputs));
    if (!this.#recorded) {
      this.#recorded = record(device, this.#fn, inputs, this.#moving);
      return this.#recorded.result;
    }
    checkUnchanged(this.#recorded, inputs);
    checkPinned(this.#recorded);
    point(this.#recorded, inputs);
    const { replay, copies, movingCopies, sources, result } = this.#recorded;
    if (sources?.same(inputs)) device.queue.replay(replay, movingCopies, replay.steady);
    else {
      device.queue.replay(replay, copies, 0);
      sources?.note(inputs);
    }
    return result;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#recorded) release(this.#recorded);
  }
}

/** Throws for a step that is no function and for options that are none. */
export function checkStep(fn: unknown, options: CaptureOptions): void {
  need(typeof fn === 'function', 'capture', 'a function', fn);
  checkNames('capture', options, ['moving']);
  const { moving } = options;
  if (moving === undefined || (Number.isInteger(moving) && moving >= 0)) return;
  throw new CaptureError('capture', `moving must be a count of inputs; got ${moving}`);
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
  moving: number | undefined,
): Recorded<R> {
  const recording = new Recording();
  let outputs: Tensor[] = [];
  try {
    const result = device.record(recording, () => device.scope(() => withoutLate(fn(...inputs))));
    // Not the weights that it may return too.
    outputs = [...tensorsIn(result)].filter((tensor) => recording.made(tensor.storage('capture').buffer));
    checkRecording(recording, inputs, result);
    for (const output of outputs) device.keep(output);
    return { result, outputs, ...planReplay(device, recording, inputs, moving) };
  } catch (error) {
    for (const output of outputs) output.dispose();
    for (const buffer of recording.constants) device.pool.give(buffer);
    throw error;
  }
}

/** An async step is refused: nothing of what it makes survives its scope. */
function withoutLate<R>(result: R): R {
  return result instanceof Promise ? (result.then(() => {}) as R) : result;
}

/** What the step uses and returned must still be there. */
function checkPinned<R>({ pinned, outputs }: Recorded<R>): void {
  const gone = pinned.some(({ buffer, version }) => buffer.version !== version);
  if (gone || outputs.some((output) => output.disposed))
    throw new DisposedError('capture', 'a tensor that the captured step uses or returned was disposed of');
}

/** Lets the copies begin at what is passed this time. */
function point({ inputs: known }: Plan, inputs: readonly Tensor[]): void {
  for (let i = 0; i < known.length; i++) {
    const { copy } = known[i] as PlannedInput;
    if (copy) copy.from = (inputs[i] as Tensor).storage('capture').buffer;
  }
}

function release<R>({ device, outputs, owned, replay }: Recorded<R>): void {
  for (const output of outputs) output.dispose();
  for (const buffer of owned) device.pool.give(buffer);
  replay.dispose();
}
