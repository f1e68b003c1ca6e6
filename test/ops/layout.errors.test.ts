import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import {
  broadcastTo,
  concat,
  flip,
  gather,
  oneHot,
  pad,
  reshape,
  slice,
  split,
  stack,
  transpose,
} from '../../src/kernels/layout.ts';
import { mergeAxes } from '../../src/kernels/layout-copy.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
let x: Tensor;
beforeAll(async () => {
  device = await openTestDevice();
  x = device.tensor([1, 2, 3, 4, 5, 6], [2, 3]);
});
afterAll(() => device.dispose());

const bad: readonly [string, (x: Tensor) => unknown, RegExp][] = [
  ['reshape to another size', () => reshape(x, [4]), /reshape: Tensor\(f32 \[2, 3\]\) of 6 elements.*\[4\]/],
  ['reshape with two holes', () => reshape(x, [-1, -1]), /\[-1, -1\]/],
  ['reshape with a hole that does not divide', () => reshape(x, [4, -1]), /\[4, -1\]/],
  [
    'transpose with an axis twice',
    () => transpose(x, [0, 0]),
    /each axis of Tensor\(f32 \[2, 3\]\) once; got \[0,0\]/,
  ],
  ['transpose with an axis missing', () => transpose(x, [1]), /got \[1\]/],
  ['transpose with an axis out of range', () => transpose(x, [0, 2]), /axis must be in \[-2, 1\]/],
  [
    'transpose of too many axes',
    () => transpose(device.tensor(new Float32Array(128), [2, 2, 2, 2, 2, 2, 2])),
    /at most 6/,
  ],
  ['broadcast of another dimension', () => broadcastTo(x, [4, 2, 5]), /does not broadcast to \[4, 2, 5\]/],
  ['broadcast to fewer axes', () => broadcastTo(x, [3]), /does not broadcast to \[3\]/],
  ['broadcast to a negative dimension', () => broadcastTo(x, [-1, 3]), /non-negative integers/],
  ['flip of an axis twice', () => flip(x, [0, -2]), /named twice/],
  ['slice past the end', () => slice(x, { begin: [0, 1], size: [2, 3] }), /axis 1 .* begin 1, size 3/],
  ['slice before the start', () => slice(x, { begin: [-3] }), /axis 0 .* begin -3/],
  ['slice with step 0', () => slice(x, { step: [0] }), /step 0/],
  ['slice of too many axes', () => slice(x, { begin: [0, 0, 0] }), /3 ranges/],
  ['negative padding', () => pad(x, [[-1, 0]]), /\[before, after\] ≥ 0/],
  [
    'padding of too many axes',
    () =>
      pad(reshape(x, [6]), [
        [0, 0],
        [1, 1],
      ]),
    /got \[\[0, 0\],\[1, 1\]\]/,
  ],
  ['concat of nothing', () => concat([]), /at least one/],
  ['concat of other shapes', () => concat([x, reshape(x, [3, 2])]), /only axis 0 may differ/],
  ['split into too little', () => split(x, [1, 1], { axis: 1 }), /sizes \[1,1\] must add up to axis 1 of/],
  ['split into less than nothing', () => split(x, [3, -1]), /non-negative integers; got \[3, -1\]/],
  ['split into no parts', () => split(x, []), /split: needs a list of sizes/],
  ['split into parts of a size', () => split(x, 2 as never), /split: needs a list of sizes; got 2/],
  ['split of a number', () => split(7 as never, [1]), /split: needs a tensor as x; got 7/],
  ['split with a slip', () => split(x, [1, 1], { axes: 0 } as never), /'axis' is meant/],
  ['split along no axis', () => split(x, [2], { axis: 2 }), /split: axis must be in/],
  ['concat of other dtypes', () => concat([x, device.tensor(new Int32Array(6), [2, 3])]), /i32/],
  ['stack of other shapes', () => stack([x, reshape(x, [3, 2])]), /shapes must be equal/],
  ['stack of nothing', () => stack([]), /at least one/],
  ['gather by floats', () => gather(x, x), /indices must be i32 or u32/],
  [
    'gather from nothing',
    () => gather(slice(x, { size: [0] }), device.tensor(new Int32Array(1))),
    /is empty/,
  ],
  ['oneHot of floats', () => oneHot(x, 3), /indices must be i32 or u32/],
  ['oneHot of half a class', () => oneHot(device.tensor(new Int32Array(1)), 2.5), /got 2.5/],
];

describe('layout ops refuse', () => {
  test.each(bad)('%s', (_, call, message) => {
    expect(() => call(x)).toThrow(ShapeError);
    expect(() => call(x)).toThrow(message);
  });
});

test('copies keep every bit of a NaN and of a negative zero', async () => {
  const words = Uint32Array.of(0x7fc0_1234, 0xffa0_0001, 0x8000_0000, 1, 0x7f80_0001, 2, 3, 4, 5, 6, 7, 8);
  const bits = device.tensor(new Float32Array(words.buffer), [3, 4]);
  const read = async (tensor: Tensor) => [...new Uint32Array((await tensor.read()).buffer)];
  const expected = [...words];
  expect(await read(transpose(transpose(bits)))).toEqual(expected);
  expect(await read(flip(flip(bits)))).toEqual(expected);
  expect(
    await read(
      slice(
        pad(bits, [
          [1, 1],
          [1, 0],
        ]),
        { begin: [1, 1], size: [3, 4] },
      ),
    ),
  ).toEqual(expected);
  expect(await read(concat([slice(bits, { size: [1] }), slice(bits, { begin: [1] })]))).toEqual(expected);
  expect(await read(gather(bits, device.tensor(Int32Array.of(0, 1, 2))))).toEqual(expected);
});

test('reshape shares memory, and survives its source', async () => {
  const live = device.memory().live;
  const source = device.tensor([1, 2, 3, 4]);
  const view = reshape(source, [2, -1]);
  source.dispose();
  expect([...(await view.read())]).toEqual([1, 2, 3, 4]);
  view.dispose();
  expect(device.memory().live).toBe(live);
});

test('axes that lie one in another are merged', () => {
  const walk = { dims: [2, 3, 1, 4, 5], strides: [60, 20, 7, 1, 4], start: 3 };
  expect(mergeAxes(walk)).toEqual({ dims: [6, 4, 5], strides: [20, 1, 4], start: 3 });
});
