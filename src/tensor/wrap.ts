import { check, DeviceError } from '../errors.ts';
import type { PooledBuffer } from './pool.ts';
import { formatShape, type Shape } from './shape.ts';

const USAGE = { COPY_SRC: 0x04, COPY_DST: 0x08, STORAGE: 0x80 } as const;

/** Throws `DeviceError` of `op` unless an application's buffer was made for this use; the library's own are for all. */
export function checkUsage(op: string, { gpu, wrapped }: PooledBuffer, use: keyof typeof USAGE): void {
  if (wrapped && (gpu.usage & USAGE[use]) === 0)
    throw new DeviceError(op, `the wrapped buffer was made without GPUBufferUsage.${use}`);
}

/** Kernels read and write up to 16 bytes at a time: throws unless the buffer has room for that and can be bound whole. */
export function checkWrapped(
  buffer: PooledBuffer,
  elements: number,
  shape: Shape,
  { limits }: GPUDevice,
): void {
  checkUsage('wrap', buffer, 'STORAGE');
  const { bytes } = buffer;
  const needed = 16 * Math.max(Math.ceil(elements / 16), 1);
  const fits = bytes >= needed && bytes % 4 === 0;
  const asked = () => `${formatShape(shape)} needs a buffer of ${needed} bytes or more, in steps of 4`;
  check(fits, 'wrap', () => `${asked()}; got ${bytes}`);
  const most = limits.maxStorageBufferBindingSize;
  if (bytes > most) throw new DeviceError('wrap', `this device binds ${most} bytes at most; got ${bytes}`);
}
