import { afterAll, beforeAll, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { subgroupGroups } from '../../src/kernels/row-subgroup.ts';
import { lanesFor, logSoftmax, rowVariants, softmax, softmaxVariants } from '../../src/kernels/softmax.ts';
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
  expect(softmaxVariants({ rows: 4096, n: 1024, inner: 1 }, software)).toEqual(['thread', 'workgroup']);
  expect([lanesFor(10), lanesFor(1000), lanesFor(1e6)]).toEqual([16, 64, 256]);
});

test('gives a row of whole vectors to a subgroup, first of all on a GPU where rows are many and neither short nor long', () => {
  const first = (n: number, inner = 1, software = false, rows = 4096) =>
    softmaxVariants({ rows, n, inner }, { software, subgroups: true } as Traits)[0];
  expect([first(1024), first(8192), first(64)]).toEqual(['subgroup', 'subgroup', 'subgroup']);
  expect([first(1023), first(32), first(1e6), first(64, 4)]).not.toContain('subgroup');
  expect(first(1024, 1, true)).toBe('thread');
  expect(first(8192, 1, false, 1)).toBe('workgroup');
  expect(subgroupGroups(4096, { subgroupMaxSize: 32 })).toBe(1024);
});
