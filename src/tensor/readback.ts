import { bucketBytes } from './pool.ts';

const MAP_READ_COPY_DST = 0x01 | 0x08;
const MOST_BUFFERS = 16;
const MOST_BYTES = 2 ** 26;

/**
 * Buffers the host can map, kept from one read to the next: fresh ones must be zeroed by the driver and paged in. What is
 * kept is bounded; the oldest go first.
 */
export class ReadbackRing {
  readonly #device: GPUDevice;
  readonly #free: GPUBuffer[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** An unmapped buffer of `size` bytes or a little more. */
  take(size: number): GPUBuffer {
    const { maxBufferSize } = this.#device.limits;
    const bucket = Math.min(bucketBytes(size), maxBufferSize);
    const known = this.#free.findIndex((buffer) => buffer.size === bucket);
    const [buffer] = known < 0 ? [] : this.#free.splice(known, 1);
    return buffer ?? this.#device.createBuffer({ size: bucket, usage: MAP_READ_COPY_DST, label: 'read' });
  }

  /** Takes back a mapped buffer whose data have been copied. */
  give(buffer: GPUBuffer): void {
    buffer.unmap();
    this.#free.push(buffer);
    while (this.#free.length > MOST_BUFFERS || this.#bytes() > MOST_BYTES) this.#free.shift()?.destroy();
  }

  /** Destroys what is kept. */
  clear(): void {
    for (const buffer of this.#free.splice(0)) buffer.destroy();
  }

  #bytes(): number {
    return this.#free.reduce((sum, { size }) => sum + size, 0);
  }
}
