import { describe, expect, test } from 'vitest';
import { BatchMixer, betaShare, cutmixClips, cutmixSkeletons, mixup } from '../../src/data/mix.ts';
import { Rng } from '../../src/data/rng.ts';
import { ShapeError } from '../../src/errors.ts';
import { numbers } from '../nn/tools.ts';

const CLIP: [number, number, number, number] = [2, 8, 6, 3];
const POSES: [number, number, number] = [10, 4, 3];
const ORDER = [2, 0, 1];
const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** Sample i is i everywhere. */
const levels = (shape: readonly number[]) =>
  Float32Array.from({ length: 3 * size(shape) }, (_, k) => Math.floor(k / size(shape)));

describe('shares', () => {
  test.each([0.2, 1, 2])('of Beta(α, α), α = %f: mean ½ and variance 1/(4 (2α + 1))', (alpha) => {
    const rng = new Rng(1);
    const draws = Array.from({ length: 4000 }, () => betaShare(rng, alpha));
    const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
    const variance = draws.reduce((all, x) => all + (x - 0.5) ** 2, 0) / draws.length;
    expect(mean).toBeCloseTo(0.5, 1);
    expect(variance / (1 / (4 * (2 * alpha + 1)))).toBeCloseTo(1, 1);
  });

  test.each([0, -1, 9, Number.NaN])('refuses α = %f', (alpha) => {
    expect(() => betaShare(new Rng(1), alpha)).toThrow(ShapeError);
  });
});

test('mixup is the mean of both samples with their shares', () => {
  const before = numbers(3 * size(POSES), 1);
  const data = before.slice();
  expect(mixup(data, POSES, ORDER, 0.3)).toBe(0.3);
  for (let i = 0; i < 3; i++)
    for (let k = 0; k < size(POSES); k++) {
      const [own, other] = [before[i * size(POSES) + k] ?? 0, before[(ORDER[i] ?? 0) * size(POSES) + k] ?? 0];
      expect(data[i * size(POSES) + k]).toBeCloseTo(0.3 * own + 0.7 * other, 6);
    }
});

test('a cut takes a box of all frames, and tells the share that is left', () => {
  const shares = new Set<number>();
  for (let key = 0; key < 30; key++) {
    const data = levels(CLIP);
    const share = cutmixClips(data, CLIP, ORDER, 0.4, new Rng(key));
    const [height, width] = [8, 6];
    const taken = new Set<string>();
    for (let k = 0; k < size(CLIP); k++) {
      const pixel = Math.floor(k / 3) % (height * width);
      if (data[k] === 2) taken.add(`${Math.floor(pixel / width)},${pixel % width}`);
    }
    // Every sample, frame and channel alike.
    const count = (i: number) =>
      [...data.subarray(i * size(CLIP), (i + 1) * size(CLIP))].filter((x) => x === ORDER[i]);
    for (const i of [0, 1, 2]) expect(count(i).length).toBe(taken.size * 2 * 3);
    const rows = new Set([...taken].map((place) => place.split(',')[0]));
    const columns = new Set([...taken].map((place) => place.split(',')[1]));
    expect(rows.size * columns.size).toBe(taken.size);
    expect(share).toBeCloseTo(1 - taken.size / 48, 9);
    shares.add(share);
  }
  // Boxes at the edges are smaller than asked for, none is larger.
  expect(shares.size).toBeGreaterThan(3);
  expect(Math.min(...shares)).toBeCloseTo(1 - (6 * 5) / 48, 9);
});

test('a cut of skeletons takes a stretch of the frames', () => {
  for (let key = 0; key < 30; key++) {
    const data = levels(POSES);
    const share = cutmixSkeletons(data, POSES, ORDER, 0.7, new Rng(key));
    const flags = Array.from({ length: 10 }, (_, t) => data[t * 12] === 2);
    const taken = flags.filter(Boolean).length;
    expect(share).toBeCloseTo(1 - taken / 10, 9);
    expect(taken).toBeGreaterThanOrEqual(1);
    expect(taken).toBeLessThanOrEqual(3);
    expect(flags.lastIndexOf(true) - flags.indexOf(true)).toBe(taken - 1);
    for (let t = 0; t < 10; t++) expect(new Set(data.subarray(t * 12, (t + 1) * 12)).size).toBe(1);
  }
});

describe('the mixing of a batch', () => {
  test('is decided by its generator alone, and pairs both modalities alike', () => {
    const run = (key: number) => {
      const mixer = new BatchMixer({ kind: 'cutmix', alpha: 1 }, 3, new Rng(key));
      const [clips, poses] = [levels(CLIP), levels(POSES)];
      mixer.clips(clips, CLIP);
      mixer.skeletons(poses, POSES);
      return { clips, poses, share: mixer.share, order: mixer.order };
    };
    expect(run(4)).toEqual(run(4));
    expect(run(4)).not.toEqual(run(5));
    const { clips, poses, share, order } = run(4);
    const left = (data: Float32Array, shape: readonly number[], i: number) =>
      data.subarray(i * size(shape), (i + 1) * size(shape)).filter((x) => x === i).length / size(shape);
    const i = order.findIndex((other, own) => other !== own);
    expect(share).toBeCloseTo((left(clips, CLIP, i) + left(poses, POSES, i)) / 2, 9);
    expect([...order].sort()).toEqual([0, 1, 2]);
  });

  test('mixup keeps its share', () => {
    const mixer = new BatchMixer({ kind: 'mixup', alpha: 0.4 }, 3, new Rng(2));
    const data = levels(POSES);
    mixer.skeletons(data, POSES);
    for (const [i, other] of mixer.order.entries())
      expect(data[i * size(POSES)]).toBeCloseTo(mixer.share * i + (1 - mixer.share) * other, 6);
  });
});
