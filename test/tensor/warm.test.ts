import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { DeviceError, DisposedError, KernelError } from '../../src/errors.ts';
import { add, mul, relu, square } from '../../src/kernels/elementwise.ts';
import { full } from '../../src/kernels/fill.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { elementwiseFillWgsl } from '../../src/kernels/wgsl.gen.ts';
import { AdamW } from '../../src/nn/optimisers.ts';
import { capture } from '../../src/tensor/capture.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice, within } from '../open.ts';

let device: Device;
beforeEach(async () => {
  device = await openTestDevice();
});
afterEach(() => device.dispose());
afterAll(() => vi.restoreAllMocks());

/** How many pipelines `action` builds at launches, when the calling thread has to wait for them. */
function builtAtLaunch(action: () => unknown): number {
  const create = vi.spyOn(device.gpu, 'createComputePipeline');
  action();
  const { length } = create.mock.calls;
  create.mockRestore();
  return length;
}

test('a warmed step builds no pipeline when it runs, and gives what it gives without', async () => {
  const x = device.tensor([1, 2, 3, 4], [2, 2]);
  const step = () => grad(() => sum(square(matmul(x, x))), [x])[0] as Tensor;
  const built = await device.warm(step);
  expect(built).toBeGreaterThan(3);
  expect(device.pipelines.count).toBe(built);
  expect(device.queue.dispatches).toBe(0);
  expect(builtAtLaunch(step)).toBe(0);
  expect(await step().read()).toEqual(Float32Array.of(158, 274, 266, 482));
  expect(await device.warm(step)).toBe(0);
  expect(device.pipelines.count).toBe(built);
});

test('a captured step is warmed for its replays too, whose launches are others', async () => {
  const x = device.tensor([1, -2, 3, 4]);
  const step = capture((input: Tensor) => relu(add(input, 1)));
  expect(await device.warm(() => void step(x))).toBe(3);
  expect(builtAtLaunch(() => [step(x), step(x)])).toBe(0);
  expect(await step(x).read()).toEqual(Float32Array.of(2, 0, 4, 5));
  step.dispose();
});

test('nothing is launched, allocated, written or kept', async () => {
  const weight = device.tensor([1, 2]);
  const optimiser = new AdamW(new Map([['w', weight]]));
  optimiser.prepare(1);
  const { dispatches } = device.queue;
  const { live, peak, pooled } = device.memory();
  const made: Tensor[] = [];
  await device.warm(() => {
    const x = device.tensor(new Float32Array(1 << 20));
    device.write(weight, Float32Array.of(8, 9));
    optimiser.apply([mul(weight, sum(x))]);
    made.push(x, device.keep(add(x, 1)));
    device.scope(() => void full(device, [3], 1));
  });
  expect(device.queue.dispatches).toBe(dispatches);
  expect(device.memory()).toMatchObject({ live, peak, pooled });
  expect(made.map(({ disposed }) => disposed)).toEqual([true, true]);
  expect(() => add(made[1] as Tensor, 1)).toThrow(DisposedError);
  expect(await weight.read()).toEqual(Float32Array.of(1, 2));
});

test('reads give zeros', async () => {
  let read: Promise<unknown> | undefined;
  await device.warm(() => {
    read = add(device.tensor([1, 2]), 1).read();
  });
  expect(await read).toEqual(Float32Array.of(0, 0));
});

test('a captured step is not recorded, and is recorded when it runs', async () => {
  const x = device.tensor([3]);
  const step = capture((y: Tensor) => mul(y, y));
  expect(await device.warm(() => step(x))).toBe(1);
  expect(step.dispatches).toBe(0);
  expect(builtAtLaunch(() => step(x))).toBe(0);
  expect(await step(x).item()).toBe(9);
  expect(step.dispatches).toBe(1);
  step.dispose();
});

test('two warm-ups at once build what both need once', async () => {
  const x = device.tensor([1]);
  const create = vi.spyOn(device.gpu, 'createComputePipelineAsync');
  await Promise.all([device.warm(() => add(x, 1)), device.warm(() => add(x, 2))]);
  expect(create).toHaveBeenCalledTimes(1);
  create.mockRestore();
});

test('a launch that comes before the pipeline is built does not wait for it', async () => {
  const x = device.tensor([1]);
  const warming = device.warm(() => add(x, 1));
  expect(await add(x, 1).item()).toBe(2);
  await warming;
  expect(await add(x, 2).item()).toBe(3);
});

describe('what goes wrong', () => {
  const shader = (code: string) => ({ ...elementwiseFillWgsl, file: 'broken.wgsl', code });
  const warmWith = (code: string) =>
    device.pipelines.prepare([{ shader: shader(code), entry: 'fill', specialization: {} }]);

  test('a shader that does not compile is named with line and column, once', async () => {
    const work = warmWith(elementwiseFillWgsl.code.replace('out[', 'nowhere['));
    await expect(work).rejects.toBeInstanceOf(KernelError);
    await expect(work).rejects.toThrow(/broken\.wgsl:\d+:\d+: .*nowhere/);
    await device.idle();
    expect(device.pipelines.count).toBe(0);
  });

  test('so is one whose interface is wrong', async () => {
    const code = elementwiseFillWgsl.code.replace('@binding(1)', '@binding(7)');
    expect(code).not.toBe(elementwiseFillWgsl.code);
    await expect(warmWith(code)).rejects.toThrow(/broken\.wgsl:fill: .*binding/is);
    await device.idle();
  });

  test('an async function, one inside another, inside a gradient and inside a captured step', async () => {
    await expect(device.warm(async () => {})).rejects.toThrow(DeviceError);
    await expect(device.warm(() => Promise.reject(new Error('no')))).rejects.toThrow(/cannot be async/);
    const inside: Promise<unknown>[] = [];
    await device.warm(() => inside.push(device.warm(() => {}).catch(String)));
    const x = device.tensor([1]);
    grad(() => {
      inside.push(device.warm(() => {}).catch(String));
      return sum(x);
    }, [x]);
    capture((y: Tensor) => {
      inside.push(device.warm(() => {}).catch(String));
      return add(y, 1);
    })(x);
    for (const found of await Promise.all(inside)) expect(found).toMatch(/warm: not inside/);
  });

  test('what the function throws is thrown, and the device goes on', async () => {
    const x = device.tensor([1]);
    await expect(
      device.warm(() => {
        add(x, 1);
        throw new Error('mine');
      }),
    ).rejects.toThrow('mine');
    expect(await add(x, 1).item()).toBe(2);
  });

  test('a device that is lost on the way', async () => {
    const x = device.tensor([1]);
    const work = device.warm(() => add(x, 1));
    device.gpu.destroy();
    await expect(within(20, work)).rejects.toBeInstanceOf(DeviceError);
    await expect(
      within(
        20,
        device.warm(() => {}),
      ),
    ).rejects.toBeInstanceOf(DeviceError);
  });
});
