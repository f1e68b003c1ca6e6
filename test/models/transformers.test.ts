import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { DividedBlock } from '../../src/models/divided-attention.ts';
import { Mlp } from '../../src/models/mlp.ts';
import {
  SkeletonTransformer,
  type SkeletonTransformerOptions,
} from '../../src/models/skeleton-transformer.ts';
import { TimeSformer, type TimeSformerOptions } from '../../src/models/timesformer.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { randomise } from '../amr/chain.ts';
import { child, linearNamed, readWeights, softmax, type Weights } from '../nn/reference.ts';
import { expectClose, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { atFullWidth, input, inputGradientHolds, isReproducible, learns, stageShapes } from './network.ts';
import { settle } from './settle.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

type Rows = readonly (readonly number[])[];

function normed(row: readonly number[], weights: Weights): number[] {
  const mean = row.reduce((a, b) => a + b, 0) / row.length;
  const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length;
  const [gamma, beta] = [weights.get('gamma'), weights.get('beta')];
  return row.map((v, i) => ((v - mean) / Math.sqrt(variance + 1e-6)) * (gamma?.[i] ?? 0) + (beta?.[i] ?? 0));
}

function attended(rows: Rows, weights: Weights, heads: number): number[][] {
  const width = rows[0]?.length ?? 0;
  const size = width / heads;
  const qkv = rows.map((row) => linearNamed(row, weights, 'qkv'));
  const part = (i: number, k: number, h: number) =>
    qkv[i]?.slice(k * width + h * size, k * width + (h + 1) * size) ?? [];
  return rows.map((_, i) => {
    const mixed = Array.from({ length: heads }, (_, h) => {
      const scores = rows.map((_, j) =>
        part(i, 0, h).reduce((s, q, d) => s + (q * (part(j, 1, h)[d] ?? 0)) / Math.sqrt(size), 0),
      );
      const shares = softmax(scores);
      return Array.from({ length: size }, (_, d) =>
        shares.reduce((s, share, j) => s + share * (part(j, 2, h)[d] ?? 0), 0),
      );
    });
    return linearNamed(mixed.flat(), weights, 'proj');
  });
}

const gelu = (x: number) => {
  // Abramowitz and Stegun 7.1.26 is too coarse: the integral itself, by Simpson's rule.
  const steps = 400;
  const f = (t: number) => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
  let total = 0;
  for (let i = 0; i <= steps; i++) total += f((x * i) / steps) * (i === 0 || i === steps ? 1 : i % 2 ? 4 : 2);
  return x * (0.5 + (total * x) / steps / 3);
};

const plus = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value + (b[i] ?? 0));

/** One sample, token by token. */
function dividedBlock(tokens: Rows, w: Weights, frames: number, places: number, heads: number): number[][] {
  const at = (t: number, p: number) => 1 + t * places + p;
  const rest = tokens.map((row) => [...row]);
  for (let p = 0; p < places; p++) {
    const own = Array.from({ length: frames }, (_, t) =>
      normed(tokens[at(t, p)] ?? [], child(w, 'temporal_norm1')),
    );
    attended(own, child(w, 'temporal_attn'), heads).forEach((row, t) => {
      rest[at(t, p)] = plus(tokens[at(t, p)] ?? [], linearNamed(row, w, 'temporal_fc'));
    });
  }
  const out = rest.map((row) => [...row]);
  for (let t = 0; t < frames; t++) {
    const own = [tokens[0] ?? [], ...Array.from({ length: places }, (_, p) => rest[at(t, p)] ?? [])];
    const rows = attended(
      own.map((row) => normed(row, child(w, 'norm1'))),
      child(w, 'attn'),
      heads,
    );
    out[0] = plus(
      out[0] ?? [],
      (rows[0] ?? []).map((value) => value / frames),
    );
    for (let p = 0; p < places; p++) out[at(t, p)] = plus(rest[at(t, p)] ?? [], rows[p + 1] ?? []);
  }
  return out.map((row) => {
    const hidden = linearNamed(normed(row, child(w, 'norm2')), child(w, 'mlp'), 'fc1').map(gelu);
    return plus(row, linearNamed(hidden, child(w, 'mlp'), 'fc2'));
  });
}

test('a block is divided attention, token by token in float64', async () => {
  const [frames, places, width, heads] = [3, 2, 4, 2];
  const grid = { frames, places };
  const block = new DividedBlock(new Initialiser(device, 1), { width, heads, grid, index: 1, dropPath: 0 });
  randomise(block.namedParameters(), 30);
  const x = numbers(7 * width, 3);
  const rows = Array.from({ length: 7 }, (_, i) => [...x.subarray(i * width, (i + 1) * width)]);
  const expected = dividedBlock(rows, await readWeights(block), frames, places, heads);
  await expectClose(block.forward(device.tensor(x, [1, 7, width]), EVALUATION), expected.flat(), 1e-4);
});

