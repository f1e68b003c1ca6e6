import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkGradients } from '../../src/autograd/check.ts';
import { stopGradient } from '../../src/autograd/grad.ts';
import { KernelError } from '../../src/errors.ts';
import { add, mul, sigmoid, square } from '../../src/kernels/elementwise.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { softmax } from '../../src/kernels/softmax.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
let x: Tensor;
let w: Tensor;
beforeAll(async () => {
  device = await openTestDevice();
  x = device.tensor(
    Array.from({ length: 12 }, (_, i) => Math.sin(i)),
    [3, 4],
  );
  w = device.tensor(
    Array.from({ length: 8 }, (_, i) => Math.cos(i)),
    [4, 2],
  );
});
afterAll(() => device.dispose());

describe('a right gradient', () => {
  test('passes, with the deviation', async () => {
    const loss = () => sum(square(softmax(sigmoid(matmul(x, w)))));
    const worst = await checkGradients(loss, [x, w]);
    expect(worst).toBeGreaterThan(0);
    expect(worst).toBeLessThan(2e-2);
  });

  test('the inputs are put back and nothing is left behind', async () => {
    const [before, live] = [await x.read(), device.memory().live];
    await checkGradients(() => sum(square(x)), [x]);
    expect(await x.read()).toEqual(before);
    expect(device.memory().live).toBe(live);
  });
});

describe('a wrong gradient', () => {
  test('throws, naming input and element', async () => {
    const half = () => sum(mul(x, stopGradient(x))); // says x, is 2x
    await expect(checkGradients(half, [x])).rejects.toThrow(KernelError);
    const second = () => add(sum(square(x)), sum(mul(w, stopGradient(w))));
    await expect(checkGradients(second, [x, w])).rejects.toThrow(
      /^checkGradients: input 1, element 0: gradient 1, difference quotient (2|1\.99\d*)/,
    );
  });

  test('a gradient that is missing altogether throws', async () => {
    await expect(checkGradients(() => sum(stopGradient(x)), [x])).rejects.toThrow(/gradient 0, difference/);
  });

  test('a gradient wrong by 5 % throws by default and passes with a wide tolerance', async () => {
    const almost = () => add(mul(sum(x), 0.95), mul(sum(stopGradient(x)), 0.05));
    await expect(checkGradients(almost, [x])).rejects.toThrow(KernelError);
    expect(await checkGradients(almost, [x], { tolerance: 0.1 })).toBeCloseTo(0.05, 2);
  });

  test('NaN is not taken for right', async () => {
    const zero = device.tensor([0]);
    await expect(checkGradients(() => sum(mul(zero, Number.NaN)), [zero])).rejects.toThrow(KernelError);
  });

  test('the inputs are put back and nothing is left behind', async () => {
    const [before, live] = [await x.read(), device.memory().live];
    await expect(checkGradients(() => sum(mul(x, stopGradient(x))), [x, w])).rejects.toThrow(KernelError);
    expect(await x.read()).toEqual(before);
    expect(device.memory().live).toBe(live);
  });
});

test('an exception in the function leaves the inputs as they were', async () => {
  const [before, live] = [await x.read(), device.memory().live];
  let calls = 0;
  const fail = () => {
    calls++;
    if (calls === 4) throw new RangeError('mine');
    return sum(square(x));
  };
  await expect(checkGradients(fail, [x])).rejects.toThrow(new RangeError('mine'));
  expect(await x.read()).toEqual(before);
  expect(device.memory().live).toBe(live);
});

test('a loss that is not a scalar is refused', async () => {
  await expect(checkGradients(() => square(x), [x])).rejects.toThrow(/the loss must be one number/);
});
