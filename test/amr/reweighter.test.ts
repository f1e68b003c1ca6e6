import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AttentionModalityReweighter, type ReweighterOptions } from '../../src/amr/reweighter.ts';
import { checkGradients } from '../../src/autograd/check.ts';
import { grad } from '../../src/autograd/grad.ts';
import { ShapeError } from '../../src/errors.ts';
import { add, mul } from '../../src/kernels/elementwise.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { readWeights } from '../nn/reference.ts';
import { bits, expectClose, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { randomise } from './chain.ts';
import { reweight } from './reference.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const CHANNELS = { rgb: 5, skeleton: 3 };

function made(options: ReweighterOptions = {}): AttentionModalityReweighter {
  return new AttentionModalityReweighter(new Initialiser(device, 1), CHANNELS, options);
}

function random(options: ReweighterOptions = {}): AttentionModalityReweighter {
  const amr = made(options);
  randomise(amr.namedParameters(), 30);
  return amr;
}

function map(shape: readonly number[], seed: number): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return device.tensor(numbers(size, seed), shape);
}

const SHAPES = [
  [
    [2, 5],
    [2, 3],
  ],
  [
    [3, 2, 4, 3, 5],
    [3, 4, 6, 3],
  ],
  [
    [1, 7, 5],
    [1, 3],
  ],
] as const;

describe.each(SHAPES)('feature maps %o and %o', (rgbShape, skeletonShape) => {
  test('a fresh one is the identity, bit for bit, with weights of exactly 1', async () => {
    const [rgb, skeleton] = [map(rgbShape, 1), map(skeletonShape, 2)];
    const out = made().forward(rgb, skeleton);
    expect(await bits(out.rgb)).toEqual(await bits(rgb));
    expect(await bits(out.skeleton)).toEqual(await bits(skeleton));
    expect([out.rgb.shape, out.skeleton.shape]).toEqual([rgbShape, skeletonShape]);
    expect(await values(out.weights as Tensor)).toEqual(new Array(rgbShape[0] * 2).fill(1));
  });

  test.each([
    {},
    { weights: false },
    { gates: false },
    { weights: false, gates: false },
    { heads: 2, width: 6 },
    { heads: 5 },
  ])('is its formula in float64 with options %o', async (options) => {
    const amr = random(options);
    const [rgb, skeleton] = [map(rgbShape, 3), map(skeletonShape, 4)];
    const weights = await readWeights(amr);
    const rows = async (tensor: Tensor) => {
      const data = await values(tensor);
      const channels = tensor.shape.at(-1) ?? 1;
      const positions = data.length / channels / rgbShape[0];
      return Array.from({ length: rgbShape[0] }, (_, n) =>
        Array.from({ length: positions }, (_, p) =>
          data.slice((n * positions + p) * channels, (n * positions + p + 1) * channels),
        ),
      );
    };
    const skeletons = await rows(skeleton);
    const expected = (await rows(rgb)).map((clip, n) =>
      reweight(clip, skeletons[n] ?? [], weights, options.heads ?? 4),
    );
    const out = amr.forward(rgb, skeleton);
    await expectClose(
      out.rgb,
      expected.flatMap((sample) => sample.rgb.flat()),
    );
    await expectClose(
      out.skeleton,
      expected.flatMap((sample) => sample.skeleton.flat()),
    );
    expect(out.weights === undefined).toBe(options.weights === false);
    if (out.weights) {
      await expectClose(
        out.weights,
        expected.flatMap((sample) => sample.weights ?? []),
      );
    }
  });
});

test('weights add up to 2 and differ between samples', async () => {
  const { weights } = random().forward(map([4, 2, 5], 5), map([4, 6, 3], 6));
  const data = await values(weights as Tensor);
  for (let n = 0; n < 4; n++) expect((data[2 * n] ?? 0) + (data[2 * n + 1] ?? 0)).toBeCloseTo(2, 6);
  expect(new Set(data).size).toBeGreaterThan(4);
});

