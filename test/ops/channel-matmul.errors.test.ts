import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { channelMatmul } from '../../src/kernels/channel-matmul.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { fileDevice } from './file-device.ts';

const { device, zeros } = fileDevice();

describe('channelMatmul rejects', () => {
  const plain = /a and b must be \[N, I, K, C\] and \[N, K, J, C\]; got/;
  const bad: [string, () => Tensor, RegExp][] = [
    ['another rank', () => channelMatmul(zeros(2, 3, 4), zeros(2, 4, 5)), plain],
    ['other inner dimensions', () => channelMatmul(zeros(1, 2, 3, 4), zeros(1, 2, 3, 4)), plain],
    ['other batches', () => channelMatmul(zeros(1, 2, 3, 4), zeros(2, 3, 3, 4)), plain],
    ['other channels', () => channelMatmul(zeros(1, 2, 3, 4), zeros(1, 3, 3, 5)), plain],
    [
      'what fits only untransposed',
      () => channelMatmul(zeros(1, 2, 3, 4), zeros(1, 3, 5, 4), { transposeA: true, transposeB: true }),
      /a and b must be \[N, K, I, C\] and \[N, J, K, C\]; got \[1, 2, 3, 4\] and \[1, 3, 5, 4\]/,
    ],
    [
      'integers',
      () => channelMatmul(zeros(1, 2, 3, 4), device().tensor(new Int32Array(36), [1, 3, 3, 4])),
      /b must be f32/,
    ],
  ];
  test.each(bad)('%s', (_, call, expected) => {
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(expected);
  });
});
