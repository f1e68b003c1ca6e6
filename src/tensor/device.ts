import { CaptureError, check, DeviceError, KernelError, need } from '../errors.ts';
import { ErrorSink } from './error-sink.ts';
import { Pipelines } from './pipelines.ts';
import { POISON, Pool, type PooledBuffer } from './pool.ts';
import { type Profile, profile } from './profile.ts';
import { Queue } from './queue.ts';
import type { Recorder } from './recorder.ts';
import type { Recording } from './recording.ts';
import { type ScopeMemory, Scopes } from './scope.ts';
import { bytesOf, checkShape, type DType, formatShape, type Shape, sizeOf } from './shape.ts';
import { dtypeOf, encode, type Storage, Tensor, type TypedArray } from './tensor.ts';
import { checkType, type Traits, traitsOf } from './traits.ts';
import { Variants } from './variants.ts';
import { collect, WarmUp } from './warm.ts';
import { checkWrapped } from './wrap.ts';

export type { Traits } from './traits.ts';

/** GPU memory in bytes, in the pool's bucket sizes. */
export interface Memory {
  /** In tensors that are alive and in captured steps. */
  readonly live: number;
  /** The most `live` has been. */
  readonly peak: number;
  /** Held for reuse. */
  readonly pooled: number;
  /** Alive in no scope: kept tensors, and what captured steps own. */
  readonly outside: number;
  /** By the name of the scope. */
  readonly scopes: Readonly<Record<string, ScopeMemory>>;
}

export interface OpenOptions {
  /** Where to ask for an adapter: `navigator.gpu` by default; in Node, what `kernelwright/node` opens. */
  readonly gpu?: GPU;
  /** An adapter already chosen. */
  readonly adapter?: GPUAdapter;
  /** The application's own device: used as it is and never destroyed. */
  readonly device?: GPUDevice;
  /** Fills memory with NaN before an op gets it, so that tests see reads of unwritten memory. Slow. */
  readonly poison?: boolean;
}

const WANTED_FEATURES = ['subgroups', 'shader-f16', 'timestamp-query'] as const;
const WANTED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxStorageBuffersPerShaderStage',
] as const;

/**
 * Opens a device: asks `gpu` for its fastest adapter with all it offers, or takes the adapter or device given.
 * Throws `DeviceError` when there is no WebGPU or no adapter, or the adapter gives no device.
 */
export async function openDevice(options: OpenOptions = {}): Promise<Device> {
  if (options.device) return new Device(options.device, false, options.poison);
  const adapter = options.adapter ?? (await requestAdapter(options.gpu));
  const features = WANTED_FEATURES.filter((feature) => adapter.features.has(feature));
  const limits = Object.fromEntries(WANTED_LIMITS.map((name) => [name, adapter.limits[name]]));
  const gpu = await requestDevice(adapter, { requiredFeatures: features, requiredLimits: limits });
  return new Device(gpu, true, options.poison, adapter);
}

async function requestDevice(adapter: GPUAdapter, descriptor: GPUDeviceDescriptor): Promise<GPUDevice> {
  try {
    return await adapter.requestDevice(descriptor);
  } catch (cause) {
    throw new DeviceError(
      'openDevice',
      `the adapter gives no device (each gives one: open another): ${String(cause)}`,
      { cause },
    );
  }
}

