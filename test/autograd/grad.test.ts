import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { grad, stopGradient, valueAndGrad } from '../../src/autograd/grad.ts';
import { scaleGradient } from '../../src/autograd/scale-gradient.ts';
import { KernelError, ShapeError } from '../../src/errors.ts';
import { add, exp, mul, relu, square, sub } from '../../src/kernels/elementwise.ts';
import { broadcastTo, concat, reshape, slice } from '../../src/kernels/layout.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { defineOp } from '../../src/kernels/op.ts';
import { argmax, sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const numbers = async (tensors: readonly Tensor[]) =>
  Promise.all(tensors.map(async (tensor) => [...(await tensor.read())]));

/** Shares the memory of `x` like reshape, but has no gradient rule. */
const opaque = defineOp<{ x: Tensor }, undefined, readonly [{ shape: readonly number[]; dtype: 'f32' }]>({
  name: 'opaque',
  outputs: ({ x }) => [{ shape: x.shape, dtype: 'f32' }],
});

describe('grad', () => {
  test('d Σ x² y / dx = 2xy, dy = x²', async () => {
    const [x, y] = [device.tensor([1, 2, 3]), device.tensor([4, 5, 6])];
    const grads = grad(() => sum(mul(square(x), y)), [x, y]);
    expect(await numbers(grads)).toEqual([
      [8, 20, 36],
      [1, 4, 9],
    ]);
    expect(grads.map((g) => g.shape)).toEqual([[3], [3]]);
  });

  test('gradients come in the order asked for, as often as asked for', async () => {
    const [x, y] = [device.tensor([2]), device.tensor([3])];
    const grads = grad(() => sum(mul(x, y)), [y, x, y]);
    expect(await numbers(grads)).toEqual([[2], [3], [2]]);
  });

  test('a gradient that is added to another is freed at once', async () => {
    const x = device.tensor(new Float32Array(32 * 1024).fill(1), [32, 1024]);
    const { memory } = device.pool;
    memory.peak = memory.live;
    const rows = Array.from({ length: 32 }, (_, row) => row);
    const scaled = (row: number) => mul(slice(x, { begin: [row], size: [1, 1024] }), row);
    const [gradient] = grad(() => sum(rows.map(scaled).reduce((a, b) => add(a, b))), [x]) as [Tensor];
    // What a slice adds to the gradient is as large as all of x, the 95 rows of the forward pass are three times that.
    expect(memory.peak - memory.live).toBeLessThan(7 * x.bytes);
    expect(await gradient.read()).toEqual(Float32Array.from({ length: 32 * 1024 }, (_, i) => i >> 10));
  });

  test('each gradient can be disposed of alone', async () => {
    const [x, y] = [device.tensor([2]), device.tensor([3])];
    const live = device.memory().live;
    const [dx, dy, again] = grad(() => sum(add(x, y)), [x, y, x]) as [Tensor, Tensor, Tensor];
    dx.dispose();
    dy.dispose();
    expect(await again.read()).toEqual(Float32Array.of(1));
    again.dispose();
    expect(device.memory().live).toBe(live);
    // Views among them are followed at the next order.
    const second = () => {
      const [first, other] = grad(() => sum(square(add(x, y))), [x, y]) as [Tensor, Tensor];
      return sum(add(first, mul(other, 10))); // 22 · (x + y)
    };
    expect(await numbers(grad(second, [y]))).toEqual([[22]]);
  });

  test('a tensor used several times gets the sum', async () => {
    const x = device.tensor([2, 3]);
    expect(await numbers(grad(() => sum(mul(x, x)), [x]))).toEqual([[4, 6]]);
    expect(await numbers(grad(() => sum(add(mul(x, x), add(x, x))), [x]))).toEqual([[6, 8]]);
  });

  test('paths that part and meet again are followed once each', async () => {
    const x = device.tensor([2]);
    const loss = () => {
      const a = mul(x, 3);
      const b = square(a);
      return sum(add(mul(a, b), b)); // 27x³ + 9x²
    };
    expect(await numbers(grad(loss, [x]))).toEqual([[81 * 4 + 18 * 2]]);
  });

  test('zeros where the loss does not depend on a tensor', async () => {
    const [x, y] = [device.tensor([1, 2]), device.tensor([1, 2, 3, 4], [2, 2])];
    const grads = grad(() => sum(square(x)), [y, x]);
    expect(grads[0]?.shape).toEqual([2, 2]);
    expect(await numbers(grads)).toEqual([
      [0, 0, 0, 0],
      [2, 4],
    ]);
  });

  test('zeros when the loss was there before', async () => {
    const x = device.tensor([1, 2]);
    const loss = sum(x);
    expect(await numbers(grad(() => loss, [x]))).toEqual([[0, 0]]);
  });

  test('one for the loss itself', async () => {
    const x = device.tensor([7]);
    expect(await numbers(grad(() => x, [x]))).toEqual([[1]]);
  });

  test('by a tensor made inside, and by one on the way', async () => {
    const x = device.tensor([3]);
    let middle: Tensor | undefined;
    const outer = () => {
      middle = device.keep(square(x));
      return sum(grad(() => square(middle as Tensor), [middle])[0] as Tensor); // 2 x²
    };
    expect(await numbers(grad(outer, [x]))).toEqual([[12]]);
    middle?.dispose();
  });

  test('a loss of one element may have any rank', async () => {
    const x = device.tensor([3], [1, 1, 1]);
    const [dx] = grad(() => square(x), [x]);
    expect(dx?.shape).toEqual([1, 1, 1]);
    expect(await dx?.item()).toBe(6);
  });
});

describe('valueAndGrad', () => {
  test('gives the loss too', async () => {
    const x = device.tensor([1, 2]);
    const { value, grads } = valueAndGrad(() => sum(square(x)), [x]);
    expect(await numbers([value, ...grads])).toEqual([[5], [2, 4]]);
  });

  test('gives other results of the function, of any type', async () => {
    const x = device.tensor([1, 2]);
    const { value, grads } = valueAndGrad(() => {
      const y = mul(x, 3);
      return { loss: sum(square(y)), outputs: [y], name: 'aux' };
    }, [x]);
    expect(value.name).toBe('aux');
    expect(await numbers([value.loss, ...value.outputs, ...grads])).toEqual([[45], [3, 6], [18, 36]]);
  });
});

describe('views', () => {
  test('gradients flow through reshape, slice and concat', async () => {
    const x = device.tensor([1, 2, 3, 4, 5, 6], [2, 3]);
    const loss = () => {
      const flat = reshape(x, [6]);
      const joined = concat([slice(flat, { begin: [1], size: [2] }), reshape(flat, [6])], { axis: 0 });
      return sum(square(joined));
    };
    expect(await numbers(grad(loss, [x]))).toEqual([[2, 8, 12, 8, 10, 12]]);
  });

  test('a reshape of a reshape back to the same shape is another tensor on the path', async () => {
    const x = device.tensor([1, 2]);
    const same = () => reshape(reshape(x, [2, 1]), [2]);
    const [dx] = grad(() => sum(mul(same(), x)), [x]);
    expect([...((await dx?.read()) ?? [])]).toEqual([2, 4]);
    expect(dx?.shape).toEqual([2]);
  });
});

test('scaleGradient changes no value, and the gradient of any order by its factor', async () => {
  const x = device.tensor([2, 3]);
  expect(await numbers([scaleGradient(x, 4)])).toEqual([[2, 3]]);
  const slope = () => grad(() => sum(square(scaleGradient(x, 4))), [x])[0] as Tensor;
  expect(await numbers([slope()])).toEqual([[16, 24]]);
  expect(await numbers(grad(() => sum(slope()), [x]))).toEqual([[32, 32]]);
});

describe('stopGradient', () => {
  test('passes the value and no gradient, without a copy', async () => {
    const x = device.tensor([2, 3]);
    const before = device.queue.dispatches;
    const stopped = stopGradient(x);
    expect(device.queue.dispatches).toBe(before);
    expect(stopped.storage('test')).toBe(x.storage('test'));
    expect(await numbers(grad(() => sum(mul(x, stopGradient(x))), [x]))).toEqual([[2, 3]]);
    expect(await numbers(grad(() => sum(stopGradient(square(x))), [x]))).toEqual([[0, 0]]);
  });
});

describe('errors', () => {
  test('a loss of several elements', () => {
    const x = device.tensor([1, 2]);
    expect(() => grad(() => square(x), [x])).toThrow(ShapeError);
    expect(() => grad(() => square(x), [x])).toThrow('grad: the loss must be one number; got [2]');
  });

  test('an async function, and one that returns no loss', async () => {
    const x = device.tensor([1, 2]);
    const later = async () => {
      throw new Error('is not reported twice');
    };
    expect(() => grad(later as never, [x])).toThrow(
      new ShapeError(
        'grad',
        'the function must return a tensor or { loss }; got a promise; it cannot be async',
      ),
    );
    for (const wrong of [undefined, null, 3, {}])
      expect(() => grad((() => wrong) as never, [x])).toThrow(ShapeError);
  });

  test('nothing to differentiate by, and integers', () => {
    const x = device.tensor(Int32Array.of(1));
    expect(() => grad(() => device.tensor([1]), [])).toThrow(/grad: needs at least one tensor/);
    expect(() => grad(() => device.tensor([1]), [x])).toThrow(
      /grad: only f32 and f16 tensors.*Tensor\(i32 \[1\]\)/,
    );
  });

  test('an op without gradient rule on the path', async () => {
    const x = device.tensor([1, 2]);
    const through = () => sum(opaque({ x }, undefined)[0]);
    expect(() => grad(through, [x])).toThrow(new KernelError('opaque', 'has no gradient rule'));
    const beside = () => {
      opaque({ x }, undefined);
      argmax(x);
      return sum(square(x));
    };
    expect(await numbers(grad(beside, [x]))).toEqual([[2, 4]]);
  });

  test('after an exception in the function the next gradient is right', async () => {
    const x = device.tensor([1, 2]);
    const live = device.memory().live;
    const fail = () => {
      exp(x);
      throw new RangeError('mine');
    };
    expect(() => grad(fail, [x])).toThrow(new RangeError('mine'));
    expect(device.recorders).toEqual([]);
    expect(device.memory().live).toBe(live);
    expect(await numbers(grad(() => sum(relu(sub(x, 1.5))), [x]))).toEqual([[0, 1]]);
  });
});

test('broadcasting is summed back to the shape of the input', async () => {
  const row = device.tensor([1, 2, 3]);
  const column = device.tensor([10, 20], [2, 1]);
  const grads = grad(() => sum(mul(broadcastTo(row, [2, 3]), column)), [row, column]);
  expect(grads.map((g) => g.shape)).toEqual([[3], [2, 1]]);
  expect(await numbers(grads)).toEqual([
    [30, 30, 30],
    [6, 6],
  ]);
});

test('matmul with both sides the same tensor', async () => {
  const x = device.tensor([1, 2, 3, 4], [2, 2]);
  const [dx] = grad(() => sum(matmul(x, x)), [x]);
  expect([...((await dx?.read()) ?? [])]).toEqual([3 + 4, 7 + 4, 3 + 6, 7 + 6]);
});
