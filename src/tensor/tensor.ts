import { check, DisposedError, kindOf } from '../errors.ts';
import { floatToHalf, halfToFloat } from '../formats/half.ts';
import type { Device } from './device.ts';
import type { PooledBuffer } from './pool.ts';
import { bytesOf, type DType, formatShape, type Shape, sizeOf } from './shape.ts';

/** The array type of each element type; f16 is converted on the way. */
export interface ArrayTypes {
  readonly f32: Float32Array;
  readonly f16: Float32Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
}

/** The array of any element type. */
export type TypedArray = ArrayTypes[DType];

/** A buffer and how many tensors (views by `reshape`) share it. */
export interface Storage {
  readonly buffer: PooledBuffer;
  owners: number;
}

const ARRAYS = { f32: Float32Array, i32: Int32Array, u32: Uint32Array } as const;

/** What is written to a buffer for `data`: itself, or its halves, in whole words. */
export function encode(data: TypedArray, dtype: DType): ArrayBufferView {
  if (dtype !== 'f16') return data;
  const halves = new Uint16Array(2 * Math.ceil(data.length / 2));
  for (let i = 0; i < data.length; i++) halves[i] = floatToHalf(data[i] as number);
  return halves;
}

function decode<D extends DType>(bytes: ArrayBuffer, dtype: D): ArrayTypes[D] {
  const made =
    dtype === 'f16'
      ? Float32Array.from(new Uint16Array(bytes), halfToFloat)
      : new ARRAYS[dtype as 'f32'](bytes);
  return made as ArrayTypes[D];
}

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
    return bytesOf(this.size, this.dtype);
  }

  /**
   * The GPUBuffer behind this tensor, for commands of the application's own: the elements are its first `bytes`. Recorded
   * work is submitted first, so that whatever the application submits next comes after it; so ask for it anew each time.
   * Valid until `dispose`. Throws `DisposedError`, `DeviceError` when the device is gone.
   */
  get buffer(): GPUBuffer {
    const { buffer } = this.storage('buffer');
    this.device.checkAlive();
    this.device.queue.flush();
    buffer.changes++;
    return buffer.gpu;
  }

  /**
   * Downloads the elements in row-major order, f16 as a Float32Array. With `dtype` the type of the array is known to the compiler. Throws
   * `ShapeError` for another `dtype` than the tensor's, `DisposedError`, or `DeviceError` for what the GPU reports.
   */
  async read<D extends DType = DType>(dtype?: D): Promise<ArrayTypes[D]> {
    const { buffer } = this.storage('read');
    check(dtype === undefined || dtype === this.dtype, 'read', () => `${this} holds no ${dtype}`);
    const { warmUp, queue } = this.device;
    const bytes = warmUp ? new ArrayBuffer(this.bytes) : await queue.read(buffer, this.bytes);
    return decode(bytes, this.dtype as D);
  }

  /** The one element of a tensor of size 1; throws `ShapeError` for another size, otherwise as `read`. */
  async item(): Promise<number> {
    check(this.size === 1, 'item', () => `needs one element; got shape ${formatShape(this.shape)}`);
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

const DTYPES = new Map<string, DType>([
  ['Float32Array', 'f32'],
  ['Int32Array', 'i32'],
  ['Uint32Array', 'u32'],
]);

/** The element type of `array`. Throws `ShapeError` for other types. */
export function dtypeOf(array: TypedArray, op: string): DType {
  const name = kindOf(array);
  const dtype = DTYPES.get(name);
  check(dtype !== undefined, op, () => `data must be one of ${[...DTYPES.keys()].join(', ')}; got ${name}`);
  return dtype;
}
