import { expect, test } from 'vitest';
import { DeviceError, ShapeError } from '../../src/errors.ts';
import { add } from '../../src/kernels/elementwise.ts';
import { openDevice } from '../../src/tensor/device.ts';
import { openTestDevice, openTestGpu, within } from '../open.ts';

test('an application device is used as it is and never destroyed', async () => {
  const { adapter } = await openTestGpu();
  const gpu = await adapter.requestDevice();
  const device = await openDevice({ device: gpu });
  expect(device.gpu).toBe(gpu);
  expect(await add(device.tensor([1, 2]), 1).read()).toEqual(Float32Array.of(2, 3));
  device.dispose();

  const again = await openDevice({ device: gpu });
  expect(await add(again.tensor([1, 2]), 2).read()).toEqual(Float32Array.of(3, 4));
  again.dispose();
  gpu.destroy();
});

test('disposing frees all memory in an application device, tensors included', async () => {
  const { adapter } = await openTestGpu();
  const gpu = await adapter.requestDevice();
  const device = await openDevice({ device: gpu });
  const { buffer } = device.tensor([1, 2]).storage('test');
  device.dispose();
  gpu.pushErrorScope('validation');
  const encoder = gpu.createCommandEncoder();
  encoder.clearBuffer(buffer.gpu);
  gpu.queue.submit([encoder.finish()]);
  expect((await gpu.popErrorScope())?.message).toMatch(/destroyed/);
  gpu.destroy();
});

test('a device the library opened is destroyed when it is disposed of', async () => {
  const device = await openTestDevice();
  device.dispose();
  expect((await within(10, device.gpu.lost)).reason).toBe('destroyed');
  expect(() => device.tensor([1])).toThrow(DeviceError);
});

test('an adapter is opened with all the limits it offers', async () => {
  const { adapter } = await openTestGpu();
  const device = await openDevice({ adapter });
  expect(device.gpu.limits.maxBufferSize).toBe(adapter.limits.maxBufferSize);
  expect(device.traits).toMatchObject({
    architecture: adapter.info.architecture,
    vendor: adapter.info.vendor,
    software: adapter.info.isFallbackAdapter,
    subgroups: adapter.features.has('subgroups'),
    maxInvocations: adapter.limits.maxComputeInvocationsPerWorkgroup,
    maxWorkgroupBytes: adapter.limits.maxComputeWorkgroupStorageSize,
  });
  expect(device.traits.description).not.toBe('');
  device.dispose();
});

test('a GPU is asked for its fastest adapter', async () => {
  const { gpu, adapter } = await openTestGpu();
  const asked: unknown[] = [];
  const spy = {
    requestAdapter: async (options: GPURequestAdapterOptions) => {
      asked.push(options);
      return adapter;
    },
  } as unknown as GPU;
  const device = await openDevice({ gpu: spy });
  expect(asked).toEqual([{ powerPreference: 'high-performance' }]);
  device.dispose();
  expect(gpu).toBeDefined(); // Dawn aborts when its instance is collected first
});

test('no WebGPU and no adapter are said', async () => {
  await expect(openDevice()).rejects.toThrow(/openDevice: no WebGPU here.*kernelwright\/node/);
  const empty = { requestAdapter: async () => null } as unknown as GPU;
  await expect(openDevice({ gpu: empty })).rejects.toThrow(DeviceError);
  await expect(openDevice({ gpu: empty })).rejects.toThrow('it offers no adapter');
});

test('tensor and write check what they are given', async () => {
  const device = await openTestDevice();
  expect(() => device.tensor([1, 2, 3], [2, 2])).toThrow(
    new ShapeError('tensor', 'shape [2, 2] needs 4 elements; got 3'),
  );
  expect(() => device.tensor([], [-1])).toThrow(/tensor: dimensions must be non-negative integers/);
  const x = device.tensor([1, 2]);
  expect(() => device.write(x, Float32Array.of(1))).toThrow(ShapeError);
  expect(() => device.write(x, Int32Array.of(1, 2))).toThrow(
    'write: Tensor(f32 [2]) cannot take 2 elements of i32',
  );
  device.dispose();
});
