import { check, DeviceError } from '../errors.ts';
import { ErrorSink } from './error-sink.ts';
import { Pipelines } from './pipelines.ts';
import { type Memory, POISON, Pool, type PooledBuffer } from './pool.ts';
import { type Profile, profile } from './profile.ts';
import { Queue } from './queue.ts';
import type { Recorder } from './recorder.ts';
import type { Recording } from './recording.ts';
import { Scopes } from './scope.ts';
import { checkShape, type DType, formatShape, type Shape, sizeOf } from './shape.ts';
import { Tensor, type TypedArray } from './tensor.ts';
import { Variants } from './variants.ts';

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

/** What kernels are chosen by. */
export interface Traits {
  /** The adapter runs on the CPU. */
  readonly software: boolean;
  /** e.g. `swiftshader`, `software` (lavapipe), `ampere`, `metal-3`. */
  readonly architecture: string;
  readonly vendor: string;
  readonly description: string;
  readonly subgroups: boolean;
  readonly subgroupMinSize: number;
  readonly subgroupMaxSize: number;
  readonly maxInvocations: number;
  readonly maxWorkgroupBytes: number;
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
 * Throws `DeviceError` when there is no WebGPU or no adapter.
 */
export async function openDevice(options: OpenOptions = {}): Promise<Device> {
  if (options.device) return new Device(options.device, false, options.poison);
  const adapter = options.adapter ?? (await requestAdapter(options.gpu));
  const features = WANTED_FEATURES.filter((feature) => adapter.features.has(feature));
  const limits = Object.fromEntries(WANTED_LIMITS.map((name) => [name, adapter.limits[name]]));
  const gpu = await adapter.requestDevice({ requiredFeatures: features, requiredLimits: limits });
  return new Device(gpu, true, options.poison, adapter);
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
  /** Open gradient tapes, innermost last. */
  readonly recorders: Recorder[] = [];
  readonly #errors: ErrorSink;
  readonly #scopes = new Scopes();
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
    this.pool = new Pool(gpu, this.#errors, poison ? (buffer) => this.#fillWithNaN(buffer) : undefined);
  }

  /**
   * Uploads `data` (row-major) as a tensor; the element type follows the array's (plain numbers are f32).
   * `shape` defaults to one dimension. Throws `ShapeError` when it does not hold as many elements.
   */
  tensor(data: TypedArray | readonly number[], shape: Shape = [data.length]): Tensor {
    checkShape(shape, 'tensor');
    check(
      sizeOf(shape) === data.length,
      'tensor',
      () => `shape ${formatShape(shape)} needs ${sizeOf(shape)} elements; got ${data.length}`,
    );
    const array = ArrayBuffer.isView(data) ? data : new Float32Array(data);
    const tensor = this.allocate(shape, dtypeOf(array), 'tensor');
    if (array.length > 0) this.queue.write(tensor.storage('tensor').buffer, array);
    return tensor;
  }

  /**
   * Replaces the elements of `tensor` in place: for inputs that are fed again and again, and for loaded weights.
   * Throws `ShapeError` unless `data` has its element type and size, `DisposedError`, `DeviceError` when the device is gone.
   */
  write(tensor: Tensor, data: TypedArray): void {
    this.#errors.checkAlive();
    const fits = dtypeOf(data) === tensor.dtype && data.length === tensor.size;
    check(fits, 'write', () => `${tensor} cannot take ${data.length} elements of ${dtypeOf(data)}`);
    if (data.length > 0) this.queue.write(tensor.storage('write').buffer, data);
  }

  /** A tensor with undefined elements, for the output of `op`. */
  allocate(shape: Shape, dtype: DType, op: string): Tensor {
    this.#errors.checkAlive();
    const buffer = this.pool.take(sizeOf(shape) * 4, op);
    return new Tensor(this, shape, dtype, { buffer, owners: 0 });
  }

  /**
   * Runs `action` and frees the tensors it made, except those in its result (arrays and plain objects are searched).
   * `action` may be async; two async scopes of one device must not overlap (`DeviceError`).
   */
  scope<R>(action: () => R): R {
    return this.#scopes.run(action, this.recorders);
  }

  /** Takes `tensor` out of every open scope: from now on it lives until `dispose`. */
  keep<T extends Tensor>(tensor: T): T {
    this.#scopes.disown(tensor);
    return tensor;
  }

  /** Waits until the GPU has finished; throws what it reported. */
  idle(): Promise<void> {
    return this.queue.idle();
  }

  /**
   * Runs `fn`, which may be async, and measures each kernel it launches by timestamps: GPU time, calls, bytes, flops.
   * Results are the same as without; dispatches run one by one, so the whole takes longer. Where the device lacks
   * `timestamp-query` times are undefined; browsers round them to 0.1 ms. Throws `DeviceError` when a profile is being
   * taken already, and what `fn` throws.
   */
  profile<R>(fn: () => R | Promise<R>): Promise<Profile<R>> {
    return profile(this, fn);
  }

  /** Shows what `action` launches, takes and gives back to `recording`.*/
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

  /** Bytes alive, most alive, and held for reuse. */
  memory(): Memory {
    return { ...this.pool.memory };
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

  /** Called by tensors as they are made and disposed of. */
  adopt(tensor: Tensor): void {
    this.#scopes.adopt(tensor);
  }

  disown(tensor: Tensor): void {
    this.#scopes.disown(tensor);
  }

  #fillWithNaN(buffer: PooledBuffer): void {
    this.queue.fill(buffer, new Uint32Array(buffer.bytes / 4).fill(POISON));
  }
}

function traitsOf(gpu: GPUDevice, adapter: GPUAdapter | undefined): Traits {
  const info = adapter?.info ?? gpu.adapterInfo;
  return {
    software: info.isFallbackAdapter,
    architecture: info.architecture,
    vendor: info.vendor,
    description: info.description || info.device || info.architecture,
    subgroups: gpu.features.has('subgroups'),
    subgroupMinSize: info.subgroupMinSize,
    subgroupMaxSize: info.subgroupMaxSize,
    maxInvocations: gpu.limits.maxComputeInvocationsPerWorkgroup,
    maxWorkgroupBytes: gpu.limits.maxComputeWorkgroupStorageSize,
  };
}

function dtypeOf(array: TypedArray): DType {
  if (array instanceof Float32Array) return 'f32';
  return array instanceof Int32Array ? 'i32' : 'u32';
}
