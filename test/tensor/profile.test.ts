import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { DeviceError, ShapeError } from '../../src/errors.ts';
import { attention } from '../../src/kernels/attention.ts';
import { conv2d } from '../../src/kernels/conv.ts';
import { add, relu } from '../../src/kernels/elementwise.ts';
import { full } from '../../src/kernels/fill.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { run } from '../../src/kernels/run.ts';
import { softmax } from '../../src/kernels/softmax.ts';
import { elementwiseFillWgsl } from '../../src/kernels/wgsl.gen.ts';
import { type Device, openDevice } from '../../src/tensor/device.ts';
import type { Profile } from '../../src/tensor/profile.ts';
import { chromeTrace, formatProfile } from '../../src/tensor/profile-report.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice, openTestGpu } from '../open.ts';

let device: Device;
/** On the same adapter, without any feature. */
let plain: Device;
beforeAll(async () => {
  device = await openTestDevice();
  const { adapter } = await openTestGpu();
  plain = await openDevice({ device: await adapter.requestDevice() });
});
afterAll(() => {
  device.dispose();
  plain.dispose();
  plain.gpu.destroy(); // it is the application's, here the test's
});

function chain(x: Tensor, length: number): Tensor {
  let last = x;
  for (let i = 0; i < length; i++) last = add(last, 1);
  return last;
}

/** Loss and gradient of a small network. */
function step(on: Device): Tensor[] {
  const wave = (rows: number, columns: number) => {
    const data = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i));
    return on.tensor(data, [rows, columns]);
  };
  const [x, w] = [wave(33, 40), wave(40, 24)];
  return grad(() => sum(softmax(relu(matmul(x, w)))), [x, w]);
}

async function bits(tensors: readonly Tensor[]): Promise<Uint32Array[]> {
  const data = await Promise.all(tensors.map((tensor) => tensor.read()));
  return data.map((array) => new Uint32Array(array.buffer));
}

describe('a profiled function', () => {
  test('gives the same bits', async () => {
    const { result } = await device.profile(() => step(device));
    expect(await bits(result)).toEqual(await bits(step(device)));
  });

  test('may be async and read', async () => {
    const x = device.tensor([1, 2]);
    const profile = await device.profile(async () => {
      const first = await add(x, 1).read();
      return [first, await add(x, 2).read()];
    });
    expect(profile.result).toEqual([Float32Array.of(2, 3), Float32Array.of(3, 4)]);
    expect(profile.dispatches).toHaveLength(2);
  });

  test('counts every dispatch, its bytes and its flops', async () => {
    const x = device.tensor(new Float32Array(1000));
    const before = device.queue.dispatches;
    const { kernels, dispatches } = await device.profile(() => {
      chain(x, 3);
      const out = device.allocate([8], 'f32', 'test');
      run(elementwiseFillWgsl, 'fill', { out }, { count: 8, value: 0 }, { groups: 1, flops: 77 });
    });
    expect(device.queue.dispatches - before).toBe(4);
    expect(dispatches).toHaveLength(4);
    const adds = kernels.find(({ calls }) => calls === 3);
    expect(adds?.bytes).toBe(3 * (4000 + 4000));
    expect(adds?.flops).toBeUndefined();
    const fill = kernels.find(({ kernel }) => kernel === 'elementwise-fill.wgsl:fill');
    expect(fill).toMatchObject({ calls: 1, bytes: 32, flops: 77 });
  });

  test('a tensor that is bound twice is counted once', async () => {
    const a = device.tensor(new Float32Array(64), [8, 8]);
    const { dispatches } = await device.profile(() => matmul(a, a));
    expect(dispatches.map(({ bytes }) => bytes)).toEqual([2 * 256]);
  });

  test('has times beyond one submit, that add up and do not exceed the wall', async () => {
    const profile = await device.profile(() => chain(full(device, [100_000], 0), 200));
    expect(profile.dispatches).toHaveLength(201);
    expect(profile.timed).toBe(true);
    const times = profile.dispatches.map(({ time }) => time ?? Number.NaN);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(0);
    const total = times.reduce((a, b) => a + b);
    expect(total).toBeGreaterThan(0);
    expect(total).toBeLessThanOrEqual(profile.wall);
    const byKernel = profile.kernels.reduce((all, { time }) => all + (time ?? Number.NaN), 0);
    expect(byKernel).toBeCloseTo(total, 6);
    expect(profile.kernels.reduce((all, { calls }) => all + calls, 0)).toBe(201);
    expect((await profile.result.read()).every((value) => value === 200)).toBe(true);
  });

  test('dispatches begin one after the other', async () => {
    const { dispatches } = await device.profile(() => chain(full(device, [10_000], 0), 70));
    for (const [i, { start }] of dispatches.entries()) {
      const before = dispatches[i - 1];
      expect(start).toBeGreaterThanOrEqual((before?.start ?? 0) + (before?.time ?? 0) - 1e-6);
    }
  });

  test('more work takes more time', async () => {
    const [small, large] = [128, 512].map((n) => full(device, [n, n], 1)) as [Tensor, Tensor];
    const ops = () => [matmul(small, small), matmul(large, large)];
    await device.profile(ops);
    const { dispatches } = await device.profile(ops);
    expect(dispatches.at(-1)?.time).toBeGreaterThan(dispatches[0]?.time ?? Number.NaN);
  });

  test('may launch nothing', async () => {
    const { kernels, dispatches, result } = await device.profile(() => 7);
    expect({ kernels, dispatches, result }).toEqual({ kernels: [], dispatches: [], result: 7 });
  });
});

