import { afterAll, beforeAll, test } from 'vitest';
import { conv2d } from '../../src/kernels/conv.ts';
import { add, relu } from '../../src/kernels/elementwise.ts';
import { reshape } from '../../src/kernels/layout.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { expectRefusals } from '../plain.ts';

let device: Device;
let x: Tensor;
beforeAll(async () => {
  device = await openTestDevice();
  x = device.tensor([1, 2, 3, 4], [2, 2]);
});
afterAll(() => device.dispose());

test('plain JavaScript that gives an op no tensor is told which op and what came', async () => {
  await expectRefusals(relu, [
    [[3], /relu: needs a tensor as x; got 3/],
    [[null], /relu: needs a tensor as x; got null/],
    [['x'], /relu: needs a tensor as x; got the text "x"/],
    [[[1, 2]], /relu: needs a tensor as x; got Array/],
    [[], /relu: needs /],
  ]);
  await expectRefusals(add, [[[x, 'y'], /add: needs /]]);
  await expectRefusals(matmul, [
    [[x, new Float32Array(4)], /matmul: needs a tensor as b; got Float32Array/],
    [[{}, x], /matmul: needs a tensor as a; got/],
  ]);
  await expectRefusals(reshape, [[[[1, 2], [2]], /reshape: needs a tensor as x; got Array/]]);
  await expectRefusals(sum, [[[], /^ShapeError: sum: needs a tensor; got undefined/]]);
  await expectRefusals(conv2d, [[[], /^ShapeError: conv2d: needs a tensor; got undefined/]]);
});
