import { afterAll, beforeAll, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { MultiHeadAttention } from '../../src/nn/layers.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { linear, multiHeadAttention, readWeights } from './reference.ts';
import { expectClose, numbers } from './tools.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

test.each([
  { n: 1, length: 2, width: 8, heads: 4 },
  { n: 3, length: 5, width: 6, heads: 1 },
])('MultiHeadAttention is its formula in float64: %o', async ({ n, length, width, heads }) => {
  const layer = new MultiHeadAttention(new Initialiser(device, 2), { width, heads });
  for (const [i, { bias }] of [layer.query, layer.key, layer.value, layer.out].entries())
    device.write(bias as never, numbers(width, 20 + i));
  const data = numbers(n * length * width, 3);
  const weights = await readWeights(layer);
  const rows = Array.from({ length: n }, (_, b) =>
    multiHeadAttention(
      Array.from({ length }, (_, l) => [
        ...data.subarray((b * length + l) * width, (b * length + l + 1) * width),
      ]),
      weights,
      heads,
    ),
  );
  await expectClose(layer.forward(device.tensor(data, [n, length, width])), rows.flat(2));
});

test('the reference itself: one head and one token pass the value on', () => {
  const eye = [1, 0, 0, 1];
  const weights = new Map(
    ['query', 'key', 'value', 'out'].flatMap((name) => [
      [`${name}.weight`, Float32Array.from(eye)],
      [`${name}.bias`, Float32Array.of(0, 1)],
    ]),
  );
  expect(multiHeadAttention([[3, 4]], weights, 1)).toEqual([[3, 6]]);
  expect(linear([1, 2], [1, 2, 3, 4], [10, 20])).toEqual([17, 30]);
});

test('a width that the heads do not divide is refused', () => {
  const make = () => new MultiHeadAttention(new Initialiser(device, 2), { width: 6, heads: 4 });
  expect(make).toThrow(ShapeError);
  expect(make).toThrow('width 6 must be a multiple of heads 4');
});
