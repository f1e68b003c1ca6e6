import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DisposedError, ShapeError } from '../../src/errors.ts';
import { add } from '../../src/kernels/elementwise.ts';
import { reshape } from '../../src/kernels/layout.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

describe('upload and read', () => {
  test.each([
    ['f32', Float32Array.of(1.5, -0, Number.POSITIVE_INFINITY, 2 ** -140)],
    ['i32', Int32Array.of(-(2 ** 31), -1, 2 ** 31 - 1)],
    ['u32', Uint32Array.of(0, 2 ** 32 - 1)],
  ] as const)('%s comes back bit for bit', async (dtype, data) => {
    const x = device.tensor(data);
    expect(x.dtype).toBe(dtype);
    expect(x.shape).toEqual([data.length]);
    expect(x.bytes).toBe(data.length * 4);
    expect(await x.read()).toEqual(data);
  });

  test('plain numbers are f32', async () => {
    const x = device.tensor([1, 2, 3, 4], [2, 2]);
    expect([x.dtype, x.size, String(x)]).toEqual(['f32', 4, 'Tensor(f32 [2, 2])']);
    expect(await x.read()).toEqual(Float32Array.of(1, 2, 3, 4));
  });

  test('a part of a larger array is uploaded alone', async () => {
    const part = Float32Array.of(9, 8, 7, 6).subarray(1, 3);
    expect(await device.tensor(part).read()).toEqual(Float32Array.of(8, 7));
  });

  test('the array may change once tensor() has returned', async () => {
    const data = Float32Array.of(1, 2);
    const x = device.tensor(data);
    data.fill(0);
    expect(await x.read()).toEqual(Float32Array.of(1, 2));
  });

  test('the shape cannot be changed from outside', () => {
    const shape = [2];
    const x = device.tensor([1, 2], shape);
    shape[0] = 7;
    expect(x.shape).toEqual([2]);
    expect(() => (x.shape as number[]).push(1)).toThrow(TypeError);
  });

  test('item is the one element, of any rank', async () => {
    expect(await device.tensor([5], [1, 1]).item()).toBe(5);
    expect(await device.tensor([6], []).item()).toBe(6);
    await expect(device.tensor([1, 2]).item()).rejects.toThrow('item: needs one element; got shape [2]');
    await expect(device.tensor([1, 2]).item()).rejects.toThrow(ShapeError);
  });

  test('the type of the array may be asked for, and is checked', async () => {
    const x = device.tensor(Int32Array.of(1, 2));
    expect((await x.read('i32')).map((value) => value + 1)).toEqual(Int32Array.of(2, 3));
    await expect(x.read('f32')).rejects.toThrow(new ShapeError('read', 'Tensor(i32 [2]) holds no f32'));
  });
});

describe('after dispose', () => {
  test('every use names itself', async () => {
    const x = device.tensor([1, 2], [1, 2]);
    const y = device.tensor([1, 2], [2, 1]);
    x.dispose();
    expect(x.disposed).toBe(true);
    expect(() => matmul(x, y)).toThrow(
      new DisposedError('matmul', 'a tensor of shape [1, 2] was disposed of'),
    );
    expect(() => matmul(y, x)).toThrow(DisposedError);
    expect(() => reshape(x, [2])).toThrow(/^reshape: /);
    expect(() => device.write(x, Float32Array.of(1, 2))).toThrow(/^write: /);
    await expect(x.read()).rejects.toThrow(/^read: .*disposed/);
  });

  test('twice is once', () => {
    const x = device.tensor([1]);
    const { live } = device.memory();
    x.dispose();
    x.dispose();
    expect(device.memory().live).toBe(live - 256);
  });
});

describe('views', () => {
  test('share memory, both ways round, and outlive what they view', async () => {
    const x = device.tensor([1, 2, 3, 4]);
    const y = reshape(x, [2, 2]);
    expect(y.storage('test')).toBe(x.storage('test'));
    device.write(y, Float32Array.of(5, 6, 7, 8));
    expect(await x.read()).toEqual(Float32Array.of(5, 6, 7, 8));
    x.dispose();
    const other = device.tensor([0, 0, 0, 0]); // would take the memory of x
    expect(await add(y, 1).read()).toEqual(Float32Array.of(6, 7, 8, 9));
    other.dispose();
    y.dispose();
  });
});

test('tensors of two devices do not mix', async () => {
  const other = await openTestDevice();
  expect(() => add(device.tensor([1]), other.tensor([1]))).toThrow(ShapeError);
  expect(() => add(device.tensor([1]), other.tensor([1]))).toThrow(/is on another device/);
  other.dispose();
});