describe('afterwards the queue works as before', () => {
  async function expectNormal() {
    const x = device.tensor([0]);
    await device.idle();
    const passes = vi.spyOn(GPUCommandEncoderOf(device), 'beginComputePass');
    expect(await chain(x, 20).item()).toBe(20);
    expect(passes).toHaveBeenCalledTimes(1);
    vi.restoreAllMocks();
  }

  test('when all went well', async () => {
    await device.profile(() => chain(device.tensor([1]), 5));
    await expectNormal();
  });

  test('when the function throws', async () => {
    const fails = () => {
      chain(device.tensor([1]), 5);
      matmul(device.tensor([1]), device.tensor([1]));
    };
    await expect(device.profile(fails)).rejects.toThrow(ShapeError);
    await expectNormal();
  });

  test('when the promise is rejected after a submit', async () => {
    const fails = async () => {
      await chain(device.tensor([1]), 70).read();
      chain(device.tensor([1]), 3);
      throw new TypeError('mine');
    };
    await expect(device.profile(fails)).rejects.toThrow(new TypeError('mine'));
    await expectNormal();
  });

  test('when a profile was asked for inside', async () => {
    const nested = device.profile(() => device.profile(() => 1));
    await expect(nested).rejects.toThrow(DeviceError);
    await expect(device.profile(() => device.profile(() => 1))).rejects.toThrow(
      'profile: a profile of this device is being taken; await it first',
    );
    await expectNormal();
  });

  test('when two overlap: the second is refused, the first is whole', async () => {
    const first = device.profile(async () => {
      const x = chain(device.tensor([1]), 5);
      await x.read();
      return chain(x, 5);
    });
    await expect(device.profile(() => 1)).rejects.toThrow(DeviceError);
    expect((await first).dispatches).toHaveLength(10);
    await expectNormal();
  });
});

/** What encoders of a device inherit from. */
function GPUCommandEncoderOf(on: Device): GPUCommandEncoder {
  return Object.getPrototypeOf(on.gpu.createCommandEncoder()) as GPUCommandEncoder;
}

test('on a device that is gone it rejects', async () => {
  const gone = await openTestDevice();
  const x = gone.tensor([1]);
  gone.dispose();
  await expect(gone.profile(() => add(x, 1))).rejects.toThrow(DeviceError);
});

describe('without timestamp-query', () => {
  test('times are undefined, the rest is there', async () => {
    const profile = await plain.profile(() => step(plain));
    expect(await bits(profile.result)).toEqual(await bits(step(plain)));
    expect(profile.timed).toBe(false);
    expect(profile.dispatches.length).toBeGreaterThan(4);
    for (const { time } of [...profile.kernels, ...profile.dispatches]) expect(time).toBeUndefined();
    expect(profile.dispatches.every(({ start }) => start === undefined)).toBe(true);
    expect(profile.kernels.every(({ bytes }) => bytes > 0)).toBe(true);
  });

  test('table and trace say so', async () => {
    const profile = await plain.profile(() => chain(plain.tensor([1]), 2));
    expect(formatProfile(profile)).toContain('no GPU times: this device has no timestamp-query');
    const { traceEvents } = JSON.parse(chromeTrace(profile)) as {
      traceEvents: { ph: string; ts?: number }[];
    };
    const marks = traceEvents.filter(({ ph }) => ph === 'i');
    expect(marks).toHaveLength(2);
    expect(marks[1]?.ts).toBeGreaterThanOrEqual(marks[0]?.ts ?? Number.NaN);
  });
});