async function requestAdapter(given: GPU | undefined): Promise<GPUAdapter> {
  const gpu = given ?? globalThis.navigator?.gpu;
  if (!gpu) {
    throw new DeviceError(
      'openDevice',
      "no WebGPU here; in Node pass what openGpu() of 'kernelwright/node' returns",
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new DeviceError('openDevice', 'WebGPU is there, but it offers no adapter');
  return adapter;
}

/** A GPU with its memory pool, pipelines and queue. Tensors are made by a device and carry it. */
export class Device {
  readonly gpu: GPUDevice;
  readonly traits: Traits;
  readonly pool: Pool;
  readonly pipelines: Pipelines;
  readonly queue: Queue;
  readonly variants = new Variants();
  /** Set while a step is run for its pipelines alone. */
  warmUp: WarmUp | undefined;
  /** Open gradient tapes, innermost last. */
  readonly recorders: Recorder[] = [];
  readonly #errors: ErrorSink;
  readonly #scopes: Scopes;
  /** The memory of the application's buffers: the same for each tensor that wraps one of them. */
  readonly #wrapped = new WeakMap<GPUBuffer, Storage>();
  readonly #owned: boolean;
  // Dawn aborts when the adapter is collected before its device.
  readonly adapter: GPUAdapter | undefined;

  constructor(gpu: GPUDevice, owned: boolean, poison = false, adapter?: GPUAdapter) {
    this.gpu = gpu;
    this.#owned = owned;
    this.adapter = adapter;
    this.traits = traitsOf(gpu, adapter);
    this.#errors = new ErrorSink(gpu);
    this.queue = new Queue(gpu, this.#errors);
    this.pipelines = new Pipelines(gpu, this.#errors);
    this.pool = new Pool(gpu, this.#errors, {
      poison: poison ? (buffer) => this.#fillWithNaN(buffer) : undefined,
      flush: () => this.queue.flush(),
    });
    this.#scopes = new Scopes(this.pool.memory);
  }

  /**
   * Uploads `data` (row-major) as a tensor; the element type follows the array's (plain numbers are f32). With 'f16' f32
   * numbers are rounded to it. `shape` defaults to one dimension. Throws `ShapeError` when it does not hold as many
   * elements, and for arrays of other types; `DeviceError` for want of memory, for f16 without the trait, or when the
   * device is gone.
   */
  tensor(data: TypedArray | readonly number[], shape: Shape = [data.length], as?: 'f16'): Tensor {
    const array = Array.isArray(data) ? new Float32Array(data) : (data as TypedArray);
    const given = dtypeOf(array, 'tensor');
    const dtype = as ?? given;
    need(as === undefined || as === 'f16', 'tensor', "'f16' or nothing as type", as);
    check(as === undefined || given === 'f32', 'tensor', () => `f16 is made of f32 numbers; got ${given}`);
    checkShape(shape, 'tensor');
    check(
      sizeOf(shape) === data.length,
      'tensor',
      () => `shape ${formatShape(shape)} needs ${sizeOf(shape)} elements; got ${data.length}`,
    );
    const tensor = this.allocate(shape, dtype, 'tensor');
    if (array.length > 0 && !this.warmUp)
      this.queue.write(tensor.storage('tensor').buffer, encode(array, dtype));
    return tensor;
  }

  /**
   * Replaces the elements of `tensor` in place: for inputs that are fed again and again, and for loaded weights.
   * Throws `ShapeError` unless `data` has its element type (f32 for f16) and size; `KernelError` while an open gradient tape needs the
   * elements; `DisposedError`; `DeviceError` when the device is gone, or for a wrapped buffer without COPY_DST.
   */
  write(tensor: Tensor, data: TypedArray): void {
    this.#errors.checkAlive();
    const dtype = dtypeOf(data, 'write');
    const held = tensor.dtype === 'f16' ? 'f32' : tensor.dtype;
    const fits = dtype === held && data.length === tensor.size;
    check(fits, 'write', () => `${tensor} cannot take ${data.length} elements of ${dtype}`);
    const { buffer } = tensor.storage('write');
    this.checkWritable(tensor, 'write', 'the tensor');
    if (data.length > 0 && !this.warmUp) this.queue.write(buffer, encode(data, tensor.dtype));
  }

  /**
   * A buffer of the application's as a tensor, without a copy: its first elements, row-major. The library neither reuses nor
   * destroys it, and disposing of the tensor leaves it as it is; `tensor.buffer` gives it back with all work submitted.
   * It needs the usage STORAGE, COPY_SRC to be read or given to a captured step, and COPY_DST to be written to. For n
   * elements of b bytes it has 16·⌈n·b/16⌉ bytes or more, a multiple of 4; the padding up to there may be overwritten by in-place updates.
   * Throws `ShapeError` for another size, `DeviceError` without STORAGE, for f16 without the trait, for more than the device can bind, for a buffer
   * of the library's own, and when the device is gone; `CaptureError` inside a captured step.
   */
  wrap(buffer: GPUBuffer, shape: Shape, dtype: DType = 'f32'): Tensor {
    this.#errors.checkAlive();
    if (this.pool.observer) throw new CaptureError('wrap', 'wrap the buffer before the captured step');
    checkShape(shape, 'wrap');
    checkType(dtype, this.traits, 'wrap');
    const storage = this.#wrapped.get(buffer) ?? { buffer: this.pool.wrap(buffer), owners: 0 };
    checkWrapped(storage.buffer, bytesOf(sizeOf(shape), dtype), shape, this.gpu);
    this.#wrapped.set(buffer, storage);
    return new Tensor(this, shape, dtype, storage);
  }

  /** A tensor with undefined elements, for the output of `op`. */
  allocate(shape: Shape, dtype: DType, op: string): Tensor {
    this.#errors.checkAlive();
    checkType(dtype, this.traits, op);
    const buffer = this.warmUp?.memory() ?? this.pool.take(bytesOf(sizeOf(shape), dtype), op);
    return new Tensor(this, shape, dtype, { buffer, owners: 0 });
  }

  /**
   * Runs `action` and frees the tensors it made, except those in its result: arrays, maps, sets and the properties of
   * objects of any class are searched. Private fields and closures cannot be; `keep` the tensors they hold.
   * `action` may be async; two async scopes of one device must not overlap (`DeviceError`; its `cause` is what was thrown).
   * Throws `ShapeError` for an action that is no function.
   * `memory` counts by `name`; a scope without one goes by that of the scope around it.
   */
  scope<R>(action: () => R, name?: string): R {
    need(typeof action === 'function', 'scope', 'a function, then perhaps a name', action);
    return this.#scopes.run(action, this.recorders, name);
  }

  /** Takes `tensor` out of every open scope: from now on it lives until `dispose`. */
  keep<T extends Tensor>(tensor: T): T {
    this.#scopes.disown(tensor);
    return tensor;
  }

  /** Disposes of `tensor` before its scope would; not if it is in none (see `keep`) or an open gradient tape holds it. */
  release(tensor: Tensor): void {
    this.#scopes.release(tensor, this.recorders);
  }

  /**
   * Builds every pipeline that `action` launches and is not there yet, side by side and off the calling thread, and runs it
   * over nothing, so that the first real run does not wait for compilers; → how many were built. `action` is run once at once, but launches nothing:
   * tensors it makes have no memory, are disposed of afterwards, and read as zeros; existing ones stay as they are.
   * Captured steps called inside are not recorded. Whatever else it does is done.
   * Throws `KernelError` for what does not compile, `DeviceError` when `action` is async, inside another warm-up, a
   * captured step or a gradient, and what `action` throws.
   */
  async warm(action: () => unknown): Promise<number> {
    this.checkAlive();
    const wanted = collect(this, new WarmUp(() => this.pool.standIn()), action);
    const built = await this.pipelines.prepare(wanted);
    await this.queue.prime(built);
    return built.length;
  }

  /** Waits until the GPU has finished; throws what it reported. */
  idle(): Promise<void> {
    return this.queue.idle();
  }

  /**
   * Runs `fn`, which may be async, and measures each kernel it launches by timestamps: GPU time, calls, bytes, flops.
   * Results are the same as without; dispatches run one by one, so the whole takes longer. Where the device lacks
   * `timestamp-query` times are undefined; browsers round them to 0.1 ms. Throws `DeviceError` when a profile is being
   * taken already, `ShapeError` for no function, and what `fn` throws.
   */
  profile<R>(fn: () => R | Promise<R>): Promise<Profile<R>> {
    return profile(this, fn);
  }

  /** Shows what `action` launches, takes and gives back to `recording`. */
  record<R>(recording: Recording, action: () => R): R {
    this.pool.observer = recording;
    this.queue.record(recording);
    try {
      return action();
    } finally {
      this.pool.observer = undefined;
      this.queue.record(undefined);
    }
  }

  /** Bytes alive, most alive, held for reuse, and by scope. */
  memory(): Memory {
    const { live, peak, pooled } = this.pool.memory;
    const scopes = this.#scopes.memory();
    const inside = Object.values(scopes).reduce((sum, scope) => sum + scope.live, 0);
    return { live, peak, pooled, outside: live - inside, scopes };
  }

  /** Frees everything, and destroys the GPUDevice if this library opened it. Pending reads reject with `DeviceError`. */
  dispose(): void {
    this.#errors.close();
    this.queue.dispose();
    this.pool.dispose();
    if (this.#owned) this.gpu.destroy();
  }

  /** Throws `DeviceError` if the device is lost or was disposed of. */
  checkAlive(): void {
    this.#errors.checkAlive();
  }

  /** Throws `KernelError` of `op` while an open gradient tape needs the memory of `tensor`, which `op` calls `name`. */
  checkWritable(tensor: Tensor, op: string, name: string): void {
    if (this.recorders.some((tape) => tape.needs(tensor)))
      throw new KernelError(op, `an open gradient tape needs ${name} as it is; update it afterwards`);
  }

  /** Called by tensors as they are made and disposed of. */
  adopt(tensor: Tensor): void {
    this.warmUp?.adopt(tensor);
    this.#scopes.adopt(tensor);
  }

  disown(tensor: Tensor): void {
    this.#scopes.disown(tensor);
  }

  #fillWithNaN(buffer: PooledBuffer): void {
    this.queue.fill(buffer, new Uint32Array(buffer.bytes / 4).fill(POISON));
  }
}
