import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { DeviceError } from '../../src/errors.ts';
import { add, mul } from '../../src/kernels/elementwise.ts';
import { full } from '../../src/kernels/fill.ts';
import { broadcastTo, reshape, slice } from '../../src/kernels/layout.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { type Device, openDevice } from '../../src/tensor/device.ts';
import { bucketBytes } from '../../src/tensor/pool.ts';
import { openTestDevice, openTestGpu } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

test('a bucket holds what is asked for and wastes at most a fifth of itself, of a large one a seventeenth', () => {
  for (let bytes = 1; bytes < 1e9; bytes = Math.ceil(bytes * 1.037)) {
    const bucket = bucketBytes(bytes);
    expect(bucket).toBeGreaterThanOrEqual(bytes);
    expect(bucket % 16).toBe(0);
    expect(bucketBytes(bucket)).toBe(bucket);
    if (bytes >= 256) expect(bucket - bytes).toBeLessThanOrEqual(bucket / (bytes < 2 ** 16 ? 5 : 17));
  }
});

test('memory given back is used again for the same bucket only', () => {
  const first = device.allocate([100], 'f32', 'test');
  const { buffer } = first.storage('test');
  first.dispose();
  const other = device.allocate([1000], 'f32', 'test');
  const same = device.allocate([99], 'f32', 'test');
  expect(same.storage('test').buffer).toBe(buffer);
  expect(other.storage('test').buffer).not.toBe(buffer);
  other.dispose();
  same.dispose();
});

test('live, peak and pooled bytes are counted in buckets', async () => {
  const fresh = await openTestDevice();
  expect(fresh.memory()).toMatchObject({ live: 0, peak: 0, pooled: 0 });
  const a = fresh.allocate([1024], 'f32', 'test');
  const b = fresh.allocate([1024], 'f32', 'test');
  expect(fresh.memory()).toMatchObject({ live: 8192, peak: 8192, pooled: 0 });
  a.dispose();
  a.dispose();
  expect(fresh.memory()).toMatchObject({ live: 4096, peak: 8192, pooled: 4096 });
  const view = reshape(b, [32, 32]);
  b.dispose();
  expect(fresh.memory().live).toBe(4096);
  view.dispose();
  expect(fresh.memory()).toMatchObject({ live: 0, peak: 8192, pooled: 8192 });
  fresh.pool.clear();
  expect(fresh.memory()).toMatchObject({ live: 0, peak: 8192, pooled: 0 });
  fresh.dispose();
});

test('clearing does not break recorded work that uses what it frees', async () => {
  const y = device.scope(() => add(mul(device.tensor([1, 2, 3]), 2), 1));
  device.pool.clear();
  expect(await y.read()).toEqual(Float32Array.of(3, 5, 7));
  expect(device.memory().pooled).toBe(0);
  y.dispose();
});

test('1,000 calls take no more memory than two', async () => {
  const x = device.tensor(new Float32Array(1000).fill(1));
  const live: number[] = [];
  const held: number[] = [];
  for (let i = 0; i < 1000; i++) {
    device.scope(() => void sum(mul(add(x, i), x)));
    live.push(device.memory().live);
    held.push(device.memory().live + device.memory().pooled);
  }
  expect(new Set(live).size).toBe(1);
  expect(new Set(held.slice(1)).size).toBe(1);
  x.dispose();
  await device.idle();
});

describe('memory that is not there', () => {
  test('more than the device allows: the op and the bytes are named at once', () => {
    const most = Math.min(device.gpu.limits.maxBufferSize, device.gpu.limits.maxStorageBufferBindingSize);
    const rows = most / 4 + 1;
    const before = device.memory();
    const call = () => broadcastTo(device.tensor([1]), [rows, 1]);
    expect(() => device.scope(call)).toThrow(
      new RegExp(
        `^broadcastTo: needs a buffer of ${rows * 4} bytes; this device allows ${most} \\(max\\w+Size\\)$`,
      ),
    );
    expect(device.memory().live).toBe(before.live);
    expect(() => device.allocate([2 ** 20, 2 ** 20], 'f32', 'matmul')).toThrow(
      /^matmul: needs a buffer of 4398046511104 bytes; this device allows \d+ \(max\w+Size\)$/,
    );
  });

  test('a tensor as large as a device with the default limits binds, and not a byte more', async () => {
    const opened = await openTestGpu();
    const adapter = opened.adapter ?? (await opened.gpu.requestAdapter());
    const small = await openDevice({ device: (await adapter?.requestDevice()) as GPUDevice });
    const most = small.gpu.limits.maxStorageBufferBindingSize;
    const size = most / 4;
    const last = small.scope(() => slice(add(full(small, [size], 2), 1), { begin: [size - 3], size: [3] }));
    expect(await last.read()).toEqual(Float32Array.of(3, 3, 3));
    expect(() => full(small, [size + 1], 2)).toThrow(
      new DeviceError(
        'full',
        `needs a buffer of ${most + 4} bytes; this device allows ${most} (maxStorageBufferBindingSize)`,
      ),
    );
    small.dispose();
    small.gpu.destroy();
  });

  test('a driver that throws leaves no error scope of the device open', async () => {
    const create = vi.spyOn(device.gpu, 'createBuffer').mockImplementationOnce(() => {
      throw new TypeError('of the driver');
    });
    device.gpu.pushErrorScope('validation');
    expect(() => device.allocate([54_321], 'f32', 'conv2d')).toThrow('of the driver');
    create.mockRestore();
    expect(await device.gpu.popErrorScope()).toBe(null);
    await expect(device.gpu.popErrorScope()).rejects.toThrow();
    await device.idle();
  });

  test('the driver runs out: the op and the bytes are named at the next await', async () => {
    const popErrorScope = device.gpu.popErrorScope.bind(device.gpu);
    const pop = vi.spyOn(device.gpu, 'popErrorScope').mockImplementationOnce(async () => {
      await popErrorScope();
      return { message: 'out of memory' } as GPUError;
    });
    const x = device.allocate([12_345], 'f32', 'conv2d');
    pop.mockRestore();
    const error = await device.idle().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DeviceError);
    expect(String(error)).toMatch(/conv2d: allocating 57344 bytes: out of memory/);
    x.dispose();
    await device.idle();
  });
});
