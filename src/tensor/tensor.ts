import { DisposedError } from '../errors.ts';
import type { Device } from './device.ts';
import type { PooledBuffer } from './pool.ts';
import { type DType, formatShape, type Shape, sizeOf } from './shape.ts';

/** The array type of each element type. */
export type TypedArray = Float32Array | Int32Array | Uint32Array;

/** A buffer and how many tensors (views by `reshape`) share it. */
export interface Storage {
  readonly buffer: PooledBuffer;
  owners: number;
}

const ARRAYS = { f32: Float32Array, i32: Int32Array, u32: Uint32Array } as const;

/** A dense row-major array on a device. Made by a device or by an op; never changed except by `update` ops. */
export class Tensor {
  readonly device: Device;
  readonly shape: Shape;
  readonly dtype: DType;
  /** Number of elements. */
  readonly size: number;
  readonly #storage: Storage;
  #disposed = false;

  /** Made by `Device` only. */
  constructor(device: Device, shape: Shape, dtype: DType, storage: Storage) {
    this.device = device;
    this.shape = Object.freeze([...shape]);
    this.dtype = dtype;
    this.size = sizeOf(shape);
    this.#storage = storage;
    storage.owners++;
    device.adopt(this);
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Bytes of the elements. */
  get bytes(): number {
    return this.size * 4;
  }

  /** Downloads the elements in row-major order. Throws `DisposedError`, or `DeviceError` for what the GPU reports. */
  async read(): Promise<TypedArray> {
    const bytes = await this.device.queue.read(this.storage('read').buffer, this.bytes);
    return new ARRAYS[this.dtype](bytes);
  }

  /** The one element of a tensor of size 1. */
  async item(): Promise<number> {
    if (this.size !== 1)
      throw new RangeError(`item: needs one element; got shape ${formatShape(this.shape)}`);
    return (await this.read())[0] ?? Number.NaN;
  }

  /** Gives the memory back. Views made by `reshape` stay valid. Twice is once. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.device.disown(this);
    this.#storage.owners--;
    if (this.#storage.owners === 0) this.device.pool.give(this.#storage.buffer);
  }

  /** The memory behind this tensor, for `op`. Throws `DisposedError`. */
  storage(op: string): Storage {
    if (this.#disposed)
      throw new DisposedError(op, `a tensor of shape ${formatShape(this.shape)} was disposed of`);
    return this.#storage;
  }

  /** The same memory under another shape of equal size; unknown to autograd (ops use `reshape`). */
  view(shape: Shape, op: string): Tensor {
    return new Tensor(this.device, shape, this.dtype, this.storage(op));
  }

  toString(): string {
    return `Tensor(${this.dtype} ${formatShape(this.shape)})`;
  }
}
