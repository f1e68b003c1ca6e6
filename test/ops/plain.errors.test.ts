import { afterAll, beforeAll, test } from 'vitest';
import { grad, stopGradient } from '../../src/autograd/grad.ts';
import { attention } from '../../src/kernels/attention.ts';
import { channelMatmul } from '../../src/kernels/channel-matmul.ts';
import { conv2d, convTranspose1d } from '../../src/kernels/conv.ts';
import { add, relu } from '../../src/kernels/elementwise.ts';
import { onesLike, zerosLike } from '../../src/kernels/fill.ts';
import { gather } from '../../src/kernels/gather.ts';
import { graphConv } from '../../src/kernels/graph-conv.ts';
import { groupNorm, layerNorm } from '../../src/kernels/group-norm.ts';
import { concat, flip, pad, reshape, slice, split, stack, transpose } from '../../src/kernels/layout.ts';
import { crossEntropy, klDiv } from '../../src/kernels/loss.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { logSoftmax, softmax } from '../../src/kernels/softmax.ts';
import { accumulateUpdate, sgdUpdate } from '../../src/kernels/update.ts';
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
  await expectRefusals(conv2d, [[[], /^ShapeError: conv2d: needs a tensor as x; got undefined/]]);
});

test('a second tensor that is missing, as the name of a weight with a slip of the finger gives, is named', async () => {
  const missing = {
    matmul: 'b',
    conv2d: 'w',
    convTranspose1d: 'w',
    crossEntropy: 'labels',
    klDiv: 'target',
    attention: 'k',
  };
  const all = { ...missing, graphConv: 'w', channelMatmul: 'b', gather: 'indices' };
  const ops = {
    matmul,
    conv2d,
    convTranspose1d,
    crossEntropy,
    klDiv,
    attention,
    graphConv,
    channelMatmul,
    gather,
  };
  for (const [name, op] of Object.entries(ops)) {
    const key = all[name as keyof typeof all];
    await expectRefusals(op, [
      [[x, undefined, x], new RegExp(`^ShapeError: ${name}: needs a tensor as ${key}; got undefined`)],
    ]);
  }
});

test('ops that look at an input before anything else say so too', async () => {
  const options = { groups: 1, begin: [0], learningRate: 0.1 };
  const ops = {
    ...{ softmax, logSoftmax, layerNorm, transpose, flip, zerosLike, onesLike, stopGradient },
    pad: (given: Tensor) => pad(given, [[1, 1]]),
    slice: (given: Tensor) => slice(given, options),
    split: (given: Tensor) => split(given, [1, 1]),
    gather: (given: Tensor) => gather(given, x),
    groupNorm: (given: Tensor) => groupNorm(given, undefined, undefined, options),
  };
  for (const [name, op] of Object.entries(ops)) {
    const needs = new RegExp(`^ShapeError: ${name}: needs a tensor as x; got `);
    await expectRefusals(
      op,
      [undefined, null, 3, 'x', [1, 2], {}, new Float32Array(2)].map((value) => [[value], needs]),
    );
  }
  await expectRefusals(gather, [[[x], /gather: needs a tensor as indices; got undefined/]]);
  await expectRefusals(slice, [
    [[x], /slice: needs options \(begin, size, step\); got undefined/],
    [[x, { begin: [0], end: [1] }], /slice: options have no 'end'; 'size' is meant/],
  ]);
  await expectRefusals(transpose, [[[x, 0, 1], /transpose: needs a list of axes; got 0/]]);
  await expectRefusals(reshape, [[[x, 4], /reshape: needs a shape; got 4/]]);
  await expectRefusals(flip, [[[x, { axes: 0 }], /flip: needs an axis or a list of axes; got Object/]]);
  for (const padding of [undefined, 1, [1, 1], [[1]]])
    await expectRefusals(pad, [[[x, padding], /pad: needs \[before, after\] for each axis; got /]]);
  await expectRefusals(sgdUpdate, [[[x, 3, undefined, options], /sgdUpdate: needs a tensor as grad; got 3/]]);
  await expectRefusals(accumulateUpdate, [
    [[null, x], /accumulateUpdate: needs a tensor as target; got null/],
  ]);
  await expectRefusals(grad, [
    [[() => x], /grad: needs a list of tensors; got undefined/],
    [[x, [x]], /grad: needs a function that gives the loss; got Object/],
  ]);
  await expectRefusals(sum, [
    [[x, { axis: 1 }], /sum: options have no 'axis'; 'axes' is meant/],
    [[x, { axes: 1, keepdim: true }], /sum: options have no 'keepdim'; 'keepDims' is meant/],
    [[x, { dim: 1 }], /sum: options have no 'dim'; 'axes' is meant/],
    [[x, 1], /sum: needs options \(axes, keepDims\); got 1/],
  ]);
  await expectRefusals(softmax, [
    [[x, { axes: 0 }], /softmax: options have no 'axes'; 'axis' is meant/],
    [[x, { dim: 0 }], /softmax: options have no 'dim'; 'axis' is meant/],
    [[x, 0], /softmax: needs options \(axis\); got 0/],
  ]);
  await expectRefusals(concat, [[[[x, x], 1], /concat: needs options \(axis\); got 1/]]);
  for (const join of [concat, stack])
    await expectRefusals(join, [
      [[x], new RegExp(`${join.name}: needs a list of tensors; got Object`)],
      [[[]], new RegExp(`${join.name}: needs at least one tensor$`)],
      [[[x, [1, 2]]], new RegExp(`${join.name}: needs a tensor as element 1; got Array`)],
    ]);
});
