import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { CaptureError, DeviceError, DisposedError, KernelError, ShapeError } from '../../src/errors.ts';
import { add, mul } from '../../src/kernels/elementwise.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { emaUpdate } from '../../src/kernels/update.ts';
import { capture } from '../../src/tensor/capture.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

const USAGE = { COPY_SRC: 0x04, COPY_DST: 0x08, STORAGE: 0x80 } as const;
type Use = keyof typeof USAGE;
const ALL: readonly Use[] = ['STORAGE', 'COPY_SRC', 'COPY_DST'];

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

/** A buffer of the application's that holds `data`. */
function bufferOf(
  data: readonly number[],
  { size = 16, uses = ALL }: { size?: number; uses?: readonly Use[] } = {},
) {
  const usage = uses.reduce((flags, use) => flags | USAGE[use], 0);
  const buffer = device.gpu.createBuffer({ size, usage, mappedAtCreation: true });
  new Float32Array(buffer.getMappedRange()).set(data);
  buffer.unmap();
  return buffer;
}

/** What the application finds in `buffer` by commands of its own. */
async function contentOf(buffer: GPUBuffer, count: number): Promise<number[]> {
  const staging = device.gpu.createBuffer({ size: 4 * count, usage: 0x01 | USAGE.COPY_DST });
  const encoder = device.gpu.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, 4 * count);
  device.gpu.queue.submit([encoder.finish()]);
  await staging.mapAsync(0x01);
  const found = [...new Float32Array(staging.getMappedRange())];
  staging.destroy();
  return found;
}

const read = async (tensor: Tensor) => [...(await tensor.read())];

describe('a wrapped buffer', () => {
  test('is a tensor without a copy, and what the application writes later is seen', async () => {
    const buffer = bufferOf([1, 2, 3, 4]);
    const x = device.wrap(buffer, [2, 2]);
    expect(await read(matmul(x, x))).toEqual([7, 10, 15, 22]);
    device.gpu.queue.writeBuffer(buffer, 0, Float32Array.of(0, 1, 1, 0));
    expect(await read(x)).toEqual([0, 1, 1, 0]);
    expect(await read(matmul(x, x))).toEqual([1, 0, 0, 1]);
    expect(x.buffer).toBe(buffer);
  });

  test('may hold integers, or more than the tensor takes', async () => {
    const buffer = bufferOf([1, 2, 3, 4, 5, 6, 7, 8], { size: 32 });
    expect(await read(mul(device.wrap(buffer, [3]), 2))).toEqual([2, 4, 6]);
    expect(await read(device.wrap(buffer, [1], 'i32'))).toEqual([0x3f800000]);
  });

  test('is no memory of the library, which neither reuses nor destroys it', async () => {
    const before = device.memory();
    const buffer = bufferOf([1, 2, 3, 4]);
    device.scope(() => void add(device.wrap(buffer, [4]), 1));
    const x = device.wrap(buffer, [4]);
    expect(device.memory().live).toBe(before.live);
    x.dispose();
    await expect(x.read()).rejects.toThrow(DisposedError);
    for (let i = 0; i < 4; i++) device.tensor([9, 9, 9, 9]);
    device.pool.clear();
    expect(await contentOf(buffer, 4)).toEqual([1, 2, 3, 4]);
    expect(await read(device.wrap(buffer, [4]))).toEqual([1, 2, 3, 4]);
  });

  test('outlives the library in an application device', async () => {
    const gpu = device.gpu;
    const { Device } = await import('../../src/tensor/device.ts');
    const other = new Device(gpu, false);
    const buffer = bufferOf([5, 6, 7, 8]);
    other.wrap(buffer, [4]);
    other.dispose();
    expect(await contentOf(buffer, 4)).toEqual([5, 6, 7, 8]);
  });

  test('may be written to and updated in place, and no element behind it is touched', async () => {
    const buffer = bufferOf([1, 2, 3, 4, 5, 6, 7, 8], { size: 32 });
    const target = device.wrap(buffer, [4]);
    emaUpdate(target, device.tensor([3, 4, 5, 6]), { momentum: 0.5 });
    expect(await contentOf(target.buffer, 8)).toEqual([2, 3, 4, 5, 5, 6, 7, 8]);
    device.write(target, Float32Array.of(0, 0, 0, 1));
    expect(await contentOf(target.buffer, 8)).toEqual([0, 0, 0, 1, 5, 6, 7, 8]);
  });

  test('wrapped twice is one memory: what shares it is refused', () => {
    const buffer = bufferOf([1, 2, 3, 4]);
    const [x, y] = [device.wrap(buffer, [4]), device.wrap(buffer, [4])];
    expect(() => emaUpdate(x, y, { momentum: 0.5 })).toThrow(/must not share memory/);
    grad(() => {
      const loss = sum(mul(x, x));
      expect(() => device.write(y, new Float32Array(4))).toThrow(KernelError);
      return loss;
    }, [x]);
    x.dispose();
    expect(y.disposed).toBe(false);
  });
});

