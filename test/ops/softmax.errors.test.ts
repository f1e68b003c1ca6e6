import { afterAll, beforeAll, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { lanesFor, logSoftmax, rowVariants, softmax } from '../../src/kernels/softmax.ts';
import type { Device, Traits } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

test('rejects integers and axes out of range', () => {
  expect(() => softmax(device.tensor(new Int32Array(4)))).toThrow(ShapeError);
  expect(() => softmax(device.tensor([1, 2]), { axis: 1 })).toThrow(/softmax: axis must be in \[-1, 0\]/);
  expect(() => logSoftmax(device.tensor([1, 2]), { axis: -2 })).toThrow(/logSoftmax: axis/);
});

test('gives a row to a thread where rows are many or short', () => {
  const software = { software: true } as Traits;
  const gpu = { software: false } as Traits;
  expect(rowVariants({ rows: 4096, n: 1024, inner: 1 }, software)[0]).toBe('thread');
  expect(rowVariants({ rows: 1, n: 1e6, inner: 1 }, software)[0]).toBe('workgroup');
  expect(rowVariants({ rows: 4096, n: 1024, inner: 1 }, gpu)[0]).toBe('workgroup');
  expect(rowVariants({ rows: 4096, n: 10, inner: 1 }, gpu)[0]).toBe('thread');
  expect(rowVariants({ rows: 65536, n: 64, inner: 4096 }, gpu)[0]).toBe('thread');
  expect([lanesFor(10), lanesFor(1000), lanesFor(1e6)]).toEqual([16, 64, 256]);
});