describe('reports', () => {
  const dispatches = [
    { kernel: 'b.wgsl:long', groups: [4, 1, 1], bytes: 3e6, flops: 9e6, enqueued: 0.1, start: 0, time: 3 },
    { kernel: 'a.wgsl:s', groups: [1, 2, 3], bytes: 64, flops: undefined, enqueued: 0.2, start: 3, time: 1 },
  ] as const;
  const profile: Profile = {
    ...{ result: undefined, timed: true, wall: 12.34, dispatches },
    kernels: dispatches.map(({ kernel, time, bytes, flops }) => ({ kernel, calls: 1, time, bytes, flops })),
  };

  test('the table', () => {
    expect(formatProfile(profile)).toBe(
      `kernel       calls     ms      %  µs/call  GB/s  GFLOP/s
b.wgsl:long      1  3.000   75.0   3000.0  1.00     3.00
a.wgsl:s         1  1.000   25.0   1000.0  0.00        –
total            2  4.000  100.0
wall 12.3 ms
`,
    );
  });

  test('the table of the longest kernels sums up the others', () => {
    const more = { ...dispatches[1], kernel: 'c.wgsl:t' };
    const kernels = [...profile.kernels, { ...more, calls: 2 }];
    const lines = formatProfile({ ...profile, kernels, dispatches: [...dispatches, more, more] }, 1).split(
      '\n',
    );
    expect(lines.slice(2)).toEqual([
      '2 others         3  2.000   40.0    666.7  0.00        –',
      'total            4  5.000  100.0',
      'wall 12.3 ms',
      '',
    ]);
  });

  test('the trace', () => {
    const { traceEvents } = JSON.parse(chromeTrace(profile)) as { traceEvents: object[] };
    expect(traceEvents.slice(2)).toEqual([
      {
        ...{ name: 'b.wgsl:long', cat: 'kernel', ph: 'X', pid: 1, tid: 1, ts: 0, dur: 3000 },
        args: { groups: [4, 1, 1], bytes: 3e6, flops: 9e6 },
      },
      {
        ...{ name: 'a.wgsl:s', cat: 'kernel', ph: 'X', pid: 1, tid: 1, ts: 3000, dur: 1000 },
        args: { groups: [1, 2, 3], bytes: 64 },
      },
    ]);
  });
});

test('products say how many operations they do, gradients included', async () => {
  const [x, w] = [full(device, [2, 6, 5, 8], 1), full(device, [3, 3, 8, 12], 1)];
  const conv = 2 * 2 * (6 * 5) * 9 * 8 * 12;
  const flopsOf = async (fn: () => unknown) =>
    (await device.profile(fn)).kernels.reduce((all, { flops }) => all + (flops ?? 0), 0);
  expect(await flopsOf(() => conv2d(x, w, { padding: 1 }))).toBe(conv);
  expect(await flopsOf(() => grad(() => sum(conv2d(x, w, { padding: 1 })), [x, w]))).toBe(3 * conv);
  const [a, b] = [full(device, [4, 10, 16], 1), full(device, [4, 16, 6], 1)];
  expect(await flopsOf(() => matmul(a, b))).toBe(2 * 4 * 10 * 16 * 6);
  const [q, k] = [full(device, [2, 12, 3, 16], 1), full(device, [2, 20, 3, 16], 1)];
  expect(await flopsOf(() => attention(q, k, k))).toBe(4 * 2 * 3 * 12 * 20 * 16);
  const depthwise = full(device, [3, 3, 1, 8], 1);
  expect(await flopsOf(() => conv2d(x, depthwise, { padding: 1, groups: 8 }))).toBe(2 * 2 * 30 * 9 * 8);
});
