import type { Pipeline, Wanted } from './pipelines.ts';
import type { PooledBuffer } from './pool.ts';
import { type BindGroupFactory, type Dispatch, SLOT } from './queue.ts';
import type { ParamScalar, Value } from './recording.ts';
import type { Ordered } from './steady.ts';

const WORDS = SLOT / 4;
const UNIFORM_COPY_DST = 0x40 | 0x08;

/** `at` is the word among the params of all launches. */
type PlacedScalar = ParamScalar & { readonly at: number };

/** The launches of a recorded step with params and bind groups of their own, ready for one encoder after another. */
export class Replay {
  /** What launches write to that others may read, and which launch does. */
  readonly changed: readonly { readonly at: number; readonly buffer: PooledBuffer }[];
  /** For profiles, which look at every launch. */
  readonly dispatches: readonly Dispatch[];
  /** How many launches, from the first, need not be done again where only moving inputs have changed. */
  readonly steady: number;
  readonly #arena: GPUBuffer;
  readonly #params: Uint32Array<ArrayBuffer>;
  readonly #floats: Float32Array;
  readonly #offsets: Uint32Array;
  /** x, y and z of each launch. */
  readonly #workgroups: Uint32Array;
  readonly #pipelines: readonly GPUComputePipeline[];
  readonly #groups: readonly GPUBindGroup[];
  readonly #scalars: readonly PlacedScalar[];
  #uploaded = false;

  constructor(
    device: GPUDevice,
    { launches, steady }: Ordered,
    bufferOf: (value: Value) => PooledBuffer,
    pipelineOf: (wanted: Wanted) => Pipeline,
    bind: BindGroupFactory,
  ) {
    this.steady = steady;
    const size = Math.max(launches.length, 1) * SLOT;
    this.#arena = device.createBuffer({ size, usage: UNIFORM_COPY_DST, label: 'captured params' });
    this.#params = new Uint32Array(size / 4);
    this.#floats = new Float32Array(this.#params.buffer);
    this.#offsets = Uint32Array.from(launches, (_, i) => i * SLOT);
    this.#workgroups = Uint32Array.from(launches.flatMap(({ groups }) => groups));
    for (const [i, { params }] of launches.entries()) this.#params.set(params, i * WORDS);
    this.dispatches = launches.map((launch) => ({
      ...launch,
      pipeline: pipelineOf(launch.wanted),
      buffers: launch.values.map(bufferOf),
    }));
    this.changed = launches.flatMap(({ values, written }, at) =>
      values.flatMap((value, i) =>
        written[i] && bufferOf(value) === value.buffer ? { at, buffer: value.buffer } : [],
      ),
    );
    this.#pipelines = this.dispatches.map(({ pipeline }) => pipeline.gpu);
    this.#groups = this.dispatches.map((dispatch) => bind(dispatch, this.#arena));
    this.#scalars = launches.flatMap(({ scalars }, i) =>
      scalars.map((scalar) => ({ ...scalar, at: i * WORDS + scalar.word })),
    );
  }

  /** Looks scalars up and uploads the params if any has changed. Earlier replays must have been submitted. */
  refresh(queue: GPUQueue): void {
    let changed = !this.#uploaded;
    for (let i = 0; i < this.#scalars.length; i++) {
      const { at, type, scalar } = this.#scalars[i] as PlacedScalar;
      const before = this.#params[at];
      if (type === 'f32') this.#floats[at] = scalar.value;
      else this.#params[at] = scalar.value;
      changed ||= this.#params[at] !== before;
    }
    if (changed) queue.writeBuffer(this.#arena, 0, this.#params);
    this.#uploaded = true;
  }

  /** Counts a change of what the launches from `first` on write to. */
  noteChanges(first: number): void {
    for (let i = 0; i < this.changed.length; i++) {
      const { at, buffer } = this.changed[i] as { at: number; buffer: PooledBuffer };
      if (at >= first) buffer.changes++;
    }
  }

  /** Encodes the launches from `first` up to `end`. Nothing is allocated on the way. */
  encode(pass: GPUComputePassEncoder, first: number, end: number): void {
    let current: GPUComputePipeline | undefined;
    for (let i = first; i < end; i++) {
      const pipeline = this.#pipelines[i] as GPUComputePipeline;
      if (pipeline !== current) pass.setPipeline(pipeline);
      current = pipeline;
      pass.setBindGroup(0, this.#groups[i] as GPUBindGroup, this.#offsets, i, 1);
      const at = 3 * i;
      pass.dispatchWorkgroups(
        this.#workgroups[at] as number,
        this.#workgroups[at + 1] as number,
        this.#workgroups[at + 2] as number,
      );
    }
  }

  dispose(): void {
    this.#arena.destroy();
  }
}
