import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { measure, timeOf } from '../../bench/measure.ts';
import { geometricMean, timingOf } from '../../bench/stats.ts';
import { add } from '../../src/kernels/elementwise.ts';
import { full } from '../../src/kernels/fill.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

test('median, least and most', () => {
  expect(timingOf([5, 1, 3])).toEqual({ median: 3, min: 1, max: 5 });
  expect(timingOf([4, 1, 2, 10])).toEqual({ median: 3, min: 1, max: 10 });
  expect(timingOf([7])).toEqual({ median: 7, min: 7, max: 7 });
  expect(() => timingOf([])).toThrow(RangeError);
});

test('geometric mean', () => {
  expect(geometricMean([1, 4, 2])).toBeCloseTo(2, 12);
  expect(geometricMean([0.5])).toBeCloseTo(0.5, 12);
});

describe('measure', () => {
  test('interleaves jobs after each has been warmed up', async () => {
    const order: string[] = [];
    const x = device.tensor([1]);
    const jobs = ['a', 'b', 'c'].map((name) => ({
      run: () => {
        if (order.at(-1) !== name) order.push(name);
        return add(x, 1);
      },
    }));
    await measure(device, jobs, { rounds: 3, roundTime: 0.01 });
    expect(order.join('')).toBe('abc'.repeat(4));
  });

  test('counts dispatches of one call and frees what it made', async () => {
    const x = device.tensor([1]);
    const { live } = device.memory();
    const [measured] = await measure(device, [{ run: () => add(add(x, 1), 2) }], { rounds: 2, roundTime: 1 });
    expect(measured?.dispatches).toBe(2);
    expect(device.memory().live).toBe(live);
  });

  test('says how far it is', async () => {
    const x = device.tensor([1]);
    const [a, b] = [{ run: () => add(x, 1) }, { run: () => add(x, 2) }];
    const seen: number[] = [];
    const onProgress = (done: number) => seen.push(done);
    await measure(device, [a, b], { rounds: 1, roundTime: 0.01, onProgress });
    expect(seen).toEqual([0, 0.25, 0.5, 0.75]);
  });

  test('has both times, and more work takes longer', async () => {
    const [small, large] = [64, 512].map((n) => full(device, [n, n], 1));
    const jobs = [small, large].map((x) => ({ run: () => x && matmul(x, x) }));
    const [first, second] = await measure(device, jobs, { rounds: 3, roundTime: 5 });
    if (!first || !second) throw new Error('two jobs give two results');
    expect(second.wall.min).toBeGreaterThan(first.wall.min);
    expect(timeOf(second).min).toBeGreaterThan(timeOf(first).min);
    expect(first.gpu === undefined).toBe(!device.gpu.features.has('timestamp-query'));
    expect(timeOf(first)).toBe(first.gpu ?? first.wall);
  });
});
