import { describe, expect, test } from 'vitest';
import {
  type Augmentation,
  augmentClips,
  augmentSkeletons,
  NO_AUGMENTATION,
} from '../../src/data/augment.ts';
import { numbers } from '../nn/tools.ts';

const SKELETON: [number, number, number] = [50, 4, 3];
const CLIP: [number, number, number, number] = [7, 5, 6, 2];
const ALL: Augmentation = { turn: 0.5, scale: 0.2, crop: 0.4, shift: 2, brightness: 0.5 };
const FRAME = 12;

function size(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

function skeletons(keys: readonly number[], amount: Partial<Augmentation>, seed = 1): Float32Array {
  const data = numbers(keys.length * size(SKELETON), seed).map((value) => 3 * value);
  augmentSkeletons(data, SKELETON, keys, { ...NO_AUGMENTATION, ...amount });
  return data;
}

function pixels(n: number): Float32Array {
  return numbers(n * size(CLIP), 2).map((value) => (value + 1) / 2);
}

function clips(keys: readonly number[], amount: Partial<Augmentation>): Float32Array {
  const data = pixels(keys.length);
  augmentClips(data, CLIP, keys, { ...NO_AUGMENTATION, ...amount });
  return data;
}

test('amounts of 0 change nothing, bit for bit', () => {
  expect(skeletons([1, 2, 3], {})).toEqual(numbers(3 * size(SKELETON), 1).map((value) => 3 * value));
  expect(clips([1, 2, 3], {})).toEqual(pixels(3));
});

test('one frame is no trouble', () => {
  const data = numbers(12, 1);
  augmentSkeletons(data, [1, 4, 3], [5], { ...NO_AUGMENTATION, crop: 0.5 });
  expect(data).toEqual(numbers(12, 1));
});

describe('a sample is varied by its key alone', () => {
  test.each([
    ['skeletons', skeletons, SKELETON],
    ['clips', clips, CLIP],
  ] as const)('%s', (_, vary, shape) => {
    const rows = (data: Float32Array) =>
      Array.from({ length: data.length / size(shape) }, (_, i) =>
        data.slice(i * size(shape), (i + 1) * size(shape)),
      );
    const [first, second] = rows(vary([7, 8], ALL));
    const [again, other] = rows(vary([7, 9], ALL));
    expect(again).toEqual(first);
    expect(other).not.toEqual(second);
  });
});

describe('skeletons', () => {
  const lengths = (data: Float32Array, sample = 0) =>
    Array.from({ length: SKELETON[0] }, (_, t) =>
      [1, 2, 3].map((v) => {
        const at = sample * size(SKELETON) + t * FRAME;
        return Math.hypot(
          ...[0, 1, 2].map((axis) => (data[at + v * 3 + axis] ?? 0) - (data[at + axis] ?? 0)),
        );
      }),
    ).flat();
  const centre = (data: Float32Array) =>
    [0, 1, 2].map((axis) => [0, 1, 2, 3].reduce((sum, v) => sum + (data[v * 3 + axis] ?? 0) / 4, 0));

  test('a turn keeps every bone, every height, and the centre of the first frame', () => {
    const [before, after] = [skeletons([3], {}), skeletons([3], { turn: 2 })];
    expect(after).not.toEqual(before);
    for (const [i, length] of lengths(before).entries()) expect(lengths(after)[i]).toBeCloseTo(length, 5);
    for (let k = 1; k < before.length; k += 3) expect(after[k]).toBeCloseTo(before[k] ?? 0, 6);
    for (const [axis, value] of centre(before).entries()) expect(centre(after)[axis]).toBeCloseTo(value, 5);
  });

  test('a turn is by at most its amount, to both sides', () => {
    const keys = Array.from({ length: 200 }, (_, i) => i);
    const still = new Float32Array(keys.length * 6);
    for (const i of keys) still.set([1, 0, 0, -1, 0, 0], i * 6);
    augmentSkeletons(still, [1, 2, 3], keys, { ...NO_AUGMENTATION, turn: 0.3 });
    const angles = keys.map((i) => Math.atan2(-(still[i * 6 + 2] ?? 0), still[i * 6] ?? 0));
    expect(Math.max(...angles)).toBeLessThanOrEqual(0.3 + 1e-6);
    expect(Math.min(...angles)).toBeGreaterThanOrEqual(-0.3 - 1e-6);
    expect([Math.max(...angles) > 0.27, Math.min(...angles) < -0.27]).toEqual([true, true]);
  });

  test('a change of size scales every bone by one factor within its amount', () => {
    const factors = Array.from({ length: 50 }, (_, key) => {
      const [before, after] = [lengths(skeletons([key], {})), lengths(skeletons([key], { scale: 0.2 }))];
      const ratios = after.map((length, i) => length / (before[i] ?? 1));
      expect(Math.max(...ratios) - Math.min(...ratios)).toBeLessThan(1e-5);
      return ratios[0] ?? 0;
    });
    expect(Math.min(...factors)).toBeGreaterThanOrEqual(0.8 - 1e-6);
    expect(Math.max(...factors)).toBeLessThanOrEqual(1.2 + 1e-6);
    expect(Math.max(...factors) - Math.min(...factors)).toBeGreaterThan(0.3);
  });

  test('a crop stretches a part of the sequence: a straight motion stays straight, and slows down', () => {
    for (let key = 0; key < 20; key++) {
      const data = Float32Array.from({ length: size(SKELETON) }, (_, k) => Math.floor(k / FRAME));
      augmentSkeletons(data, SKELETON, [key], { ...NO_AUGMENTATION, crop: 0.4 });
      const times = Array.from({ length: 50 }, (_, t) => data[t * FRAME] ?? Number.NaN);
      const steps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
      expect(Math.max(...steps) - Math.min(...steps)).toBeLessThan(1e-4);
      expect(steps[0]).toBeGreaterThanOrEqual(0.6 - 1e-4);
      expect(steps[0]).toBeLessThanOrEqual(1);
      expect([Math.min(...times) >= 0, Math.max(...times) <= 49]).toEqual([true, true]);
    }
  });
});

describe('clips', () => {
  test('stay in [0, 1] whatever is done to them', () => {
    const data = clips([1, 2, 3, 4, 5, 6], { ...ALL, brightness: 5, shift: 40 });
    expect(Math.min(...data)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...data)).toBeLessThanOrEqual(1);
  });

  test('brightness is one factor within its amount', () => {
    for (let key = 0; key < 20; key++) {
      const data = new Float32Array(size(CLIP)).fill(0.5);
      augmentClips(data, CLIP, [key], { ...NO_AUGMENTATION, brightness: 0.3 });
      expect(new Set(data).size).toBe(1);
      expect(Math.abs((data[0] ?? 0) / 0.5 - 1)).toBeLessThanOrEqual(0.3 + 1e-6);
    }
  });

  test('a shift moves whole frames by whole pixels, edges repeated', () => {
    const [frames, height, width, channels] = CLIP;
    const before = pixels(1);
    const moves = new Set<string>();
    for (let key = 0; key < 40; key++) {
      const after = clips([key], { shift: 2 });
      const fits = [-2, -1, 0, 1, 2].flatMap((dy) =>
        [-2, -1, 0, 1, 2].flatMap((dx) => (isShift(before, after, dy, dx) ? [`${dy},${dx}`] : [])),
      );
      expect(fits.length).toBe(1);
      moves.add(fits[0] ?? '');
    }
    expect(moves.size).toBeGreaterThan(8);

    function isShift(from: Float32Array, to: Float32Array, dy: number, dx: number): boolean {
      const inside = (value: number, most: number) => Math.min(Math.max(value, 0), most - 1);
      for (let t = 0; t < frames; t++)
        for (let y = 0; y < height; y++)
          for (let x = 0; x < width; x++)
            for (let c = 0; c < channels; c++) {
              const at = (row: number, column: number) =>
                ((t * height + row) * width + column) * channels + c;
              if (to[at(y, x)] !== from[at(inside(y + dy, height), inside(x + dx, width))]) return false;
            }
      return true;
    }
  });

  test('are cropped to the same part of the sequence as the skeleton of the same key', () => {
    const frames = 40;
    for (let key = 0; key < 20; key++) {
      const [clip, skeleton] = [new Float32Array(frames), new Float32Array(frames * 3)];
      for (let t = 0; t < frames; t++) {
        clip[t] = t / frames;
        skeleton.fill(t, t * 3, t * 3 + 3);
      }
      augmentClips(clip, [frames, 1, 1, 1], [key], { ...NO_AUGMENTATION, crop: 0.6 });
      augmentSkeletons(skeleton, [frames, 1, 3], [key], { ...NO_AUGMENTATION, crop: 0.6 });
      for (let t = 0; t < frames; t++)
        expect(Math.abs((clip[t] ?? 0) * frames - (skeleton[t * 3] ?? 0))).toBeLessThanOrEqual(0.5 + 1e-4);
    }
  });
});
