import { describe, expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { ShapeError } from '../../src/errors.ts';
import { type Activation, matmul } from '../../src/kernels/matmul.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { fileDevice } from './file-device.ts';

const { device, zeros } = fileDevice();

describe('matmul rejects', () => {
  const bad: [string, () => Tensor, RegExp][] = [
    ['vectors', () => matmul(zeros(3), zeros(3, 2)), /needs two matrices; got a \[3\] and b \[3, 2\]/],
    [
      'inner dimensions that differ',
      () => matmul(zeros(2, 3), zeros(4, 5)),
      /inner dimensions 3 and 4 differ/,
    ],
    [
      'inner dimensions that differ once transposed',
      () => matmul(zeros(2, 3), zeros(3, 5), { transposeB: true }),
      /inner dimensions 3 and 5 differ.*transposeB true/,
    ],
    ['batches that do not broadcast', () => matmul(zeros(2, 3, 4), zeros(3, 4, 5)), /do not broadcast/],
    [
      'batches on too many axes',
      () => matmul(zeros(2, 1, 2, 1, 2, 3), zeros(2, 1, 2, 3, 2)),
      /broadcast along three separate axes/,
    ],
    [
      'a bias of another size',
      () => matmul(zeros(2, 3), zeros(3, 5), { bias: zeros(2) }),
      /bias must be \[5\]; got \[2\]/,
    ],
    [
      'a residual of another shape',
      () => matmul(zeros(2, 3), zeros(3, 5), { residual: zeros(5) }),
      /residual must be \[2, 5\]; got \[5\]/,
    ],
    ['integers', () => matmul(device().tensor(new Int32Array(4), [2, 2]), zeros(2, 2)), /a must be f32/],
    [
      'an unknown activation',
      () => matmul(zeros(2, 2), zeros(2, 2), { activation: 'swish' as Activation }),
      /activation must be one of none, relu, .*; got swish/,
    ],
  ];
  test.each(bad)('%s', (_, call, message) => {
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(message);
  });
});

test('leakyRelu with a negative slope has the gradient of the op of its own', async () => {
  const [a, b] = [device().tensor([-2, 3], [2, 1]), device().tensor([1], [1, 1])];
  const [g] = grad(() => sum(matmul(a, b, { activation: 'leakyRelu', slope: -0.5 })), [a]);
  expect(await g?.read()).toEqual(Float32Array.of(-0.5, 1));
});
