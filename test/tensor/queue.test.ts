import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { KernelError } from '../../src/errors.ts';
import { add, mul } from '../../src/kernels/elementwise.ts';
import { full } from '../../src/kernels/fill.ts';
import { foldGroups, run } from '../../src/kernels/run.ts';
import { elementwiseFillWgsl } from '../../src/kernels/wgsl.gen.ts';
import type { Device } from '../../src/tensor/device.ts';
import { MAX_GROUPS } from '../../src/tensor/queue.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

function chain(x: Tensor, length: number): Tensor {
  let last = x;
  for (let i = 0; i < length; i++) last = add(last, 1);
  return last;
}

describe('batching', () => {
  test('one submit and one upload of params carry 64 dispatches', async () => {
    const x = device.tensor([0, 10]);
    await device.idle();
    const submit = vi.spyOn(device.gpu.queue, 'submit');
    const upload = vi.spyOn(device.gpu.queue, 'writeBuffer');
    const before = device.queue.dispatches;
    const last = device.scope(() => chain(x, 640));
    expect(device.queue.dispatches - before).toBe(640);
    expect(submit).toHaveBeenCalledTimes(10);
    expect(upload).toHaveBeenCalledTimes(10);
    expect(await last.read()).toEqual(Float32Array.of(640, 650));
    expect(submit).toHaveBeenCalledTimes(11); // the copy to the host
    vi.restoreAllMocks();
  });

  test('a read takes what is pending with it in one submit', async () => {
    const submit = vi.spyOn(device.gpu.queue, 'submit');
    expect(await chain(device.tensor([0]), 20).item()).toBe(20);
    expect(submit).toHaveBeenCalledTimes(1);
    vi.restoreAllMocks();
  });

  test('every dispatch sees its own params', async () => {
    const x = device.tensor([1]);
    const all = Array.from({ length: 150 }, (_, i) => mul(x, i));
    expect(await Promise.all(all.map((y) => y.item()))).toEqual(all.map((_, i) => i));
  });

  test('bind groups are kept: a repeated step makes none', async () => {
    const x = device.tensor([1]);
    const step = () => device.scope(() => void chain(x, 5));
    step();
    step();
    const make = vi.spyOn(device.gpu, 'createBindGroup');
    step();
    expect(make).not.toHaveBeenCalled();
    vi.restoreAllMocks();
    await device.idle();
  });
});

describe('order', () => {
  test('a write into a tensor comes after the pending ops that read it', async () => {
    const x = device.tensor([1, 2]);
    const before = add(x, 1);
    device.write(x, Float32Array.of(10, 20));
    const after = add(x, 1);
    expect(await before.read()).toEqual(Float32Array.of(2, 3));
    expect(await after.read()).toEqual(Float32Array.of(11, 21));
  });

  test('an upload into reused memory comes after the pending ops that read it', async () => {
    const x = device.tensor([1, 2]);
    const { buffer } = x.storage('test');
    const y = add(x, 1);
    x.dispose();
    const next = device.tensor([7, 8]);
    expect(next.storage('test').buffer).toBe(buffer);
    expect(await y.read()).toEqual(Float32Array.of(2, 3));
    expect(await next.read()).toEqual(Float32Array.of(7, 8));
  });

  test('an op that writes memory another pending op reads comes after it', async () => {
    const x = device.tensor([1, 2]);
    const y = add(x, 1);
    x.dispose();
    const z = add(y, 100); // takes the memory of x
    expect(await y.read()).toEqual(Float32Array.of(2, 3));
    expect(await z.read()).toEqual(Float32Array.of(102, 103));
  });

  test('reads that overlap each get their own', async () => {
    const x = device.tensor([1, 2, 3]);
    const reads = [x.read(), add(x, 1).read(), add(x, 2).read()];
    expect((await Promise.all(reads)).map((data) => data[0])).toEqual([1, 2, 3]);
  });
});

describe('workgroups', () => {
  test('counts are folded into two dimensions that hold them', () => {
    for (const count of [0, 1, 65_535, 65_536, 65_537, 131_071, 4_000_003, 65_535 ** 2]) {
      const [x, y, z] = foldGroups(count);
      expect(Math.max(x, y)).toBeLessThanOrEqual(MAX_GROUPS);
      expect(x * y * z).toBeGreaterThanOrEqual(count);
      expect(x * y * z - count).toBeLessThan(Math.max(y, 1));
    }
  });

  test('more than 65,535 of them reach every element', async () => {
    const size = 65_536 * 256 + 5;
    const x = full(device, [size], 3);
    const data = await x.read();
    expect(data.findIndex((value) => value !== 3)).toBe(-1);
    x.dispose();
  });

  test('too many in one dimension is an error before anything is launched', () => {
    const out = device.allocate([4], 'f32', 'test');
    const before = device.queue.dispatches;
    const launch = () =>
      run(elementwiseFillWgsl, 'fill', { out }, { count: 1, value: 0 }, { groups: [1, 70_000, 1] });
    expect(launch).toThrow(KernelError);
    expect(launch).toThrow('elementwise-fill.wgsl:fill: 1,70000,1 workgroups are too many');
    expect(device.queue.dispatches).toBe(before);
  });

  test('empty tensors launch nothing', async () => {
    const before = device.queue.dispatches;
    const y = add(device.tensor([], [0, 3]), 1);
    expect(device.queue.dispatches).toBe(before);
    expect(y.shape).toEqual([0, 3]);
    expect(await y.read()).toEqual(new Float32Array(0));
  });
});

test('params that do not fit a slot are an error', () => {
  const buffers = [device.allocate([4], 'f32', 'test').storage('test').buffer];
  const wanted = { shader: elementwiseFillWgsl, entry: 'fill', specialization: {} };
  const pipeline = device.pipelines.get(wanted);
  const params = new Uint32Array(65);
  expect(() =>
    device.queue.dispatch({
      label: 'wide',
      pipeline,
      wanted,
      buffers,
      params,
      groups: [1, 1, 1],
    }),
  ).toThrow(new KernelError('wide', 'params take 260 bytes; 256 fit'));
});