test('stochastic depth leaves out branches of whole rows, in training only', async () => {
  const size = { width: 4, heads: 2, grid: { frames: 2, places: 2 }, index: 0, dropPath: 0.5 };
  const block = new DividedBlock(new Initialiser(device, 1), size);
  const x = device.tensor(numbers(5 * 4, 3), [1, 5, 4]);
  const run = (training: boolean, seed: number) => values(block.forward(x, { training, seed }));
  expect(await run(false, 1)).toEqual(await run(false, 2));
  const draws = await Promise.all([1, 2, 3, 4].map((seed) => run(true, seed)));
  expect(new Set(draws.map(String)).size).toBeGreaterThan(1);
});

describe('TimeSformer', () => {
  const made = (options: TimeSformerOptions = {}, seed = 1) =>
    new TimeSformer(new Initialiser(device, seed), {
      ...{
        image: 16,
        patch: 8,
        frames: 2,
        width: 8,
        depth: 4,
        heads: 2,
        classes: 3,
        dropPath: 0,
        ...options,
      },
    });

  test('has the 121,566,352 parameters of the public code at 400 classes', async () => {
    const { count, names } = await atFullWidth(
      (init) => new TimeSformer(init, { size: 'base', classes: 400 }),
    );
    expect(count).toBe(121_566_352);
    const block = names.filter((name) => name.startsWith('blocks.11.')).map((name) => name.slice(10));
    const layers = [
      'norm1',
      'attn.qkv',
      'attn.proj',
      'temporal_norm1',
      'temporal_attn.qkv',
      'temporal_attn.proj',
    ];
    expect([...new Set(block.map((name) => name.replace(/\.\w+$/, '')))]).toEqual([
      ...layers,
      ...['temporal_fc', 'norm2', 'mlp.fc1', 'mlp.fc2'],
    ]);
    const others = [
      'cls_token',
      'pos_embed',
      'time_embed',
      'patch_embed.proj.weight',
      'norm.gamma',
      'head.bias',
    ];
    expect(others.filter((name) => !names.includes(name))).toEqual([]);
  });

  test('a token for each patch of each frame, and one for the class', () => {
    const net = made();
    expect(stageShapes(net, input(device, [2, 2, 16, 16, 3], 1))).toEqual(new Array(4).fill([2, 9, 8]));
    expect(net.taps).toEqual([1, 2, 3]);
    expect(made({ depth: 12 }).taps).toEqual([5, 8, 11]);
    const published = made({ frames: 8, image: 224, patch: 16, depth: 1 });
    expect(published.features(input(device, [1, 8, 224, 224, 3], 1), EVALUATION).shape).toEqual([
      1,
      1 + 8 * 196,
      8,
    ]);
  });

  test('the head reads the class token', async () => {
    const net = made();
    const map = numbers(2 * 9 * 8, 4);
    const weights = await readWeights(net.norm);
    const expected = [0, 1].flatMap((n) => normed([...map.subarray(n * 72, n * 72 + 8)], weights));
    await expectClose(net.pool(device.tensor(map, [2, 9, 8]), EVALUATION), expected, 1e-5);
  });

  test('sees where a patch is and when, and learns', async () => {
    const x = input(device, [4, 2, 16, 16, 3], 2);
    const net = made();
    randomise(new Map([...net.namedParameters()].filter(([name]) => /embed|temporal_fc/.test(name))), 50);
    const logits = (data: Float32Array) =>
      values(net.forward(device.tensor(data, [1, 2, 16, 16, 3]), EVALUATION));
    const clip = numbers(2 * 16 * 16 * 3, 5);
    const swapped = Float32Array.from([...clip.subarray(768), ...clip.subarray(0, 768)]);
    const [a, b] = [await logits(clip), await logits(swapped)];
    expect(Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? 0))))).toBeGreaterThan(1e-3);
    await inputGradientHolds(net, x, { probes: 4, step: 1e-2 });
    await learns(made({ width: 16 }), x, { steps: 20, learningRate: 0.03 });
    await isReproducible((seed) => made({}, seed), x);
  });

  test('clips of another size, patches and heads that do not divide are ShapeErrors', () => {
    expect(() => made().forward(input(device, [1, 3, 16, 16, 3], 1), EVALUATION)).toThrow(ShapeError);
    expect(() => made({ patch: 5 })).toThrow('must divide');
    expect(() => made({ heads: 3 })).toThrow('must be a multiple of the 3 heads');
  });
});

