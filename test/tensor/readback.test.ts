import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { DeviceError } from '../../src/errors.ts';
import { add } from '../../src/kernels/elementwise.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice, within } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

/** Buffers for reads that are made while `action` runs. */
async function made(action: () => Promise<unknown>): Promise<number> {
  const create = vi.spyOn(device.gpu, 'createBuffer');
  await action();
  const count = create.mock.calls.filter(([{ label }]) => label === 'read').length;
  create.mockRestore();
  return count;
}

test('reads one after the other share one mapped buffer, and each gets its own elements', async () => {
  const x = device.tensor([1, 2, 3]);
  const count = await made(async () => {
    for (let i = 0; i < 20; i++) {
      const y = add(x, i);
      expect(await y.read()).toEqual(Float32Array.of(1 + i, 2 + i, 3 + i));
      y.dispose();
    }
  });
  expect(count).toBe(1);
  x.dispose();
});

test('reads that overlap have a buffer each, of which 16 are kept', async () => {
  const x = device.tensor([5]);
  const all = Array.from({ length: 40 }, (_, i) => add(x, i));
  const read = async () => {
    const found = await Promise.all(all.map((y) => y.item()));
    expect(found).toEqual(all.map((_, i) => 5 + i));
  };
  expect(await made(read)).toBe(39); // one was kept by the test before
  expect(await made(read)).toBe(40 - 16);
  for (const y of all) y.dispose();
});

test('what is kept is at most 64 MiB', async () => {
  const destroyed = vi.fn();
  const create = device.gpu.createBuffer.bind(device.gpu);
  const spy = vi.spyOn(device.gpu, 'createBuffer').mockImplementation((descriptor) => {
    const buffer = create(descriptor);
    const { destroy } = buffer;
    if (descriptor.label === 'read')
      buffer.destroy = () => {
        destroyed(descriptor.size);
        return destroy.call(buffer);
      };
    return buffer;
  });
  const x = device.allocate([2 ** 23], 'f32', 'test'); // 32 MiB
  await Promise.all([x.read(), x.read(), x.read()]);
  spy.mockRestore();
  x.dispose();
  expect(destroyed).toHaveBeenCalledTimes(1);
});

test('a read under way when the device is lost rejects, and its buffer is not kept', async () => {
  const other = await openTestDevice();
  const x = other.tensor([1]);
  await x.read();
  const reads = [x.read(), x.read()];
  other.gpu.destroy();
  for (const read of reads) await expect(within(20, read)).rejects.toBeInstanceOf(DeviceError);
  await expect(within(20, x.read())).rejects.toBeInstanceOf(DeviceError);
  other.dispose();
});
