// The types are checked by `tsc --noEmit`: an unused @ts-expect-error is an error there, as is a failing expectTypeOf.
import { afterAll, beforeAll, expect, expectTypeOf, test } from 'vitest';
import { KernelError, ShapeError } from '../../src/errors.ts';
import {
  add,
  type Device,
  grad,
  matmul,
  openDevice,
  type Shape,
  sum,
  type Tensor,
  type TypedArray,
  valueAndGrad,
} from '../../src/index.ts';
import { run } from '../../src/kernels/run.ts';
import { type elementwiseCastWgsl, elementwiseFillWgsl } from '../../src/kernels/wgsl.gen.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
let out: Tensor;
beforeAll(async () => {
  device = await openTestDevice();
  out = device.tensor([1, 2, 3, 4]);
});
afterAll(() => device.dispose());

const groups = 1;

test('a launch is typed from its shader, and wrong ones do not get to the GPU', () => {
  const before = device.queue.dispatches;
  run(elementwiseFillWgsl, 'fill', { out }, { count: 1, value: 0 }, { groups });
  expect(device.queue.dispatches).toBe(before + 1);
  // @ts-expect-error a missing param
  expect(() => run(elementwiseFillWgsl, 'fill', { out }, { count: 1 }, { groups })).toThrow(KernelError);
  const misspelt = () =>
    // @ts-expect-error a misspelt param
    run(elementwiseFillWgsl, 'fill', { out }, { count: 1, bit: 0 }, { groups });
  expect(misspelt).toThrow(/param 'value' is missing/);
  // @ts-expect-error a missing tensor
  expect(() => run(elementwiseFillWgsl, 'fill', {}, { count: 1, value: 0 }, { groups })).toThrow(
    new KernelError('elementwise-fill.wgsl:fill', "tensor 'out' is missing"),
  );
  expect(() =>
    // @ts-expect-error a misspelt tensor
    run(elementwiseFillWgsl, 'fill', { output: out }, { count: 1, value: 0 }, { groups }),
  ).toThrow(KernelError);
  // @ts-expect-error an entry the shader does not have
  expect(() => run(elementwiseFillWgsl, 'fil', { out }, { count: 1, value: 0 }, { groups })).toThrow(
    KernelError,
  );
  expect(device.queue.dispatches).toBe(before + 1);
});

test('constants and lines are typed from the shader too', () => {
  type Launch = Parameters<
    typeof run<typeof elementwiseCastWgsl, keyof typeof elementwiseCastWgsl.entries>
  >[4];
  expectTypeOf<Launch['constants']>().toEqualTypeOf<
    { readonly FROM?: number; readonly TO?: number } | undefined
  >();
  // @ts-expect-error elementwise-cast.wgsl has no constant of this name
  const launch: Launch = { groups, constants: { WIDTH: 3 } };
  expect(launch.constants).toEqual({ WIDTH: 3 });
});

test('tensors', async () => {
  expectTypeOf(openDevice).returns.resolves.toEqualTypeOf<Device>();
  expectTypeOf<Shape>().toEqualTypeOf<readonly number[]>();
  expectTypeOf<TypedArray>().toEqualTypeOf<Float32Array | Int32Array | Uint32Array>();
  expectTypeOf(out.dtype).toEqualTypeOf<'f32' | 'f16' | 'i32' | 'u32'>();
  expectTypeOf(out.read()).resolves.toEqualTypeOf<TypedArray>();
  expectTypeOf(out.read('f32')).resolves.toEqualTypeOf<Float32Array>();
  expectTypeOf(out.item).returns.resolves.toBeNumber();
  expectTypeOf(add).parameter(1).toEqualTypeOf<Tensor | number>();
  expectTypeOf(matmul).returns.toEqualTypeOf<Tensor>();
  expect(await out.read()).toBeInstanceOf(Float32Array);
  const assign = () => {
    // @ts-expect-error shapes are read-only
    out.shape[0] = 1;
  };
  expect(assign).toThrow(TypeError);
});

test('gradients keep the type of what the function returns', () => {
  const { value, grads } = valueAndGrad(() => ({ loss: sum(out), aux: 'x' as const }), [out]);
  expectTypeOf(value).toEqualTypeOf<{ loss: Tensor; aux: 'x' }>();
  expectTypeOf(grads).toEqualTypeOf<Tensor[]>();
  expectTypeOf(grad).returns.toEqualTypeOf<Tensor[]>();
  expect(value.aux).toBe('x');
  const wrong = () =>
    // @ts-expect-error a loss is a tensor
    grad(() => 3, [out]);
  expect(wrong).toThrow(ShapeError);
});
