import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import {
  dropout,
  permutation,
  philoxBits,
  randomBits,
  randomNormal,
  randomUniform,
} from '../../src/kernels/random.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { philoxWords } from './philox.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const PI = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0] as const;
const ONES = 0xffffffff;
// Lines "philox4x32 10" of kat_vectors in Random123 1.14: counter, key, expected words.
const known = [
  { counter: [0, 0, 0, 0], key: [0, 0], words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
  {
    counter: [ONES, ONES, ONES, ONES],
    key: [ONES, ONES],
    words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    counter: [PI[0], PI[1], PI[2], PI[3]],
    key: [PI[4], PI[5]],
    words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
] as const;

describe('Philox4x32-10', () => {
  test.each(known)('known answer for counter $counter, key $key', async ({ counter, key, words }) => {
    expect([...(await philoxBits(device, [4], { counter, key }).read())]).toEqual([...words]);
    expect([...philoxWords(4, counter, key)]).toEqual([...words]);
  });

  test('seed and stream are the key and the third counter word, on any adapter', async () => {
    const bits = await randomBits(device, [7, 143], { seed: 2 ** 40 + 12345, stream: 77 }).read();
    expect([...bits]).toEqual([...philoxWords(1001, [0, 0, 77, 0], [12345, 256])]);
  });

  test('more than 65,535 workgroups keep counting', async () => {
    const size = 65_536 * 256 + 256;
    const bits = await randomBits(device, [size], { seed: 9 }).read();
    const block = size / 4 - 2;
    expect([...bits.slice(-8)]).toEqual([...philoxWords(8, [block, 0, 0, 0], [9, 0])]);
    expect([...bits.slice(0, 4)]).toEqual([...philoxWords(4, [0, 0, 0, 0], [9, 0])]);
  });

  test('streams and seeds differ', async () => {
    const draw = async (seed: number, stream: number) =>
      [...(await randomBits(device, [4], { seed, stream }).read())].join();
    const draws = await Promise.all([draw(1, 0), draw(1, 1), draw(2, 0), draw(1 + 2 ** 32, 0)]);
    expect(new Set(draws).size).toBe(4);
    expect(await draw(1, 1)).toBe(draws[1]);
  });
});

/** Mean, variance, and χ²/df of the counts in `bins` equal parts of [low, high). */
async function statistics(x: Tensor, low: number, high: number, bins: number) {
  const data = await x.read();
  const counts = new Array<number>(bins).fill(0);
  let [sum, squares] = [0, 0];
  for (const value of data) {
    const bin = Math.floor(((value - low) / (high - low)) * bins);
    if (bin >= 0 && bin < bins) counts[bin] = (counts[bin] ?? 0) + 1;
    sum += value;
    squares += value * value;
  }
  const mean = sum / data.length;
  return { data, counts, mean, variance: squares / data.length - mean * mean };
}

function chiSquare(counts: readonly number[], expected: readonly number[]): number {
  const terms = counts.map((count, i) => (count - (expected[i] ?? 0)) ** 2 / (expected[i] ?? 1));
  return terms.reduce((a, b) => a + b, 0) / (counts.length - 1);
}

const SIZE = 200_000;

describe('randomUniform', () => {
  test('has the words of randomBits, 24 bits each', async () => {
    const words = await randomBits(device, [1001], { seed: 5, stream: 6 }).read();
    const uniform = await randomUniform(device, [1001], { seed: 5, stream: 6 }).read();
    expect([...uniform]).toEqual([...words].map((word) => (word >>> 8) / 2 ** 24));
  });

  test('is uniform', async () => {
    const x = randomUniform(device, [SIZE], { seed: 11, low: -2, high: 3 });
    const { data, counts, mean, variance } = await statistics(x, -2, 3, 50);
    expect(data.every((value) => value >= -2 && value < 3)).toBe(true);
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.013); // four standard errors
    expect(Math.abs(variance - 25 / 12)).toBeLessThan(0.02);
    expect(chiSquare(counts, new Array<number>(50).fill(SIZE / 50))).toBeLessThan(1.8);
  });

  test('never reaches high, where rounding would', async () => {
    const x = await randomUniform(device, [SIZE], { seed: 1, low: 2 ** 20, high: 2 ** 20 + 0.25 }).read();
    expect(new Set(x)).toEqual(new Set([2 ** 20, 2 ** 20 + 0.125]));
    const y = await randomUniform(device, [SIZE], { seed: 1, low: -1, high: 0 }).read();
    expect(y.every((value) => value >= -1 && value < 0)).toBe(true);
  });
});

/** The normal distribution function (Abramowitz and Stegun 7.1.26, error below 1.5e-7). */
function normalCdf(z: number): number {
  const t = 1 / (1 + (0.3275911 * Math.abs(z)) / Math.SQRT2);
  const poly =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - poly * Math.exp((-z * z) / 2);
  return (1 + Math.sign(z) * erf) / 2;
}

describe('randomNormal', () => {
  test('is Box–Muller of the words', async () => {
    const words = await randomBits(device, [1000], { seed: 21 }).read();
    const got = await randomNormal(device, [1000], { seed: 21, mean: 3, std: 0.5 }).read();
    const worst = [...got].map((value, i) => {
      const [a = 0, b = 0] = words.slice(i - (i % 2), i - (i % 2) + 2);
      const radius = Math.sqrt(-2 * Math.log((a + 1) / 2 ** 32));
      const angle = ((b >>> 8) / 2 ** 23 - 1) * Math.PI;
      return Math.abs(value - (3 + 0.5 * radius * (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle))));
    });
    expect(Math.max(...worst)).toBeLessThan(1e-3);
  });

  test('is normal', async () => {
    const { data, counts, mean, variance } = await statistics(
      randomNormal(device, [SIZE], { seed: 31 }),
      -3,
      3,
      60,
    );
    expect(data.every(Number.isFinite)).toBe(true);
    expect(Math.abs(mean)).toBeLessThan(0.009); // four standard errors
    expect(Math.abs(variance - 1)).toBeLessThan(0.013);
    const expected = counts.map((_, i) => SIZE * (normalCdf(-3 + (i + 1) / 10) - normalCdf(-3 + i / 10)));
    expect(chiSquare(counts, expected)).toBeLessThan(1.8);
    expect(Math.abs([...data].filter((z) => Math.abs(z) > 3).length / SIZE - 0.0027)).toBeLessThan(0.0005);
  });

  test('neighbours are not correlated', async () => {
    const data = await randomNormal(device, [SIZE], { seed: 32 }).read();
    for (const lag of [1, 2, 3, 4, 64, 256]) {
      let sum = 0;
      for (let i = lag; i < SIZE; i++) sum += (data[i] ?? 0) * (data[i - lag] ?? 0);
      expect(Math.abs(sum / SIZE)).toBeLessThan(0.01);
    }
  });
});