describe('SkeletonTransformer', () => {
  const made = (options: SkeletonTransformerOptions = {}, seed = 1) =>
    new SkeletonTransformer(new Initialiser(device, seed), {
      ...{ joints: 4, frames: 8, span: 4, width: 8, depth: 3, heads: 2, classes: 3, dropPath: 0, ...options },
    });
  const skeletons = (shape: readonly number[], seed = 1) =>
    device.tensor(
      numbers(
        shape.reduce((a, b) => a * b, 1),
        seed,
      ),
      shape,
    );

  test('the number of parameters follows its formula: 1,139,666 at 60 classes', async () => {
    const [d, joints, tokens] = [128, 25, 16];
    const square = d * d + d;
    const block = 6 * d + 2 * (3 * square + square) + square + (4 * d * d + 4 * d) + (4 * d * d + d);
    const embedded = 2 * joints * 3 + (4 * 3 * d + d) + d + (joints + 1) * d + tokens * d;
    const expected = embedded + 4 * block + 2 * d + (d * 60 + 60);
    const { count } = await atFullWidth((init) => new SkeletonTransformer(init, { classes: 60 }));
    expect(count).toBe(expected);
    expect(count).toBe(1_139_666);
  });

  test('a token for each joint and span of frames, and one for the class, for each person', () => {
    const net = made();
    expect(stageShapes(net, skeletons([2, 2, 8, 4, 3]))).toEqual(new Array(3).fill([2, 2, 9, 8]));
    expect(net.taps).toEqual([1, 2]);
    expect(net.forward(skeletons([2, 8, 4, 3]), EVALUATION).shape).toEqual([2, 3]);
  });

  test('persons are averaged: two of the same are as one', async () => {
    const net = made();
    settle(net, 20);
    const one = numbers(8 * 4 * 3, 4);
    const alone = await values(net.forward(device.tensor(one, [1, 8, 4, 3]), EVALUATION));
    const both = device.tensor(Float32Array.of(...one, ...one), [1, 2, 8, 4, 3]);
    await expectClose(net.forward(both, EVALUATION), alone, 1e-5);
  });

  test('learns, and its input gradient is the difference quotient', async () => {
    const x = skeletons([4, 2, 8, 4, 3]);
    const net = made();
    randomise(new Map([...net.namedParameters()].filter(([name]) => /embed|temporal_fc/.test(name))), 50);
    await inputGradientHolds(net, x, { probes: 4, step: 1e-2 });
    await learns(made(), x);
    await isReproducible((seed) => made({}, seed), x);
    expect(() => made({ span: 3 })).toThrow('must divide');
    expect(() => made().forward(skeletons([1, 12, 4, 3]), EVALUATION)).toThrow('needs 8 frames; got 12');
  });
});

describe('Mlp', () => {
  const made = (seed = 1) =>
    new Mlp(new Initialiser(device, seed), { in: 6, width: 8, depth: 2, classes: 3 });

  test('784-512-512-10 has 669,706 parameters', async () => {
    const { count, names } = await atFullWidth((init) => new Mlp(init, { in: 784, classes: 10 }));
    expect(count).toBe(669_706);
    expect(names.map((name) => name.replace(/\.\w+$/, ''))).toEqual(
      ['layers.0.0', 'layers.1.0', 'head'].flatMap((name) => [name, name]),
    );
  });

  test('is its formula, for samples of any shape', async () => {
    const net = made();
    settle(net, 20);
    const w = await readWeights(net);
    const x = numbers(12, 1);
    const positive = (z: number) => Math.max(z, 0);
    const expected = [0, 1].flatMap((n) => {
      const first = linearNamed([...x.subarray(n * 6, n * 6 + 6)], w, 'layers.0.0').map(positive);
      return linearNamed(linearNamed(first, w, 'layers.1.0').map(positive), w, 'head');
    });
    await expectClose(net.forward(device.tensor(x, [2, 3, 2]), EVALUATION), expected, 1e-5);
    expect(stageShapes(net, device.tensor(x, [2, 3, 2]))).toEqual([
      [2, 8],
      [2, 8],
    ]);
    expect(() => net.forward(device.tensor(x, [4, 3]), EVALUATION)).toThrow(ShapeError);
  });

  test('learns, and its input gradient is the difference quotient', async () => {
    const x: Tensor = input(device, [4, 6], 1);
    await inputGradientHolds(made(), x);
    await learns(made(), x, { steps: 20, learningRate: 0.05 });
    await isReproducible(made, x);
  });
});
