import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { DeviceError, KernelError, ShapeError } from '../../src/errors.ts';
import { add, cast, mul } from '../../src/kernels/elementwise.ts';
import { full } from '../../src/kernels/fill.ts';
import { mean, sum } from '../../src/kernels/reduce.ts';
import { run } from '../../src/kernels/run.ts';
import { attackStepWgsl } from '../../src/kernels/wgsl.gen.ts';
import { nullGpu } from '../../src/node/gpu.ts';
import { capture } from '../../src/tensor/capture.ts';
import { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
let plain: Device; // without the feature, and it computes nothing
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  const adapter = (await (await nullGpu()).requestAdapter()) as GPUAdapter;
  plain = new Device(await adapter.requestDevice(), true, false, adapter);
});
afterAll(() => {
  device.dispose();
  plain.dispose();
});

/** Runs `check` where there is f16; elsewhere its first tensor must be refused. */
function withHalves(check: () => Promise<void>): () => Promise<void> {
  return async () => {
    if (device.traits.f16) await check();
    else await expect(check).rejects.toThrow(DeviceError);
  };
}

const half = (data: readonly number[], shape?: readonly number[]) => device.tensor(data, shape, 'f16');

test('a device without the feature says so', () => {
  const refusal = "f16 needs the feature 'shader-f16', which this device lacks; use f32";
  expect(plain.traits.f16).toBe(false);
  expect(() => plain.tensor([1], [1], 'f16')).toThrow(new DeviceError('tensor', refusal));
  expect(() => cast(plain.tensor([1]), 'f16')).toThrow(new DeviceError('cast', refusal));
  expect(() => full(plain, [2], 0, 'f16')).toThrow(new DeviceError('full', refusal));
});

describe('f16 tensors', () => {
  test(
    'hold what was uploaded, rounded, in two bytes each',
    withHalves(async () => {
      const numbers = [1.5, -0, Number.POSITIVE_INFINITY, Number.NaN, 2 ** -24, 0.1, 1e6];
      const x = half(numbers);
      expect([x.dtype, x.bytes, String(x)]).toEqual(['f16', 14, 'Tensor(f16 [7])']);
      const rounded = Float32Array.of(1.5, -0, Infinity, Number.NaN, 2 ** -24, 0.0999755859375, Infinity);
      expect(await x.read('f16')).toEqual(rounded);
      await expect(x.read('f32')).rejects.toThrow(ShapeError);
      device.write(x, Float32Array.of(1, 2, 3, 4, 5, 6, 7));
      expect(await x.read()).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6, 7));
      expect(() => device.tensor(Int32Array.of(1), [1], 'f16')).toThrow('tensor: f16 is made of f32 numbers');
      expect(() => device.tensor(Int32Array.of(1), [1], 'i32' as never)).toThrow(/'f16' or nothing/);
      expect(await half([], [0]).read()).toEqual(new Float32Array(0));
    }),
  );

  test(
    'come from and go to the other types by cast',
    withHalves(async () => {
      const x = device.tensor([0.1, -1.5, 70000, Number.NaN, 2 ** -24]);
      const narrow = cast(x, 'f16');
      const rounded = Float32Array.of(0.0999755859375, -1.5, Infinity, Number.NaN, 2 ** -24);
      expect(await cast(narrow, 'f32').read()).toEqual(rounded);
      expect(await cast(narrow, 'f16').read()).toEqual(rounded);
      expect(await cast(half([0.1, -1.5, Number.NaN, 1000]), 'i32').read('i32')).toEqual(
        Int32Array.of(0, -1, 0, 1000),
      );
      expect(await cast(cast(device.tensor(Int32Array.of(-3, 2048)), 'f16'), 'f32').read()).toEqual(
        Float32Array.of(-3, 2048),
      );
      expect(await full(device, [3], 0.1, 'f16').read()).toEqual(new Float32Array(3).fill(0.0999755859375));
    }),
  );

  test(
    'pass gradients through casts, each of the type of its tensor',
    withHalves(async () => {
      const master = device.tensor([1, 2, 3]);
      const x = half([4, 5, 6]);
      const [gMaster, gx] = grad(() => cast(sum(mul(cast(master, 'f16'), x)), 'f32'), [master, x]);
      expect([gMaster?.dtype, gx?.dtype]).toEqual(['f32', 'f16']);
      expect(await gMaster?.read()).toEqual(Float32Array.of(4, 5, 6));
      expect(await gx?.read()).toEqual(Float32Array.of(1, 2, 3));
    }),
  );

  test(
    'a small factor of a gradient keeps its digits',
    withHalves(async () => {
      const x = half(new Array<number>(50_000).fill(1));
      const [g] = grad(() => mul(mean(x), 1024), [x]);
      const [first] = (await g?.read()) ?? [];
      expect(Math.abs((first ?? 0) / (1024 / 50_000) - 1)).toBeLessThan(1e-3);
    }),
  );

  test(
    'are captured like others',
    withHalves(async () => {
      const step = capture((x: Tensor) => add(x, 1));
      expect(await step(half([1, 2, 3])).read()).toEqual(Float32Array.of(2, 3, 4));
      expect(await step(half([4, 5, 6])).read()).toEqual(Float32Array.of(5, 6, 7));
      step.dispose();
    }),
  );

  test(
    'do not mix with f32, and no kernel takes them for f32',
    withHalves(async () => {
      const x = half([1, 2, 3, 4]);
      const y = device.tensor([1, 2, 3, 4]);
      expect(() => add(x, y)).toThrow(
        'add: element types must agree; got Tensor(f16 [4]) and Tensor(f32 [4])',
      );
      const tensors = { current: x, gradient: x, centre: x, out: y };
      const wrong = tensors as unknown as Parameters<typeof run<typeof attackStepWgsl, 'ascend'>>[2];
      const params = {} as unknown as Parameters<typeof run<typeof attackStepWgsl, 'ascend'>>[3];
      expect(() => run(attackStepWgsl, 'ascend', wrong, params, { groups: 1 })).toThrow(KernelError);
    }),
  );
});
