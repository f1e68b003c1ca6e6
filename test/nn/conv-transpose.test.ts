import { afterAll, beforeAll, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import type { StoredTensor } from '../../src/formats/stored.ts';
import { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from '../../src/nn/conv-transpose.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { loadTorch } from '../../src/nn/load-torch.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { expectClose, numbers, values } from './tools.ts';

let device: Device;
let init: Initialiser;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  init = new Initialiser(device, 1);
});
afterAll(() => device.dispose());

const stored = (shape: number[], seed: number): StoredTensor & { data: Float32Array } => ({
  dtype: 'F32',
  shape,
  data: numbers(
    shape.reduce((a, b) => a * b, 1),
    seed,
  ),
});

test('is the adjoint with PyTorch weights [in, out / groups, K], strided, padded, in groups', async () => {
  const size = { in: 4, out: 6, kernel: [3], stride: [2], padding: [1], outputPadding: [1], groups: 2 };
  const layer = new ConvTranspose1d(init, { ...size, bias: true });
  const [weight, bias, x] = [stored([4, 3, 3], 1), stored([6], 2), stored([1, 5, 4], 3)];
  await loadTorch(layer, new Map(Object.entries({ weight, bias })));
  const length = (5 - 1) * 2 - 2 + 2 + 1 + 1;
  const expected = Array.from({ length: length * 6 }, (_, i) => bias.data[i % 6] ?? 0);
  for (let l = 0; l < 5; l++)
    for (let c = 0; c < 4; c++)
      for (let o = 0; o < 3; o++)
        for (let k = 0; k < 3; k++) {
          const at = l * 2 - 1 + k;
          const out = at * 6 + Math.floor(c / 2) * 3 + o;
          if (at >= 0 && at < length)
            expected[out] =
              (expected[out] ?? 0) + (x.data[l * 4 + c] ?? 0) * (weight.data[(c * 3 + o) * 3 + k] ?? 0);
        }
  const y = layer.forward(device.tensor(x.data, x.shape));
  expect(y.shape).toEqual([1, length, 6]);
  await expectClose(y, expected, 1e-5);
});

test.each([
  [ConvTranspose2d, [2, 3], [3, 2, 2, 3]],
  [ConvTranspose3d, [2, 1, 3], [3, 2, 2, 1, 3]],
] as const)('%o has the weights of PyTorch with axes turned round', async (Kind, kernel, shape) => {
  const layer = new Kind(init, { in: 3, out: 2, kernel });
  const weight = stored([...shape], 4);
  await loadTorch(layer, new Map([['weight', weight]]));
  const taps = kernel.reduce<number>((a, b) => a * b, 1);
  const expected = Array.from({ length: taps * 6 }, (_, i) => {
    const [tap, o, c] = [Math.floor(i / 6), Math.floor(i / 3) % 2, i % 3];
    return weight.data[(c * 2 + o) * taps + tap];
  });
  expect(await values(layer.weight)).toEqual(expected);
});

test('needs a size for each axis', () => {
  expect(() => new ConvTranspose2d(init, { in: 1, out: 1, kernel: [3] })).toThrow(ShapeError);
});