describe('a captured step', () => {
  const step = (weight: Tensor) => capture((x: Tensor) => mul(x, weight));

  test('takes wrapped inputs and weights, and reads them anew', async () => {
    const [given, weights] = [bufferOf([1, 2, 3, 4]), bufferOf([2, 2, 2, 2])];
    const run = step(device.wrap(weights, [4]));
    const x = device.wrap(given, [4]);
    expect(await read(run(x))).toEqual([2, 4, 6, 8]);
    device.gpu.queue.writeBuffer(given, 0, Float32Array.of(5, 6, 7, 8));
    device.gpu.queue.writeBuffer(weights, 0, Float32Array.of(1, 1, 0, 0));
    expect(await read(run(x))).toEqual([5, 6, 0, 0]);
    expect(await read(run(device.tensor([1, 1, 1, 1])))).toEqual([1, 1, 0, 0]);
    run.dispose();
    expect(await contentOf(given, 4)).toEqual([5, 6, 7, 8]);
  });

  test('updates a wrapped tensor in place at every replay', async () => {
    const buffer = bufferOf([0, 0, 0, 0]);
    const average = device.wrap(buffer, [4]);
    const run = capture((x: Tensor) => {
      emaUpdate(average, x, { momentum: 0.5 });
      return add(x, 0);
    });
    for (let i = 0; i < 2; i++) run(device.tensor([4, 4, 8, 8]));
    expect(await contentOf(average.buffer, 4)).toEqual([3, 3, 6, 6]);
    run.dispose();
  });

  test('refuses one that was disposed of, and to wrap inside', () => {
    const buffer = bufferOf([1, 1, 1, 1]);
    const weight = device.wrap(buffer, [4]);
    const run = step(weight);
    run(device.tensor([1, 2, 3, 4]));
    weight.dispose();
    expect(() => run(device.tensor([1, 2, 3, 4]))).toThrow(DisposedError);
    run.dispose();
    const inside = capture((x: Tensor) => add(x, device.wrap(buffer, [4])));
    expect(() => inside(device.tensor([1, 2, 3, 4]))).toThrow(CaptureError);
  });
});

describe('wrap refuses', () => {
  test('too small a buffer, and one that cannot be bound', () => {
    expect(() => device.wrap(bufferOf([], { size: 16 }), [5])).toThrow(
      new ShapeError('wrap', '[5] needs a buffer of 32 bytes or more, in steps of 4; got 16'),
    );
    const odd = device.gpu.createBuffer({ size: 18, usage: USAGE.STORAGE });
    expect(() => device.wrap(odd, [4])).toThrow(ShapeError);
    const empty = device.gpu.createBuffer({ size: 0, usage: USAGE.STORAGE });
    expect(() => device.wrap(empty, [0])).toThrow(ShapeError);
    expect(() => device.wrap(bufferOf([]), [-1])).toThrow(/wrap: dimensions must be/);
  });

  test('buffers made for something else', async () => {
    expect(() => device.wrap(bufferOf([], { uses: ['COPY_SRC'] }), [4])).toThrow(
      new DeviceError('wrap', 'the wrapped buffer was made without GPUBufferUsage.STORAGE'),
    );
    const x = device.wrap(bufferOf([1, 2, 3, 4], { uses: ['STORAGE'] }), [4]);
    expect(await read(add(x, 1))).toEqual([2, 3, 4, 5]);
    await expect(x.read()).rejects.toThrow(/^read: .*without GPUBufferUsage.COPY_SRC/);
    expect(() => device.write(x, new Float32Array(4))).toThrow(/^write: .*COPY_DST/);
    expect(() => capture((input: Tensor) => add(input, 1))(x)).toThrow(/^capture: .*COPY_SRC/);
    expect(await read(add(x, 1))).toEqual([2, 3, 4, 5]);
  });

  test("the library's own buffers, and a device that is gone", async () => {
    const own = device.tensor([1, 2, 3, 4]);
    expect(() => device.wrap(own.buffer, [4])).toThrow(/wrap: the buffer belongs to a tensor/);
    const other = await openTestDevice();
    const buffer = other.gpu.createBuffer({ size: 16, usage: USAGE.STORAGE });
    other.dispose();
    expect(() => other.wrap(buffer, [4])).toThrow(DeviceError);
  });

  test('a buffer that was destroyed shows at the next await, by the name of the op', async () => {
    const buffer = bufferOf([1, 2, 3, 4]);
    const x = device.wrap(buffer, [4]);
    buffer.destroy();
    add(x, 1);
    const error = await device.idle().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DeviceError);
    expect(String(error)).toMatch(/elementwise-binary.wgsl/);
    await device.idle();
  });
});

describe('tensor.buffer', () => {
  test('is the memory of any tensor, with recorded work submitted', async () => {
    const y = mul(device.tensor([1, 2, 3, 4]), 3);
    expect(await contentOf(y.buffer, 4)).toEqual([3, 6, 9, 12]);
    device.gpu.queue.writeBuffer(y.buffer, 0, Float32Array.of(7));
    expect(await read(y)).toEqual([7, 6, 9, 12]);
  });

  test('needs a tensor and a device that are there', async () => {
    const x = device.tensor([1]);
    x.dispose();
    expect(() => x.buffer).toThrow(DisposedError);
    const other = await openTestDevice();
    const y = other.tensor([1]);
    other.dispose();
    expect(() => y.buffer).toThrow(DeviceError);
  });
});