test('with weights and gates off it has nothing to say, and passes the maps on', () => {
  const amr = made({ weights: false, gates: false });
  const [rgb, skeleton] = [map([2, 5], 1), map([2, 3], 2)];
  const out = amr.forward(rgb, skeleton);
  expect([out.rgb, out.skeleton, out.weights]).toEqual([rgb, skeleton, undefined]);
  expect([...amr.namedParameters().keys()].filter((name) => /score|Gate/.test(name))).toEqual([]);
});

test('the token width is max(32, a quarter of the channels), rounded up to the heads', () => {
  const width = (channels: { rgb: number; skeleton: number }, options?: ReweighterOptions) =>
    new AttentionModalityReweighter(new Initialiser(device, 1), channels, options).rgbToken.norm.gamma.size;
  expect(width({ rgb: 8, skeleton: 8 })).toBe(32);
  expect(width({ rgb: 128, skeleton: 66 })).toBe(52);
  expect(width({ rgb: 8, skeleton: 8 }, { heads: 5 })).toBe(35);
  expect(width({ rgb: 8, skeleton: 8 }, { heads: 2, width: 10 })).toBe(10);
  expect(() => width({ rgb: 8, skeleton: 8 }, { heads: 4, width: 10 })).toThrow(ShapeError);
});

test('as many clips as skeletons are needed', () => {
  expect(() => made().forward(map([2, 5], 1), map([3, 3], 1))).toThrow(ShapeError);
  expect(() => made().forward(map([2, 5], 1), map([3, 3], 1))).toThrow('as many clips as skeletons');
});

describe('gradients', () => {
  test('flow through the weights: what AMR makes of the skeleton depends on the pixels', async () => {
    const amr = random();
    const [rgb, skeleton, by] = [map([2, 3, 5], 1), map([2, 4, 3], 2), map([2, 4, 3], 3)];
    const loss = () => sum(mul(amr.forward(rgb, skeleton).skeleton, by));
    expect(await checkGradients(loss, [rgb, skeleton])).toBeLessThan(2e-2);
    expect(Math.max(...(await values(grad(loss, [rgb])[0] as Tensor)).map(Math.abs))).toBeGreaterThan(1e-3);
  });

  test('reach every parameter of a random one, and v, G and c of a fresh one', async () => {
    const [rgb, skeleton, a, b] = [map([2, 5], 1), map([2, 3], 2), map([2, 5], 3), map([2, 3], 4)];
    const moved = async (amr: AttentionModalityReweighter) => {
      const named = amr.namedParameters();
      const loss = () => {
        const out = amr.forward(rgb, skeleton);
        return add(sum(mul(out.rgb, a)), sum(mul(out.skeleton, b)));
      };
      const grads = grad(loss, [...named.values()]);
      const found = await Promise.all(grads.map(values));
      return [...named.keys()].filter((_, i) => found[i]?.some((value) => value !== 0));
    };
    const amr = random();
    // The bias of the keys cancels in the softmax: its gradient is zero but for rounding.
    const all = [...amr.namedParameters().keys()].filter((name) => name !== 'attention.key.bias');
    expect(await moved(amr)).toEqual(expect.arrayContaining(all));
    const first = ['score', 'rgbGate.weight', 'rgbGate.bias', 'skeletonGate.weight', 'skeletonGate.bias'];
    expect((await moved(made())).sort()).toEqual(first.sort());
  });
});

test('it knows no backbone: it imports nothing of models', () => {
  const source = readFileSync(new URL('../../src/amr/reweighter.ts', import.meta.url), 'utf8');
  const imports = [...source.matchAll(/from '([^']+)'/g)].map(([, path]) => path);
  expect(imports.length).toBeGreaterThan(5);
  expect(imports.filter((path) => !/^\.\.\/(errors\.ts|kernels\/|nn\/|tensor\/)/.test(path ?? ''))).toEqual(
    [],
  );
});
