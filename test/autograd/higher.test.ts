import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { grad, stopGradient } from '../../src/autograd/grad.ts';
import { KernelError } from '../../src/errors.ts';
import { add, exp, mul, square } from '../../src/kernels/elementwise.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { defineOp } from '../../src/kernels/op.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

/** d fn/dx, summed to a scalar so that it can be differentiated again. */
const derivative = (fn: () => Tensor, x: Tensor) => () => sum(grad(fn, [x])[0] as Tensor);

describe('derivatives of derivatives', () => {
  test('of x³, one to four', async () => {
    const x = device.tensor([2, -3]);
    let fn = () => sum(mul(x, mul(x, x)));
    const expected = [
      [12, 27],
      [12, -18],
      [6, 6],
      [0, 0],
    ];
    for (const values of expected) {
      const [dx] = grad(fn, [x]);
      expect([...((await dx?.read()) ?? [])]).toEqual(values);
      fn = derivative(fn, x);
    }
  });

  test('of exp, eight of them', async () => {
    const x = device.tensor([0.5]);
    let fn = () => sum(exp(x));
    for (let order = 1; order <= 8; order++) {
      const [dx] = grad(fn, [x]);
      expect(await dx?.item()).toBeCloseTo(Math.exp(0.5), 5);
      fn = derivative(fn, x);
    }
  });

  test('mixed: d²(x²y³)/dxdy = 6xy²', async () => {
    const [x, y] = [device.tensor([3]), device.tensor([2])];
    const [dxdy] = grad(
      derivative(() => sum(mul(square(x), mul(y, square(y)))), x),
      [y],
    );
    expect(await dxdy?.item()).toBe(6 * 3 * 4);
  });

  test('the inner gradient used together with the value: d(f + f′²)/dx', async () => {
    const x = device.tensor([2]);
    const square4 = () => sum(square(square(x))); // x⁴
    const penalised = () => add(square4(), square(derivative(square4, x)())); // x⁴ + 16x⁶
    const [dx] = grad(penalised, [x]);
    expect(await dx?.item()).toBe(4 * 8 + 96 * 32);
  });

  test('stopGradient holds at every order', async () => {
    const x = device.tensor([3]);
    const fn = () => sum(mul(square(x), stopGradient(x))); // x² c
    expect(await grad(derivative(fn, x), [x])[0]?.item()).toBe(6);
  });

  test('Hessian of ½ xᵀAx is (A + Aᵀ)/2', async () => {
    const a = device.tensor([1, 2, 3, 4, 5, 6, 7, 8, 10], [3, 3]);
    const x = device.tensor([1, -1, 2], [3, 1]);
    const energy = () => mul(sum(mul(x, matmul(a, x))), 0.5);
    const rows: number[][] = [];
    for (let i = 0; i < 3; i++) {
      const unit = device.tensor(
        [0, 1, 2].map((j) => Number(i === j)),
        [3, 1],
      );
      const [row] = grad(() => sum(mul(grad(energy, [x])[0] as Tensor, unit)), [x]);
      rows.push([...((await row?.read()) ?? [])]);
    }
    expect(rows).toEqual([
      [1, 3, 5],
      [3, 5, 7],
      [5, 7, 10],
    ]);
  });

  test('a gradient rule whose op has none is an error at the second derivative only', async () => {
    const opaque = defineOp<{ x: Tensor }, undefined, readonly [{ shape: readonly number[]; dtype: 'f32' }]>({
      name: 'opaque',
      outputs: ({ x }) => [{ shape: x.shape, dtype: 'f32' }],
    });
    const once = defineOp<{ x: Tensor }, undefined, readonly [{ shape: readonly number[]; dtype: 'f32' }]>({
      name: 'once',
      outputs: ({ x }) => [{ shape: x.shape, dtype: 'f32' }],
      gradient: ({ inputs, grads: [dy] }) => ({ x: dy && (() => mul(dy, opaque(inputs, undefined)[0])) }),
    });
    const x = device.tensor([5]);
    const fn = () => sum(once({ x }, undefined)[0]);
    expect(await grad(fn, [x])[0]?.item()).toBe(5);
    expect(() => grad(derivative(fn, x), [x])).toThrow(new KernelError('opaque', 'has no gradient rule'));
  });
});
