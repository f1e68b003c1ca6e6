import { CaptureError, DeviceError, KernelError } from '../errors.ts';
import type { ErrorSink } from './error-sink.ts';
import { copyImage, type ImageSize } from './image-copy.ts';
import { type Pipeline, type Wanted, writesOf } from './pipelines.ts';
import type { PooledBuffer } from './pool.ts';
import { prime } from './prime.ts';
import { ReadbackRing } from './readback.ts';
import type { Join, ParamScalar, Recording } from './recording.ts';
import type { Replay } from './replay.ts';
import { checkUsage } from './wrap.ts';

/** Bytes of a launch's params: the largest alignment WebGPU asks of a dynamic uniform offset. */
export const SLOT = 256;
/** The most dispatches of one submit. */
export const SLOTS = 64;
const UNIFORM_COPY_DST = 0x40 | 0x08;
const MAP_READ = 0x01;
const MOST_BIND_GROUPS = 8192;

/** The most workgroups one dispatch dimension may have. */
export const MAX_GROUPS = 65535;

/** One kernel launch, ready for the encoder. */
export interface Dispatch {
  readonly label: string;
  readonly pipeline: Pipeline;
  /** What the pipeline was built from. */
  readonly wanted: Wanted;
  readonly buffers: readonly PooledBuffer[];
  /** Params in declaration order, as 32-bit words. */
  readonly params: Uint32Array;
  /** Params that follow a scalar; for captured steps. */
  readonly scalars?: readonly ParamScalar[] | undefined;
  readonly groups: readonly [number, number, number];
  /** For captured steps. */
  readonly join?: Join | undefined;
  /** The tensors in `buffers`, which may be smaller; for profiles. */
  readonly tensors?: readonly { readonly bytes: number }[] | undefined;
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

/** Makes the bind group of a launch whose params lie in `arena`. */
export type BindGroupFactory = (dispatch: Dispatch, arena: GPUBuffer) => GPUBindGroup;

/** A copy of the first `bytes` of one buffer to another. A captured step copies from whatever is passed to it. */
export interface Copy {
  from: PooledBuffer;
  readonly to: GPUBuffer;
  readonly bytes: number;
}

/** One open encoder and pass: dispatches pile up, and one submit and one params upload carry about 64 of them. */
export class Queue {
  /** Dispatches since the device was opened. */
  dispatches = 0;
  /** The most workgroups in x before a count is folded into x and y; tests lower it. */
  foldAt = MAX_GROUPS;
  readonly #device: GPUDevice;
  readonly #errors: ErrorSink;
  readonly #arena: GPUBuffer;
  readonly #readback: ReadbackRing;
  readonly #staging = new Uint32Array((SLOT / 4) * SLOTS);
  readonly #bindGroups = new Map<string, GPUBindGroup>();
  readonly #labels = new Set<string>();
  readonly #touched = new Set<number>();
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #slots = 0;
  #timer: DispatchTimer | undefined;
  #recording: Recording | undefined;

  constructor(device: GPUDevice, errors: ErrorSink) {
    this.#device = device;
    this.#errors = errors;
    this.#arena = device.createBuffer({ size: SLOT * SLOTS, usage: UNIFORM_COPY_DST, label: 'params' });
    this.#readback = new ReadbackRing(device);
  }

