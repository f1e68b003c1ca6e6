import { DeviceError, need } from '../errors.ts';
import type { Device } from './device.ts';
import type { PooledBuffer } from './pool.ts';
import { type Dispatch, type DispatchTimer, SLOTS } from './queue.ts';

const QUERY_BYTES = 8;
const QUERY_RESOLVE_COPY_SRC = 0x200 | 0x04;
const MAP_READ_COPY_DST = 0x01 | 0x08;
const MAP_READ = 0x01;

/** One dispatch that was profiled. */
export interface ProfiledDispatch {
  /** `file.wgsl:entry`. */
  readonly kernel: string;
  readonly groups: readonly [number, number, number];
  /** Bytes of the distinct tensors it was given: see `Profile`. */
  readonly bytes: number;
  /** Floating-point operations, where the kernel's launch says how many. */
  readonly flops: number | undefined;
  /** When the host recorded it, in ms since the profile began. */
  readonly enqueued: number;
  /** When the GPU began it, in ms since it began the first dispatch; undefined without timestamps. */
  readonly start: number | undefined;
  /** GPU time in ms; undefined without timestamps. */
  readonly time: number | undefined;
}

/** All dispatches of one kernel together. */
export interface KernelProfile {
  readonly kernel: string;
  readonly calls: number;
  /** GPU time in ms; undefined without timestamps. */
  readonly time: number | undefined;
  readonly bytes: number;
  /** Undefined where a call did not say. */
  readonly flops: number | undefined;
}

/**
 * What a function did on the GPU. `bytes` counts each tensor that a dispatch is given once and whole: memory that must
 * move if all of it is used. A kernel that reads a part moves less, one that reads twice past its caches more.
 */
export interface Profile<R = unknown> {
  /** What the function returned. */
  readonly result: R;
  /** Whether the device has `timestamp-query`; all times are undefined where it has not. */
  readonly timed: boolean;
  /** Wall time of the function and of its work on the GPU, in ms; profiling itself makes it longer. */
  readonly wall: number;
  /** Longest GPU time first; without timestamps most calls first. */
  readonly kernels: readonly KernelProfile[];
  /** In the order of their execution. */
  readonly dispatches: readonly ProfiledDispatch[];
}

type Sample = Omit<ProfiledDispatch, 'start' | 'time'>;

/** Runs `fn` with each dispatch of `device` in a pass of its own, between two timestamps. */
export async function profile<R>(device: Device, fn: () => R | Promise<R>): Promise<Profile<R>> {
  need(typeof fn === 'function', 'profile', 'a function', fn);
  const timer = new Timer(device.gpu);
  device.queue.time(timer);
  const began = performance.now();
  try {
    const result = await fn();
    await device.idle();
    const wall = performance.now() - began;
    const dispatches = withTimes(timer.samples, await timer.read(device));
    return { result, timed: timer.timed, wall, kernels: byKernel(dispatches), dispatches };
  } finally {
    device.queue.time(undefined);
    timer.dispose();
  }
}

/** Notes every dispatch, and writes two timestamps for each where the device can. */
class Timer implements DispatchTimer {
  readonly samples: Sample[] = [];
  readonly #device: GPUDevice;
  readonly #began = performance.now();
  readonly #chunks: GPUBuffer[] = [];
  readonly timed: boolean;
  #queries: GPUQuerySet | undefined;
  #resolved: GPUBuffer | undefined;
  #used = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
    this.timed = device.features.has('timestamp-query');
  }

  begin(dispatch: Dispatch): GPUComputePassDescriptor {
    const enqueued = performance.now() - this.#began;
    const { label: kernel, groups, flops } = dispatch;
    this.samples.push({ kernel, groups, bytes: bytesOf(dispatch), flops, enqueued });
    if (!this.timed) return {};
    this.#queries ??= this.#device.createQuerySet({ type: 'timestamp', count: 2 * SLOTS });
    const [beginningOfPassWriteIndex, endOfPassWriteIndex] = [this.#used++, this.#used++];
    return {
      timestampWrites: { querySet: this.#queries, beginningOfPassWriteIndex, endOfPassWriteIndex },
    };
  }

  flush(encoder: GPUCommandEncoder): void {
    if (!this.#queries || this.#used === 0) return;
    this.#resolved ??= this.#buffer(2 * SLOTS * QUERY_BYTES, QUERY_RESOLVE_COPY_SRC);
    const size = this.#used * QUERY_BYTES;
    const chunk = this.#buffer(size, MAP_READ_COPY_DST);
    encoder.resolveQuerySet(this.#queries, 0, this.#used, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, chunk, 0, size);
    this.#chunks.push(chunk);
    this.#used = 0;
  }

  /** Begin and end of every dispatch in nanoseconds. */
  async read(device: Device): Promise<bigint[]> {
    try {
      await Promise.all(this.#chunks.map((chunk) => chunk.mapAsync(MAP_READ)));
    } catch (cause) {
      device.checkAlive();
      throw new DeviceError('profile', 'the timestamps could not be read', { cause });
    }
    return this.#chunks.flatMap((chunk) => [...new BigUint64Array(chunk.getMappedRange())]);
  }

  #buffer(size: number, usage: number): GPUBuffer {
    return this.#device.createBuffer({ size, usage, label: 'profile' });
  }

  dispose(): void {
    for (const buffer of [...this.#chunks, this.#resolved]) buffer?.destroy();
    this.#queries?.destroy();
  }
}

function bytesOf({ buffers, tensors }: Dispatch): number {
  const bytes = new Map<PooledBuffer, number>();
  for (const [i, buffer] of buffers.entries()) {
    const own = tensors?.[i]?.bytes ?? buffer.bytes;
    bytes.set(buffer, Math.max(own, bytes.get(buffer) ?? 0));
  }
  return total(bytes.values());
}

function withTimes(samples: readonly Sample[], stamps: readonly bigint[]): ProfiledDispatch[] {
  const first = stamps[0] ?? 0n;
  return samples.map((sample, i) => {
    const [begin, end] = [stamps[2 * i], stamps[2 * i + 1]];
    if (begin === undefined || end === undefined) return { ...sample, start: undefined, time: undefined };
    // Some drivers reset their clock; a negative time is none.
    return { ...sample, start: Number(begin - first) / 1e6, time: Math.max(Number(end - begin) / 1e6, 0) };
  });
}

function byKernel(dispatches: readonly ProfiledDispatch[]): KernelProfile[] {
  const groups = new Map<string, ProfiledDispatch[]>();
  for (const dispatch of dispatches) {
    const group = groups.get(dispatch.kernel) ?? [];
    group.push(dispatch);
    groups.set(dispatch.kernel, group);
  }
  const kernels = [...groups].map(([kernel, calls]) => ({
    kernel,
    calls: calls.length,
    time: totalOrNone(calls.map(({ time }) => time)),
    bytes: total(calls.map(({ bytes }) => bytes)),
    flops: totalOrNone(calls.map(({ flops }) => flops)),
  }));
  return kernels.sort((a, b) => (b.time ?? 0) - (a.time ?? 0) || b.calls - a.calls);
}

function total(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

function totalOrNone(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === values.length ? total(known) : undefined;
}
