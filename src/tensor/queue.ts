import { DeviceError, KernelError } from '../errors.ts';
import type { ErrorSink } from './error-sink.ts';
import type { Pipeline } from './pipelines.ts';
import type { PooledBuffer } from './pool.ts';

const SLOT = 256; // bytes: the largest alignment WebGPU asks of a dynamic uniform offset
/** The most dispatches of one submit. */
export const SLOTS = 64;
const UNIFORM_COPY_DST = 0x40 | 0x08;
const MAP_READ_COPY_DST = 0x01 | 0x08;
const MAP_READ = 0x01;
const MOST_BIND_GROUPS = 8192;

/** The most workgroups one dispatch dimension may have. */
export const MAX_GROUPS = 65535;

/** One kernel launch, ready for the encoder. */
export interface Dispatch {
  readonly label: string;
  readonly pipeline: Pipeline;
  readonly buffers: readonly PooledBuffer[];
  /** Params in declaration order, as 32-bit words. */
  readonly params: Uint32Array;
  readonly groups: readonly [number, number, number];
  /** The tensors in `buffers`, which may be smaller; for profiles. */
  readonly tensors?: readonly { readonly bytes: number }[];
  /** Floating-point operations; for profiles. */
  readonly flops?: number | undefined;
}

/** Times dispatches while a profile is taken: each then gets a pass of its own. */
export interface DispatchTimer {
  /** The pass for this dispatch. */
  begin(dispatch: Dispatch): GPUComputePassDescriptor;
  /** What is to be added to the encoder before it is submitted. */
  flush(encoder: GPUCommandEncoder): void;
}

/** One open encoder and pass: dispatches pile up, and one submit and one params upload carry about 64 of them. */
export class Queue {
  /** Dispatches since the device was opened. */
  dispatches = 0;
  readonly #device: GPUDevice;
  readonly #errors: ErrorSink;
  readonly #arena: GPUBuffer;
  readonly #staging = new Uint32Array((SLOT / 4) * SLOTS);
  readonly #bindGroups = new Map<string, GPUBindGroup>();
  readonly #labels = new Set<string>();
  readonly #touched = new Set<number>();
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #slots = 0;
  #timer: DispatchTimer | undefined;

  constructor(device: GPUDevice, errors: ErrorSink) {
    this.#device = device;
    this.#errors = errors;
    this.#arena = device.createBuffer({ size: SLOT * SLOTS, usage: UNIFORM_COPY_DST, label: 'params' });
  }

  dispatch(dispatch: Dispatch): void {
    const { label, pipeline, buffers, params, groups } = dispatch;
    if (params.length * 4 > SLOT)
      throw new KernelError(label, `params take ${params.length * 4} bytes; ${SLOT} fit`);
    const bindGroup = this.#bindGroup(label, pipeline, buffers);
    const offset = this.#slots * SLOT;
    this.#staging.set(params, offset / 4);
    this.#slots++;
    this.#labels.add(label);
    for (const buffer of buffers) this.#touched.add(buffer.id);
    const pass = this.#openPass(dispatch);
    pass.setPipeline(pipeline.gpu);
    pass.setBindGroup(0, bindGroup, [offset]);
    pass.dispatchWorkgroups(...groups);
    this.dispatches++;
    if (this.#slots === SLOTS) this.flush();
  }

  /** Submits what has been recorded. */
  flush(): void {
    if (!this.#encoder) return;
    const encoder = this.#encoder;
    const what = [...this.#labels].join(', ');
    this.#pass?.end();
    this.#timer?.flush(encoder);
    this.#errors.guard('validation', what, () => {
      this.#device.queue.writeBuffer(this.#arena, 0, this.#staging, 0, (this.#slots * SLOT) / 4);
      this.#device.queue.submit([encoder.finish()]);
    });
    this.#encoder = undefined;
    this.#pass = undefined;
    this.#slots = 0;
    this.#labels.clear();
    this.#touched.clear();
  }

  /** Hands later dispatches to `timer`, or to none. Throws `DeviceError` when there is one already. */
  time(timer: DispatchTimer | undefined): void {
    if (timer && this.#timer)
      throw new DeviceError('profile', 'a profile of this device is being taken; await it first');
    this.flush();
    this.#timer = timer;
  }

  /** Uploads `data`. Writes overtake recorded dispatches, so those that use this buffer are submitted first. */
  write(buffer: PooledBuffer, data: ArrayBufferView): void {
    if (this.#touched.has(buffer.id)) this.flush();
    this.#device.queue.writeBuffer(buffer.gpu, 0, data.buffer, data.byteOffset, data.byteLength);
  }

  /** Downloads the first `bytes` of `buffer`. */
  async read(buffer: PooledBuffer, bytes: number): Promise<ArrayBuffer> {
    this.#errors.checkAlive();
    const size = Math.max(bytes, 4);
    const staging = this.#device.createBuffer({ size, usage: MAP_READ_COPY_DST, label: 'read' });
    try {
      this.#copy(buffer, staging, size);
      this.flush();
      await this.#finish(staging.mapAsync(MAP_READ, 0, size));
      return staging.getMappedRange(0, size).slice(0, bytes);
    } finally {
      staging.destroy();
    }
  }

  /** Waits until the GPU has done everything submitted so far. */
  async idle(): Promise<void> {
    this.#errors.checkAlive();
    this.flush();
    await this.#finish(this.#device.queue.onSubmittedWorkDone());
  }

  /** Waits for `work` and for the reports due by now, which a wait that overlaps would else take away. */
  async #finish(work: Promise<unknown>): Promise<void> {
    await Promise.all([this.#errors.settle(), this.#errors.orLost(work)]);
  }

  dispose(): void {
    this.#bindGroups.clear();
    this.#arena.destroy();
  }

  #copy(source: PooledBuffer, target: GPUBuffer, size: number): void {
    this.#pass?.end();
    this.#pass = undefined;
    this.#encoder ??= this.#device.createCommandEncoder();
    this.#encoder.copyBufferToBuffer(source.gpu, 0, target, 0, size);
  }

  #openPass(dispatch: Dispatch): GPUComputePassEncoder {
    this.#encoder ??= this.#device.createCommandEncoder();
    if (this.#timer) {
      this.#pass?.end();
      this.#pass = this.#encoder.beginComputePass(this.#timer.begin(dispatch));
    }
    this.#pass ??= this.#encoder.beginComputePass();
    return this.#pass;
  }

  #bindGroup(label: string, pipeline: Pipeline, buffers: readonly PooledBuffer[]): GPUBindGroup {
    let key = pipeline.layoutKey;
    for (const buffer of buffers) key += `,${buffer.id}`;
    const known = this.#bindGroups.get(key);
    if (known) return known;
    if (this.#bindGroups.size >= MOST_BIND_GROUPS) this.#bindGroups.clear();
    const group = this.#errors.guard('validation', label, () =>
      this.#createBindGroup(label, pipeline, buffers),
    );
    this.#bindGroups.set(key, group);
    return group;
  }

  #createBindGroup(label: string, pipeline: Pipeline, buffers: readonly PooledBuffer[]): GPUBindGroup {
    const storage = buffers.map((buffer, i) => ({
      binding: pipeline.bindings[i] ?? 0,
      resource: { buffer: buffer.gpu },
    }));
    const uniform = { binding: pipeline.uniform, resource: { buffer: this.#arena, size: SLOT } };
    return this.#device.createBindGroup({ label, layout: pipeline.layout, entries: [uniform, ...storage] });
  }
}