test('dropout keeps the share asked for', async () => {
  const ones = device.tensor(new Float32Array(SIZE).fill(1));
  const dropped = await dropout(ones, { rate: 0.3, seed: 41 }).read();
  const kept = dropped.filter((value) => value !== 0);
  expect(Math.abs(kept.length / SIZE - 0.7)).toBeLessThan(0.0042);
  expect(kept.every((value) => Math.abs(value - 1 / 0.7) < 1e-6)).toBe(true);
});

describe('permutation', () => {
  test.each([0, 1, 2, 3, 5, 64, 1000, 1025, 100_003])('of %i is one', async (n) => {
    const order = await permutation(device, n, { seed: 51 }).read();
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
  });

  test('every order of three is equally likely', async () => {
    const draws = 600;
    const orders = Array.from({ length: draws }, (_, stream) => permutation(device, 3, { seed: 52, stream }));
    const counts = new Map<string, number>();
    for (const order of orders) {
      const key = [...(await order.read())].join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    expect(chiSquare([...counts.values()], new Array<number>(6).fill(draws / 6))).toBeLessThan(3);
  });

  test('neighbours end up anywhere', async () => {
    const n = 50_000;
    const order = await permutation(device, n, { seed: 53 }).read();
    const steps = [...order].slice(1).map((value, i) => Math.abs(value - (order[i] ?? 0)));
    const mean = steps.reduce((a, b) => a + b, 0) / steps.length;
    expect(Math.abs(mean / n - 1 / 3)).toBeLessThan(0.005);
    const fixed = [...order].filter((value, i) => value === i).length;
    expect(fixed).toBeLessThan(8);
  });
});

const bad: readonly [string, () => Tensor, RegExp][] = [
  ['a negative seed', () => randomBits(device, [1], { seed: -1 }), /randomBits: seed .* got -1 and 0/],
  ['a fractional seed', () => randomUniform(device, [1], { seed: 0.5 }), /got 0.5/],
  ['a seed of 2^53', () => randomNormal(device, [1], { seed: 2 ** 53 }), /got 9007199254740992/],
  ['a stream of 2^32', () => permutation(device, 1, { seed: 0, stream: 2 ** 32 }), /4294967296/],
  [
    'an empty range',
    () => randomUniform(device, [1], { seed: 0, low: 1, high: 1 }),
    /low < high; got 1 and 1/,
  ],
  ['an endless range', () => randomUniform(device, [1], { seed: 0, low: -3e38, high: 3e38 }), /low < high/],
  ['a negative deviation', () => randomNormal(device, [1], { seed: 0, std: -1 }), /std ≥ 0; got 0 and -1/],
  ['a rate of 1', () => dropout(device.tensor([1]), { rate: 1, seed: 0 }), /rate must be in \[0, 1\); got 1/],
  [
    'dropout of integers',
    () => dropout(device.tensor(new Int32Array(1)), { rate: 0, seed: 0 }),
    /must be f32/,
  ],
  ['half a permutation', () => permutation(device, 0.5, { seed: 0 }), /got 0.5/],
  ['a bad shape', () => randomBits(device, [-1], { seed: 0 }), /non-negative integers/],
];

describe('random ops refuse', () => {
  test.each(bad)('%s', (_, call, message) => {
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(message);
  });
});
