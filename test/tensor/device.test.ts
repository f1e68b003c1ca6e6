import { expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { DeviceError, KernelError, ShapeError } from '../../src/errors.ts';
import { add, square } from '../../src/kernels/elementwise.ts';
import { reshape } from '../../src/kernels/layout.ts';
import { sum } from '../../src/kernels/reduce.ts';
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

test('an adapter that gives no device is said, with its reason', async () => {
  const cause = new Error('no more of them');
  const adapter = {
    features: new Set(),
    limits: {},
    requestDevice: async () => {
      throw cause;
    },
  } as unknown as GPUAdapter;
  const error = await openDevice({ adapter }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(DeviceError);
  expect((error as DeviceError).message).toMatch(
    /^openDevice: the adapter gives no device \(each gives one: open another\): .*no more of them/,
  );
  expect((error as DeviceError).cause).toBe(cause);
});

test('only 32-bit floats and integers are taken', async () => {
  const device = await openTestDevice();
  const x = device.tensor([1, 2]);
  const wrong: readonly [object, string][] = [
    [Float64Array.of(1, 2), 'Float64Array'],
    [Uint8Array.of(1, 2), 'Uint8Array'],
    [new BigInt64Array(2), 'BigInt64Array'],
    [new ArrayBuffer(8), 'ArrayBuffer'],
    [{ length: 2, 0: 1, 1: 2 }, 'Object'],
  ];
  for (const [data, name] of wrong) {
    const message = `data must be one of Float32Array, Int32Array, Uint32Array; got ${name}`;
    expect(() => device.tensor(data as Float32Array, [2])).toThrow(new ShapeError('tensor', message));
    expect(() => device.write(x, data as Float32Array)).toThrow(new ShapeError('write', message));
  }
  expect(await x.read()).toEqual(Float32Array.of(1, 2));
  device.dispose();
});

test('writing to what an open gradient tape needs is refused, through any view', async () => {
  const device = await openTestDevice();
  const [x, other] = [device.tensor([3]), device.tensor([3])];
  const [dx] = grad(() => {
    const y = sum(square(x));
    for (const tensor of [x, reshape(x, [1, 1])])
      expect(() => device.write(tensor, Float32Array.of(100))).toThrow(
        new KernelError('write', 'an open gradient tape needs the tensor as it is; update it afterwards'),
      );
    device.write(other, Float32Array.of(1));
    return y;
  }, [x]);
  expect(await dx?.item()).toBe(6);
  device.write(x, Float32Array.of(100));
  device.dispose();
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
