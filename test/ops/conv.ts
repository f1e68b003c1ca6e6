import { conv1d } from '../../src/kernels/conv.ts';
import { type OpCase, opCase, uniform, values } from './case.ts';
import { biased, conv, measured, residual, small, transposed, windowOf } from './conv-case.ts';
import { convReference } from './conv-reference.ts';

const strides = [1, 2, 3];
const paddings = [0, 2] as const;
const dilations = [1, 2];

/** Every stride, padding and dilation in one dimension, first with odd channels, then with whole vectors. */
const combinations = strides.flatMap((stride) =>
  paddings.flatMap((padding) =>
    dilations.flatMap((dilation) => [
      conv([2, 9, 2], [3, 2, 3], { stride, padding, dilation }, small),
      conv([1, 8, 4], [2, 4, 8], { stride, padding, dilation }, { gradients: ['x', 'w'] }),
      transposed([2, 4, 3], [3, 2, 3], { stride, padding, dilation: 2 }),
    ]),
  ),
);

export const cases: readonly OpCase[] = [
  ...combinations,
  conv([1, 1, 1], [1, 1, 1], {}, small),
  conv([2, 5, 3], [3, 3, 2], { padding: 'same' }, small),
  conv([2, 6, 3], [4, 3, 2], { padding: 'same', stride: 2 }, small),
  conv([2, 5, 3], [2, 3, 2], { padding: [[0, 3]], stride: 2 }, small),
  conv([2, 4, 5, 2], [3, 2, 2, 3], { padding: 1, stride: [1, 2] }, small),
  conv([1, 5, 4, 4], [2, 3, 4, 4], { padding: [1, 0], stride: [3, 1], dilation: [2, 1] }, small),
  conv([2, 3, 4, 3, 2], [2, 3, 2, 2, 3], { padding: [1, 0, 1], stride: [1, 2, 1] }, small),
  conv([1, 3, 3, 3, 4], [2, 2, 2, 4, 4], { padding: 1, stride: 2, dilation: [1, 2, 1] }, small),
  conv([1, 4, 4, 6], [3, 3, 2, 9], { groups: 3, padding: 1 }, small),
  conv([1, 4, 3, 8], [2, 2, 4, 8], { groups: 2, padding: 1, stride: 2 }, small),
  conv([2, 5, 8], [3, 1, 8], { groups: 8, padding: 1, stride: 2 }, small),
  conv([1, 5, 6], [3, 1, 6], { groups: 6, padding: 2, dilation: 2 }, small),
  conv([1, 4, 4, 4], [3, 3, 1, 4], { groups: 4, padding: 1, stride: 2 }, small),
  conv([1, 5, 4], [3, 1, 8], { groups: 4, padding: 1 }, small),
  conv([2, 5, 5, 4], [3, 3, 1, 4], { groups: 4, padding: 1 }, small),
  conv([1, 4, 4, 4], [3, 3, 1, 4], { groups: 4, padding: 3 }, { gradients: ['x', 'w'] }),
  conv([1, 2, 6, 4, 4], [1, 3, 3, 1, 4], { groups: 4, padding: [0, 1, 0] }, { gradients: ['x', 'w'] }),
  conv([2, 35, 6, 8], [3, 3, 1, 8], { groups: 8, padding: 1 }),
  conv([0, 5, 4], [3, 4, 4], { padding: 1 }),
  conv([0, 5, 5, 4], [3, 3, 4, 4], { padding: 1 }),
  conv([2, 6, 5, 4], [3, 3, 4, 8], { padding: 1 }, small),
  conv([1, 9, 4, 8], [3, 3, 8, 4], {}, { gradients: ['x', 'w'] }),
  conv(
    [1, 5, 5, 4],
    [3, 3, 4, 4],
    {
      padding: [
        [0, 2],
        [3, 1],
      ],
    },
    { gradients: ['x', 'w'] },
  ),
  conv([2, 3, 5, 6, 4], [1, 3, 3, 4, 8], { padding: [0, 1, 1] }, { gradients: ['x', 'w'] }),
  conv([1, 2, 6, 5, 4], [1, 3, 3, 4, 4], { padding: [1, 1, 1] }),
  conv([1, 2, 3, 5, 4], [1, 3, 3, 4, 4], { padding: [[0, 1], 1, 1] }, { gradients: ['x', 'w'] }),
  conv([2, 3, 6, 5, 4], [3, 3, 3, 4, 8], { padding: 1 }, small),
  conv([2, 1, 5, 4, 8], [3, 3, 3, 8, 4], { padding: 1 }, { gradients: ['x', 'w'] }),
  conv([2, 5, 5, 7, 4], [2, 3, 3, 4, 4], { padding: [0, 1, 0] }, { gradients: ['x', 'w'] }),
  conv([1, 3, 4, 5, 4], [5, 3, 3, 4, 4], { padding: [2, 0, 1] }, { gradients: ['x', 'w'] }),
  conv([2, 2, 4, 3, 4], [3, 3, 3, 4, 4], { padding: [[4, 1], [0, 2], 1] }, { gradients: ['x', 'w'] }),
  conv([2, 17, 4], [9, 4, 8], { padding: 'same' }, small),
  conv([1, 31, 8], [9, 8, 4], {}, { gradients: ['x', 'w'] }),
  conv([2, 13, 3, 4], [9, 1, 4, 4], { padding: [4, 0] }, { gradients: ['x', 'w'] }),
  conv(
    [2, 3, 25, 4],
    [1, 9, 4, 8],
    {
      padding: [
        [0, 0],
        [2, 6],
      ],
    },
    { gradients: ['x', 'w'] },
  ),
  conv([1, 10, 2, 3, 8], [9, 1, 1, 8, 4], { padding: [9, 0, 0] }, { gradients: ['x', 'w'] }),
  conv([0, 9, 4], [9, 4, 4], { padding: 4 }),
  { ...conv([30, 64, 62, 4], [3, 3, 4, 4], { padding: 1 }, { linear: ['x', 'w'] }), large: true }, // more than a part of winograd.wgsl
  {
    ...conv([9, 6, 30, 30, 16], [3, 3, 3, 16, 4], { padding: [1, 1, 0] }, { linear: ['x', 'w'] }),
    large: true,
  }, // with a depth
  { ...conv([26, 1000, 8], [9, 8, 12], { padding: [[4, 1]] }, { linear: ['x', 'w'] }), large: true }, // in lines
  transposed([1, 5, 4, 8], [3, 3, 4, 8], { padding: 1 }),
  transposed([2, 12, 8], [9, 4, 8], { padding: 4 }),
  conv([7, 4, 4, 3], [3, 3, 3, 20], { padding: 1, stride: 2 }),
  conv([2, 13, 11, 5], [3, 3, 5, 7], { padding: 1 }),
  conv([2, 9, 10, 12], [3, 5, 12, 36], { padding: [1, 2] }),
  conv([3, 6, 6, 24], [1, 1, 24, 40]),
  conv([2, 7, 7, 16], [1, 1, 16, 8], { stride: 2 }),
  conv([3, 15, 25, 16], [5, 1, 16, 16], { padding: [2, 0], stride: [2, 1] }),
  conv([2, 4, 6, 6, 16], [3, 3, 3, 16, 32], { padding: 1, stride: [1, 2, 2] }),
  conv([4, 3, 3, 32], [3, 3, 32, 64], { padding: 1, stride: 2 }),
  conv([1, 9, 2], [4, 2, 5], { padding: 2 }, small),
  conv([1, 5, 7, 6], [2, 4, 6, 4], { padding: [1, 2] }, { gradients: ['x', 'w'] }),
  conv([1, 5, 4, 4, 4], [2, 2, 2, 4, 8], { stride: [3, 1, 2] }, small), // along one axis a phase has no tap
  conv([1, 5, 5, 4, 8], [3, 3, 1, 8, 12], { stride: [2, 1, 1], padding: 1 }, { gradients: ['x', 'w'] }),
  conv([1, 9, 7, 16], [3, 3, 16, 20], { dilation: [1, 2], padding: 2, stride: [2, 3] }),
  conv([2, 12, 12, 3], [7, 7, 3, 16], { padding: 3, stride: 2 }),
  conv([2, 17, 32], [9, 1, 32], { groups: 32, padding: 4 }),
  conv([2, 9, 9, 64], [3, 3, 1, 64], { groups: 64, padding: 1, stride: 2 }),
  conv([2, 5, 6, 7, 12], [3, 3, 3, 1, 12], { groups: 12, padding: 1, stride: [1, 2, 1] }),
  conv([2, 8, 8, 24], [3, 3, 8, 24], { groups: 3, padding: 1 }),
  biased([2, 5, 3], [3, 3, 2], { padding: 1 }),
  biased([1, 4, 4, 4], [3, 3, 4, 8], { stride: 2 }),
  biased([1, 5, 8], [3, 1, 8], { groups: 8, padding: 1 }),
  biased([1, 4, 5, 8], [3, 3, 1, 8], { groups: 8, activation: 'leakyRelu' }),
  biased([2, 5, 3], [3, 3, 4], { activation: 'relu' }),
  biased([2, 5, 4], [3, 4, 5], { activation: 'leakyRelu', padding: 1 }),
  biased([2, 5, 4], [3, 4, 4], { activation: 'tanh' }),
  biased([2, 6, 5, 20], [3, 3, 20, 12], { activation: 'relu', padding: 1 }, []),
  biased([2, 2, 5, 6, 4], [3, 3, 3, 4, 8], { activation: 'leakyRelu', padding: 1 }),
  residual([2, 5, 3], [3, 3, 2], { padding: 1 }, { secondOrder: true }),
  residual([1, 5, 4, 4], [3, 3, 4, 8], { padding: 1, activation: 'tanh' }),
  residual([2, 3, 4, 5, 4], [3, 3, 3, 4, 4], { padding: [0, 1, 1], activation: 'relu' }),
  residual([1, 14, 2, 4], [9, 1, 4, 8], { padding: [4, 0], activation: 'leakyRelu' }),
  residual([1, 5, 8], [3, 1, 8], { groups: 8, padding: 1, stride: 2 }),
  residual([1, 4, 4, 8], [3, 3, 1, 8], { groups: 8, padding: 1, activation: 'relu' }),
  transposed([1, 3, 0], [3, 4, 0], {}),
  transposed([1, 3, 3, 4], [3, 3, 4, 4], { stride: 2, padding: 1, outputPadding: 1 }),
  transposed([1, 3, 2, 3], [2, 3, 2, 3], {
    stride: [3, 1],
    padding: [
      [0, 1],
      [1, 0],
    ],
    outputPadding: [2, 0],
  }),
  transposed([1, 2, 2, 2, 4], [2, 2, 2, 3, 4], { stride: 2 }),
  transposed([2, 2, 5, 4, 8], [3, 3, 3, 4, 8], { padding: 1 }),
  transposed([1, 4, 6], [3, 1, 6], { stride: 2, groups: 2 }),
  transposed([2, 4, 8], [2, 1, 8], { stride: 3, groups: 8 }),
  transposed([2, 7, 9, 12], [4, 4, 20, 12], { stride: 2, padding: 1 }, []),
  { ...transposed([1, 1, 1, 4], [1, 1, 4, 4], { stride: 257 }, []), large: true, forced: 'none' }, // a phase a workgroup: more than 65,535
  opCase<'x' | 'w'>({
    name: 'infinity and NaN reach what sees them and nothing else',
    inputs: {
      x: values([1, 7, 4], [1, 2, -3, 0.5, 1, 1, 1, 1, Number.NaN, 1, Number.POSITIVE_INFINITY]),
      w: uniform([2, 4, 5], 1, 2),
    },
    op: (t) => conv1d(t.x, t.w),
    reference: (t) => convReference(t.x, t.w, [1, 6, 5], windowOf([7], [2], {})),
    gradients: [],
  }),
  measured([4, 8, 24, 24, 3], [3, 3, 3, 3, 8], { padding: 1, stride: [1, 2, 2] }),
  measured([4, 8, 12, 12, 8], [3, 3, 3, 8, 16], { padding: 1, stride: [1, 2, 2] }),
  measured([1, 28, 28, 64], [3, 3, 64, 64], { padding: 1 }),
  measured([1, 24, 26, 16], [5, 3, 16, 32], { padding: [2, 1] }), // enough work for large tiles
  measured([1, 24, 26, 16], [5, 3, 16, 33], { padding: [2, 1] }),
];