  dispatch(dispatch: Dispatch): void {
    const { label, pipeline, buffers, params, groups } = dispatch;
    if (params.length * 4 > SLOT)
      throw new KernelError(label, `params take ${params.length * 4} bytes; ${SLOT} fit`);
    const bindGroup = this.#bindGroup(dispatch);
    const offset = this.#slots * SLOT;
    this.#staging.set(params, offset / 4);
    this.#slots++;
    this.#labels.add(label);
    for (const [i, written] of writesOf(dispatch.wanted).entries())
      if (written) (buffers[i] as PooledBuffer).changes++;
    for (const buffer of buffers) this.#touched.add(buffer.id);
    const pass = this.#openPass(dispatch);
    pass.setPipeline(pipeline.gpu);
    pass.setBindGroup(0, bindGroup, [offset]);
    pass.dispatchWorkgroups(...groups);
    this.dispatches++;
    this.#recording?.dispatch(dispatch);
    if (this.#slots === SLOTS) this.flush();
  }

  /** Shows a launch that is not done, as while warming up, to the recording. */
  note(launch: Omit<Dispatch, 'pipeline'>): void {
    this.#recording?.dispatch(launch);
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

  /** Shows later launches and writes to `recording`, or to none. */
  record(recording: Recording | undefined): void {
    this.#recording = recording;
  }

  /** Runs `copies`, then a recorded step from launch `first` on, and submits: its params may change before its next replay. */
  replay(step: Replay, copies: readonly Copy[], first: number): void {
    if (this.#timer) this.flush();
    step.refresh(this.#device.queue);
    step.noteChanges(first);
    this.#labels.add('captured step');
    for (let i = 0; i < copies.length; i++) this.#copy(copies[i] as Copy);
    const { length } = step.dispatches;
    if (this.#timer) this.#replayTimed(step, first);
    else if (first < length) step.encode(this.#openPass(step.dispatches[first] as Dispatch), first, length);
    this.dispatches += length - first;
    this.flush();
  }

  /** Each launch in a pass of its own. */
  #replayTimed(step: Replay, first: number): void {
    for (const [i, dispatch] of step.dispatches.entries()) {
      if (i < first) continue;
      step.encode(this.#openPass(dispatch), i, i + 1);
      if ((i + 1) % SLOTS === 0) this.flush();
    }
  }

  /** Runs each pipeline over no workgroups at all: some drivers compile at first use. */
  async prime(pipelines: readonly Pipeline[]): Promise<void> {
    if (pipelines.length === 0) return;
    this.#errors.guard('validation', 'warm', () => prime(this.#device, pipelines));
    await this.#finish(this.#device.queue.onSubmittedWorkDone());
  }

  /** The bind group of a launch that is not the queue's own. */
  readonly bind: BindGroupFactory = (dispatch, arena) =>
    this.#errors.guard('validation', dispatch.label, () => this.#createBindGroup(dispatch, arena));

  /** Uploads `data`. Writes overtake recorded dispatches, so those that use this buffer are submitted first. */
  write(buffer: PooledBuffer, data: ArrayBufferView): void {
    this.#recording?.write(buffer);
    this.fill(buffer, data);
  }

  /** `write` without an entry in a recording. */
  fill(buffer: PooledBuffer, data: ArrayBufferView): void {
    checkUsage('write', buffer, 'COPY_DST');
    if (this.#touched.has(buffer.id)) this.flush();
    buffer.changes++;
    this.#device.queue.writeBuffer(buffer.gpu, 0, data.buffer, data.byteOffset, data.byteLength);
  }

  /** Uploads a picture; see `copyImage`. Recorded dispatches may use the memory: they are submitted first. */
  image(source: GPUCopyExternalImageSource, size: ImageSize, buffer: PooledBuffer, flipY: boolean): void {
    if (this.#recording)
      throw new CaptureError('tensorFromImage', 'a captured step would not see the next picture; pass it in');
    this.#errors.checkAlive();
    this.flush();
    buffer.changes++;
    const copy = () => copyImage(this.#device, source, size, buffer.gpu, flipY);
    this.#errors.guard('validation', 'tensorFromImage', copy);
  }

  /** Downloads the first `bytes` of `buffer`. */
  async read(buffer: PooledBuffer, bytes: number): Promise<ArrayBuffer> {
    if (this.#isRecording('read')) return new ArrayBuffer(bytes);
    this.#errors.checkAlive();
    checkUsage('read', buffer, 'COPY_SRC');
    const size = 4 * Math.max(Math.ceil(bytes / 4), 1);
    const staging = this.#readback.take(size);
    try {
      this.#copy({ from: buffer, to: staging, bytes: size });
      this.flush();
      await this.#finish(staging.mapAsync(MAP_READ, 0, size));
      const data = staging.getMappedRange(0, size).slice(0, bytes);
      this.#readback.give(staging);
      return data;
    } catch (error) {
      staging.destroy();
      throw error;
    }
  }

  /** Waits until the GPU has done everything submitted so far. */
  async idle(): Promise<void> {
    if (this.#isRecording('idle')) return;
    this.#errors.checkAlive();
    this.flush();
    await this.#finish(this.#device.queue.onSubmittedWorkDone());
  }

  /** A wait inside a captured step makes the step fail, and not the promise as well, which nobody may await. */
  #isRecording(what: string): boolean {
    if (!this.#recording) return false;
    const message = 'a captured step cannot wait; return the tensor and read it outside';
    this.#recording.failure ??= new CaptureError(what, message);
    return true;
  }

  /** Waits for `work` and for the reports due by now, which a wait that overlaps would else take away. */
  async #finish(work: Promise<unknown>): Promise<void> {
    await Promise.all([this.#errors.settle(), this.#errors.orLost(work)]);
  }

  dispose(): void {
    this.#bindGroups.clear();
    this.#arena.destroy();
    this.#readback.clear();
  }

  #copy({ from, to, bytes }: Copy): void {
    this.#pass?.end();
    this.#pass = undefined;
    this.#encoder ??= this.#device.createCommandEncoder();
    this.#encoder.copyBufferToBuffer(from.gpu, 0, to, 0, 4 * Math.ceil(bytes / 4));
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

  #bindGroup(dispatch: Dispatch): GPUBindGroup {
    const { pipeline, buffers } = dispatch;
    let key = pipeline.layoutKey;
    for (const buffer of buffers) key += `,${buffer.id}`;
    const known = this.#bindGroups.get(key);
    if (known) return known;
    if (this.#bindGroups.size >= MOST_BIND_GROUPS) this.#bindGroups.clear();
    const group = this.bind(dispatch, this.#arena);
    this.#bindGroups.set(key, group);
    return group;
  }

  #createBindGroup({ label, pipeline, buffers }: Dispatch, arena: GPUBuffer): GPUBindGroup {
    const storage = buffers.map((buffer, i) => ({
      binding: pipeline.bindings[i] ?? 0,
      resource: resourceOf(buffer),
    }));
    const uniform = { binding: pipeline.uniform, resource: { buffer: arena, size: SLOT } };
    return this.#device.createBindGroup({ label, layout: pipeline.layout, entries: [uniform, ...storage] });
  }
}

/** All of a buffer, or the part of it that is meant. */
function resourceOf({ gpu, offset, bytes }: PooledBuffer): GPUBufferBinding {
  return offset === undefined ? { buffer: gpu } : { buffer: gpu, offset, size: bytes };
}
