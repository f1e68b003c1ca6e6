import { DeviceError } from '../errors.ts';
import type { ErrorSink } from './error-sink.ts';

const STORAGE_COPY = 0x80 | 0x04 | 0x08; // GPUBufferUsage.STORAGE | COPY_SRC | COPY_DST
/** A quiet NaN no kernel computes: what poisoned memory holds. */
export const POISON = 0x7fc0dead;

/** A buffer of the pool, or an application's; `id` names it in bind-group keys. */
export interface PooledBuffer {
  readonly id: number;
  readonly gpu: GPUBuffer;
  readonly bytes: number;
  /** Where it begins in `gpu`, where it is a part of it (`memory-plan.ts`), with stale counts: for bind groups of replays only. */
  readonly offset?: number;
  /** The application's own: never reused, never destroyed. */
  readonly wrapped: boolean;
  /** Counts how often it was taken and given back: equal versions are the same use. */
  version: number;
  /** Counts what has changed what it holds, or may have: kernels, uploads, and handing it to the application. */
  changes: number;
}

/** Sees memory come and go: the recording of a captured step. */
export interface PoolObserver {
  take(buffer: PooledBuffer): void;
  /** True when the buffer must not be reused. */
  give(buffer: PooledBuffer): boolean;
}

/** What the pool asks of the queue. */
export interface PoolHooks {
  /** Fills memory before an op gets it. */
  readonly poison: ((buffer: PooledBuffer) => void) | undefined;
  /** Submits recorded work, which may use memory that was given back. */
  readonly flush: () => void;
}

/** Bytes, in bucket sizes. */
export interface PoolMemory {
  live: number;
  /** The most `live` has been. */
  peak: number;
  /** The most `live` has been since a scope opened or closed, which set it anew. */
  high: number;
  /** Held for reuse. */
  pooled: number;
}

/** Four sizes per power of two, so that at most a fifth of a buffer is waste; 16, so a seventeenth, where that is much. */
export function bucketBytes(bytes: number): number {
  const floor = 2 ** Math.floor(Math.log2(Math.max(bytes, 256)));
  const step = floor / (floor < 2 ** 16 ? 4 : 16);
  return Math.ceil(Math.max(bytes, 256) / step) * step;
}

/** Reuses buffers by size bucket. Order on the one queue makes a returned buffer safe to hand out at once. */
export class Pool {
  readonly memory: PoolMemory = { live: 0, peak: 0, high: 0, pooled: 0 };
  readonly #free = new Map<number, PooledBuffer[]>();
  readonly #all = new Map<GPUBuffer, PooledBuffer>();
  readonly #device: GPUDevice;
  readonly #errors: ErrorSink;
  readonly #hooks: PoolHooks;
  #observer: PoolObserver | undefined;
  #nextId = 0;
  #nothing: GPUBuffer | undefined;

  constructor(device: GPUDevice, errors: ErrorSink, hooks: PoolHooks) {
    this.#device = device;
    this.#errors = errors;
    this.#hooks = hooks;
  }

  get observer(): PoolObserver | undefined {
    return this.#observer;
  }

  set observer(observer: PoolObserver | undefined) {
    this.#observer = observer;
  }

  /** A buffer of at least `bytes`, for `op` (named when it fails). Throws `DeviceError` past the device's limits. */
  take(bytes: number, op: string): PooledBuffer {
    const size = this.#fit(bytes, op);
    const reused = this.#free.get(size)?.pop();
    const buffer = reused ?? this.#create(size, op);
    if (reused) this.memory.pooled -= size;
    this.memory.live += size;
    this.memory.high = Math.max(this.memory.high, this.memory.live);
    this.memory.peak = Math.max(this.memory.peak, this.memory.live);
    this.#hooks.poison?.(buffer);
    buffer.version++;
    this.observer?.take(buffer);
    return buffer;
  }

  give(buffer: PooledBuffer): void {
    if (this.observer?.give(buffer)) return;
    buffer.version++;
    if (buffer.wrapped) return;
    const list = this.#free.get(buffer.bytes) ?? [];
    list.push(buffer);
    this.#free.set(buffer.bytes, list);
    this.memory.live -= buffer.bytes;
    this.memory.pooled += buffer.bytes;
  }

  /** A buffer of the application's, which the pool counts nowhere. Throws `DeviceError` for one of the pool's own. */
  wrap(gpu: GPUBuffer): PooledBuffer {
    if (this.#all.has(gpu))
      throw new DeviceError('wrap', 'the buffer belongs to a tensor of this device; use that tensor');
    return { id: this.#nextId++, gpu, bytes: gpu.size, wrapped: true, version: 0, changes: 0 };
  }

  /** What stands for the memory of a tensor that is never computed: a few bytes that all of them share. */
  standIn(): PooledBuffer {
    this.#nothing ??= this.#device.createBuffer({ size: 256, usage: STORAGE_COPY, label: 'warm' });
    const buffer = this.wrap(this.#nothing);
    this.observer?.take(buffer);
    return buffer;
  }

  /** Submits recorded work, then destroys every buffer that is held for reuse. */
  clear(): void {
    this.#hooks.flush();
    this.#clear();
  }

  #clear(): void {
    for (const buffer of [...this.#free.values()].flat()) this.#destroy(buffer);
    this.#free.clear();
    this.memory.pooled = 0;
  }

  /** Destroys every buffer, those of tensors that are alive included. */
  dispose(): void {
    this.#clear();
    this.#nothing?.destroy();
    for (const buffer of this.#all.values()) this.#destroy(buffer);
  }

  #destroy(buffer: PooledBuffer): void {
    this.#all.delete(buffer.gpu);
    buffer.gpu.destroy();
  }

  #fit(bytes: number, op: string): number {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.#device.limits;
    const most = Math.min(maxStorageBufferBindingSize, maxBufferSize);
    const limit = most === maxBufferSize ? 'maxBufferSize' : 'maxStorageBufferBindingSize';
    if (bytes > most)
      throw new DeviceError(op, `needs a buffer of ${bytes} bytes; this device allows ${most} (${limit})`);
    return Math.min(bucketBytes(bytes), most);
  }

  #create(size: number, op: string): PooledBuffer {
    const descriptor = { size, usage: STORAGE_COPY, label: op };
    const gpu = this.#errors.guard('out-of-memory', `${op}: allocating ${size} bytes`, () =>
      this.#device.createBuffer(descriptor),
    );
    const buffer = { id: this.#nextId++, gpu, bytes: size, wrapped: false, version: 0, changes: 0 };
    this.#all.set(gpu, buffer);
    return buffer;
  }
}
