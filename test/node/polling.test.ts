import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { matmul, openDevice, randomNormal } from '../../src/index.ts';
import { openGpu } from '../../src/node/index.ts';
import { relaxPolling } from '../../src/node/polling.ts';

beforeAll(() => relaxPolling());

describe('relaxPolling', () => {
  it('leaves the event loop idle while a software adapter computes', async () => {
    const device = await openDevice(await openGpu({ adapter: 'swiftshader' }));
    const a = randomNormal(device, [256, 256], { seed: 1 });
    const wait = async (products: number) => {
      device.scope(() => {
        for (let i = 0; i < products; i++) matmul(a, a);
      });
      const before = performance.eventLoopUtilization();
      await device.idle();
      return performance.eventLoopUtilization(before);
    };
    await wait(1);
    const { active, idle } = await wait(40);
    expect(idle).toBeGreaterThan(20);
    expect(active / (active + idle)).toBeLessThan(0.5);
    device.dispose();
  });

  it('passes on what is not Dawn’s: values, order, promises and the way to cancel', async () => {
    const seen: unknown[] = [];
    clearImmediate(setImmediate(() => seen.push('cancelled')));
    setImmediate((...values) => seen.push(...values), 1, 2);
    setImmediate((value) => seen.push(value), 3);
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toEqual([1, 2, 3]);
    expect(await promisify(setImmediate)('value')).toBe('value');
  });

  it('does not delay other native functions, such as that which resolves a promise', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout');
    for (let i = 0; i < 20; i++)
      expect(await new Promise<number>((resolve) => setImmediate(resolve, i))).toBe(i);
    expect(timers).not.toHaveBeenCalled();
    timers.mockRestore();
  });

  it('is done once', () => {
    const { setImmediate } = globalThis;
    relaxPolling();
    expect(globalThis.setImmediate).toBe(setImmediate);
  });
});
