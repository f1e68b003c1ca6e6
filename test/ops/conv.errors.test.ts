import { describe, expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { ShapeError } from '../../src/errors.ts';
import { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d } from '../../src/kernels/conv.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { fileDevice } from './file-device.ts';

const { device, zeros } = fileDevice();

describe('convolutions reject', () => {
  const bad: [string, () => Tensor, RegExp][] = [
    ['another rank', () => conv2d(zeros(1, 5, 4), zeros(3, 4, 4)), /conv2d: x and w must have 4 dimensions/],
    [
      'weights for other channels',
      () => conv2d(zeros(8, 5, 5, 16), zeros(3, 3, 32, 64)),
      /w must be \[KH, KW, C\/groups, O\] = \[\?, \?, 16, \?\].*got \[3, 3, 32, 64\] for x \[8, 5, 5, 16\], groups 1/,
    ],
    ['groups that do not divide O', () => conv1d(zeros(1, 5, 4), zeros(3, 2, 3), { groups: 2 }), /groups 2/],
    ['no groups', () => conv1d(zeros(1, 5, 4), zeros(3, 4, 3), { groups: 0 }), /groups must be a positive/],
    ['a stride of 0', () => conv1d(zeros(1, 5, 4), zeros(3, 4, 3), { stride: 0 }), /stride must be 1 whole/],
    [
      'strides for other axes',
      () => conv3d(zeros(1, 5, 5, 5, 4), zeros(3, 3, 3, 4, 3), { stride: [1, 2] }),
      /stride must be 3 whole numbers from 1 up; got \[1,2\]/,
    ],
    ['half a dilation', () => conv1d(zeros(1, 5, 4), zeros(3, 4, 3), { dilation: 0.5 }), /dilation must be/],
    ['negative padding', () => conv1d(zeros(1, 5, 4), zeros(3, 4, 3), { padding: -1 }), /padding must be/],
    [
      'padding for other axes',
      () => conv2d(zeros(1, 5, 5, 4), zeros(3, 3, 4, 3), { padding: [1] }),
      /padding must be 'same', 'valid' or 2 whole numbers/,
    ],
    [
      'a kernel larger than the input',
      () => conv1d(zeros(1, 2, 4), zeros(4, 4, 3)),
      /w \[4, 4, 3\] reaches beyond the padded x \[1, 2, 4\]/,
    ],
    [
      'a bias of another size',
      () => conv1d(zeros(1, 5, 4), zeros(3, 4, 3), { bias: zeros(4) }),
      /bias must be \[3\]/,
    ],
    [
      'a residual of another shape',
      () => conv1d(zeros(1, 5, 4), zeros(3, 4, 3), { residual: zeros(1, 5, 3) }),
      /residual must be \[1, 3, 3\]; got \[1, 5, 3\]/,
    ],
    [
      'integers',
      () => conv1d(device().tensor(new Int32Array(8), [1, 2, 4]), zeros(1, 4, 3)),
      /x must be f32/,
    ],
    [
      'transposed weights for other channels',
      () => convTranspose2d(zeros(1, 4, 4, 6), zeros(3, 3, 2, 5)),
      /w must be \[KH, KW, O\/groups, C\] with C = 6.*got \[3, 3, 2, 5\]/,
    ],
    [
      'output padding from the stride up',
      () => convTranspose1d(zeros(1, 4, 3), zeros(3, 2, 3), { stride: 2, outputPadding: 2 }),
      /outputPadding must be below the stride/,
    ],
    [
      'padding that leaves nothing',
      () => convTranspose1d(zeros(1, 1, 3), zeros(2, 2, 3), { padding: 1 }),
      /leaves nothing of the output/,
    ],
    [
      'a transposed bias of another size',
      () => convTranspose1d(zeros(1, 4, 3), zeros(3, 2, 3), { bias: zeros(3) }),
      /bias must be \[2\]/,
    ],
  ];
  test.each(bad)('%s', (_, call, message) => {
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(message);
  });
});

test('leakyRelu with a negative slope has the gradient of the op of its own', async () => {
  const [x, w] = [device().tensor([-2, 3], [1, 2, 1]), device().tensor([1], [1, 1, 1])];
  const [g] = grad(() => sum(conv1d(x, w, { activation: 'leakyRelu', slope: -0.5 })), [x]);
  expect(await g?.read()).toEqual(Float32Array.of(-0.5, 1));
});
