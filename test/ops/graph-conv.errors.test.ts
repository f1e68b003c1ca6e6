import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { graphConv } from '../../src/kernels/graph-conv.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { fileDevice } from './file-device.ts';

const { device, zeros } = fileDevice();

describe('graphConv rejects', () => {
  const message = /x, w and adjacency must be \[N, T, V, C\], \[P, C, O\] and \[P, V, V\]; got/;
  const bad: [string, () => Tensor, RegExp][] = [
    ['another rank', () => graphConv(zeros(2, 3, 4), zeros(1, 4, 5), zeros(1, 3, 3)), message],
    ['other channels', () => graphConv(zeros(1, 2, 3, 4), zeros(1, 5, 5), zeros(1, 3, 3)), message],
    ['other joints', () => graphConv(zeros(1, 2, 3, 4), zeros(1, 4, 5), zeros(1, 4, 4)), message],
    ['other partitions', () => graphConv(zeros(1, 2, 3, 4), zeros(2, 4, 5), zeros(1, 3, 3)), message],
    [
      'a bias of another size',
      () => graphConv(zeros(1, 2, 3, 4), zeros(1, 4, 5), zeros(1, 3, 3), { bias: zeros(4) }),
      /bias must be \[5\]; got \[4\]/,
    ],
    [
      'integers',
      () => graphConv(zeros(1, 2, 3, 4), zeros(1, 4, 5), device().tensor(new Int32Array(9), [1, 3, 3])),
      /adjacency must be f32/,
    ],
  ];
  test.each(bad)('%s', (_, call, expected) => {
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(expected);
  });
});
