import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { resize } from '../../src/kernels/resize.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
let x: Tensor;
beforeAll(async () => {
  device = await openTestDevice();
  x = device.tensor([1, 2, 3, 4], [1, 2, 2, 1]);
});
afterAll(() => device.dispose());

const bad: readonly [string, (x: Tensor) => Tensor, RegExp][] = [
  [
    'too few sizes',
    (x) => resize(x, { size: [4] }),
    /resize: x must be \[N, spatial…, C\] with a size per axis; got .*\[4\]/,
  ],
  ['no spatial axis', () => resize(device.tensor([1], [1, 1]), { size: [] }), /spatial/],
  ['a size of 0', (x) => resize(x, { size: [2, 0] }), /lengths must be positive.*\[2, 2\] to \[2,0\]/],
  ['half a size', (x) => resize(x, { size: [2, 1.5] }), /lengths must be positive/],
  ['huge sizes', (x) => resize(x, { size: [2, 2 ** 30] }), /not huge/],
  [
    'aligned corners of nearest',
    (x) => resize(x, { size: [4, 4], mode: 'nearest', alignCorners: true }),
    /bilinear/,
  ],
  ['integers', () => resize(device.tensor(new Int32Array(2), [1, 2, 1]), { size: [4] }), /x must be f32/],
];

describe('resize refuses', () => {
  test.each(bad)('%s', (_, call, message) => {
    expect(() => call(x)).toThrow(ShapeError);
    expect(() => call(x)).toThrow(message);
  });
});

// What torch.nn.functional.interpolate documents for [[1, 2], [3, 4]] at scale 2.
const published = {
  bilinear: [1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4],
  nearest: [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4],
} as const;

test.each(['bilinear', 'nearest'] as const)('%s is that of PyTorch', async (mode) => {
  expect([...(await resize(x, { size: [4, 4], mode }).read())]).toEqual([...published[mode]]);
});

test('bilinear with aligned corners is that of PyTorch', async () => {
  const got = await resize(x, { size: [4, 4], alignCorners: true }).read();
  const expected = [3, 4, 5, 6, 5, 6, 7, 8, 7, 8, 9, 10, 9, 10, 11, 12].map((thirds) => thirds / 3);
  expect(Math.max(...expected.map((value, i) => Math.abs(value - (got[i] ?? 0))))).toBeLessThan(1e-6);
});

test('more than 65,535 workgroups', async () => {
  const width = 65_536 * 128 + 4;
  const rows = new Float32Array(2 * width).fill(1, width);
  const got = await resize(device.tensor(rows, [1, 2, width]), { size: [3] }).read();
  expect([got[0], got[width - 1], got[width], got[2 * width - 1], got[2 * width], got.at(-1)]).toEqual([
    0, 0, 0.5, 0.5, 1, 1,
  ]);
});
