import { CaptureError } from '../errors.ts';
import type { Lifetime } from './memory-plan.ts';
import { type Wanted, writesOf } from './pipelines.ts';
import type { PooledBuffer } from './pool.ts';
import type { Dispatch } from './queue.ts';
import type { Scalar } from './scalar.ts';

/** A word of the params that follows a scalar. */
export interface ParamScalar {
  readonly word: number;
  readonly type: 'u32' | 'i32' | 'f32';
  readonly scalar: Scalar;
}

/** How a launch can take what an earlier one computes without that being stored in between. */
export interface Join {
  /** Which of its values that is. */
  readonly input: number;
  /** The launch that does the work of both; undefined where no kernel does. */
  after(first: Launch, then: Launch): Launch | undefined;
}

/** A launch of a recorded step. */
export interface Launch {
  readonly label: string;
  readonly wanted: Wanted;
  readonly values: readonly Value[];
  /** Which of them it may write to. */
  readonly written: readonly boolean[];
  readonly params: Uint32Array;
  readonly scalars: readonly ParamScalar[];
  readonly groups: readonly [number, number, number];
  readonly join: Join | undefined;
  readonly tensors: Dispatch['tensors'];
  readonly flops: number | undefined;
}

/** What a buffer held from when an op took it until it was given back; the same buffer may hold many values in turn. */
export interface Value extends Lifetime {
  readonly buffer: PooledBuffer;
  /** The buffer's version at the time. */
  readonly version: number;
  /** The launches that use it first and last. */
  first: number;
  last: number;
  /** Made inside the step, not before it. */
  readonly inner: boolean;
  /** Uploaded inside the step: it must last. */
  readonly constant: boolean;
}

type Draft = { -readonly [K in keyof Value]: Value[K] };

/** Writes down what the first call of a captured step does. */
export class Recording {
  /** What the step must not have done. */
  failure: CaptureError | undefined;
  readonly launches: Launch[] = [];
  /** Buffers of constants that were given back while recording: the captured step owns them from then on. */
  readonly constants: PooledBuffer[] = [];
  readonly #values = new Map<number, Draft>();

  /** Whether what a buffer holds now was made inside the step. */
  made(buffer: PooledBuffer): boolean {
    return this.#values.get(buffer.id)?.inner ?? false;
  }

  /** An op takes memory. */
  take(buffer: PooledBuffer): void {
    this.#values.set(buffer.id, this.#draft(buffer, true));
  }

  /** Memory is given back; true when it must stay as it is, because replays read what was uploaded to it. */
  give(buffer: PooledBuffer): boolean {
    const constant = this.#values.get(buffer.id)?.constant ?? false;
    this.#values.delete(buffer.id);
    if (constant) this.constants.push(buffer);
    return constant;
  }

  /** The host writes to memory, which a replay would not repeat. */
  write(buffer: PooledBuffer): void {
    const value = this.#values.get(buffer.id);
    if (!value?.inner || value.first >= 0)
      throw new CaptureError('write', 'a captured step cannot write to a tensor; pass it as an input');
    value.constant = true;
  }

  dispatch({ label, wanted, buffers, params, groups, ...rest }: Omit<Dispatch, 'pipeline'>): void {
    const at = this.launches.length;
    const values = buffers.map((buffer) => this.#use(buffer, at));
    const { scalars = [], join, tensors, flops } = rest;
    const own = { params: params.slice(), scalars, groups, join, tensors, flops };
    this.launches.push({ label, wanted, values, written: writesOf(wanted), ...own });
  }

  #use(buffer: PooledBuffer, at: number): Value {
    const value = this.#values.get(buffer.id) ?? this.#draft(buffer, false);
    this.#values.set(buffer.id, value);
    if (value.first < 0) value.first = at;
    value.last = at;
    return value;
  }

  #draft(buffer: PooledBuffer, inner: boolean): Draft {
    return {
      buffer,
      version: buffer.version,
      inner,
      bytes: buffer.bytes,
      first: -1,
      last: -1,
      constant: false,
    };
  }
}
