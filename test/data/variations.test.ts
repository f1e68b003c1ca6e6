import { describe, expect, test } from 'vitest';
import {
  type Augmentation,
  augmentClips,
  augmentSkeletons,
  NO_AUGMENTATION,
} from '../../src/data/augment.ts';
import { mirrorJoints } from '../../src/data/skeleton-variations.ts';
import { ShapeError } from '../../src/errors.ts';
import { numbers } from '../nn/tools.ts';

const SKELETON: [number, number, number] = [6, 5, 3];
const NAMES = ['hip', 'left hand', 'right hand', 'left foot', 'right foot'];
const MIRROR = mirrorJoints(NAMES);
const CLIP: [number, number, number, number] = [8, 6, 5, 3];
const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const KEYS = Array.from({ length: 40 }, (_, key) => key);

function skeleton(key: number, amount: Partial<Augmentation>): number[] {
  const data = numbers(size(SKELETON), 1);
  augmentSkeletons(data, SKELETON, [key], { ...NO_AUGMENTATION, ...amount }, MIRROR);
  return [...data];
}

function clip(key: number, amount: Partial<Augmentation>, fill?: (k: number) => number): number[] {
  const data = numbers(size(CLIP), 2).map((value, k) => fill?.(k) ?? (value + 1) / 2);
  augmentClips(data, CLIP, [key], { ...NO_AUGMENTATION, ...amount });
  return [...data];
}

const at = (data: readonly number[], t: number, v: number) =>
  data.slice((t * 5 + v) * 3, (t * 5 + v) * 3 + 3);
const distance = (a: readonly number[], b: readonly number[]) =>
  Math.hypot(...a.map((value, i) => value - (b[i] ?? 0)));
const largest = (a: readonly number[], b: readonly number[]) =>
  Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? 0))));

describe('mirrored joints', () => {
  test('by name, whole or by initial', () => {
    expect(MIRROR).toEqual([0, 2, 1, 4, 3]);
    expect(mirrorJoints(['root', 'lhand', 'lowerback', 'rhand'])).toEqual([0, 3, 2, 1]);
    expect(mirrorJoints(['Right_Hip', 'spine', 'Left_Hip'])).toEqual([2, 1, 0]);
  });

  test('a side without the other, or no sides, are refused', () => {
    expect(() => mirrorJoints(['left hand', 'hip'])).toThrow("'left hand' has no counterpart");
    expect(() => mirrorJoints(['hip', 'head'])).toThrow('are named left and right');
    const flip = { ...NO_AUGMENTATION, flip: 1 };
    expect(() => augmentSkeletons(numbers(90, 1), SKELETON, [1], flip)).toThrow(ShapeError);
  });
});

describe('flips', () => {
  test('mirror the pose and exchange left and right; twice is nothing', () => {
    const [before, after] = [skeleton(3, {}), skeleton(3, { flip: 1 })];
    const middle = [0, 1, 2, 3, 4].reduce((sum, v) => sum + (at(before, 0, v)[0] ?? 0) / 5, 0);
    for (let t = 0; t < 6; t++)
      for (const [v, other] of MIRROR.entries()) {
        const [x = 0, y = 0, z = 0] = at(before, t, other);
        const expected = [2 * middle - x, y, z];
        expect(distance(at(after, t, v), expected)).toBeLessThan(1e-6);
      }
    // A pose that is its own mirror image stays.
    const data = Float32Array.of(0, 1, 0, 1, 0, 0, -1, 0, 0, 2, -1, 1, -2, -1, 1);
    augmentSkeletons(data, [1, 5, 3], [3], { ...NO_AUGMENTATION, flip: 1 }, MIRROR);
    expect(largest([...data], [0, 1, 0, 1, 0, 0, -1, 0, 0, 2, -1, 1, -2, -1, 1])).toBeLessThan(1e-6);
  });

  test('come as often as asked for, on clip and skeleton of a key together', () => {
    const flipped = KEYS.map((key) => largest(skeleton(key, { flip: 0.5 }), skeleton(key, {})) > 0.01);
    const clips = KEYS.map((key) => largest(clip(key, { flip: 0.5 }), clip(key, {})) > 0.01);
    expect(clips).toEqual(flipped);
    expect(flipped.filter(Boolean).length).toBeGreaterThan(10);
    expect(flipped.filter(Boolean).length).toBeLessThan(30);
  });

  test('of a clip exchange its columns', () => {
    const [before, after] = [clip(1, {}), clip(1, { flip: 1 })];
    for (let row = 0; row < 48; row++)
      for (let x = 0; x < 5; x++)
        for (let c = 0; c < 3; c++)
          expect(after[(row * 5 + x) * 3 + c]).toBe(before[(row * 5 + 4 - x) * 3 + c]);
  });
});

test('a tilt keeps every distance and the centre of the first frame, and is by at most its amount', () => {
  const before = skeleton(2, {});
  const after = skeleton(2, { tilt: 0.4 });
  expect(largest(before, after)).toBeGreaterThan(0.01);
  for (let t = 0; t < 6; t++)
    for (const v of [1, 2, 3, 4])
      expect(distance(at(after, t, v), at(after, 0, 0))).toBeCloseTo(
        distance(at(before, t, v), at(before, 0, 0)),
        5,
      );
  for (const axis of [0, 1, 2]) {
    const centre = (data: readonly number[]) =>
      [0, 1, 2, 3, 4].reduce((sum, v) => sum + (at(data, 0, v)[axis] ?? 0), 0);
    expect(centre(after)).toBeCloseTo(centre(before), 5);
  }
  // The vertical leans by at most both turns together.
  for (const key of KEYS) {
    const pole = Float32Array.of(0, 1, 0, 0, -1, 0);
    augmentSkeletons(pole, [1, 2, 3], [key], { ...NO_AUGMENTATION, tilt: 0.3 });
    expect(Math.acos(Math.min(pole[1] ?? 0, 1))).toBeLessThanOrEqual(Math.hypot(0.3, 0.3) + 1e-6);
  }
});

test('noise has its standard deviation, in every frame anew', () => {
  const added = KEYS.flatMap((key) => {
    const [before, after] = [skeleton(key, {}), skeleton(key, { noise: 0.02 })];
    return after.map((value, k) => value - (before[k] ?? 0));
  });
  const deviation = Math.sqrt(added.reduce((sum, value) => sum + value ** 2, 0) / added.length);
  expect(deviation / 0.02).toBeCloseTo(1, 1);
  expect(new Set(added.slice(0, 90)).size).toBeGreaterThan(80);
});

describe('clips', () => {
  const frame = (data: readonly number[], t: number) => data[t * 90] ?? Number.NaN;
  const ramp = (k: number) => Math.floor(k / 90) / 8;

  test('jitter takes frames from near by, in order', () => {
    const moves = new Set<number>();
    for (const key of KEYS) {
      const data = clip(key, { jitter: 1.4 }, ramp);
      const taken = Array.from({ length: 8 }, (_, t) => Math.round(8 * frame(data, t)));
      expect([...taken].sort((a, b) => a - b)).toEqual(taken);
      for (const [t, from] of taken.entries()) {
        expect(Math.abs(from - t)).toBeLessThanOrEqual(2);
        moves.add(from - t);
      }
    }
    expect(moves.size).toBeGreaterThan(2);
  });

  test('zoom enlarges a window: a slope stays one and gets flatter, within its amount', () => {
    const slope = (k: number) => (Math.floor(k / 15) % 6) / 6;
    const flattest = KEYS.map((key) => {
      const data = clip(key, { zoom: 0.4 }, slope);
      const rows = [1, 2, 3, 4].map((y) => data[y * 15] ?? 0);
      const steps = rows.slice(1).map((value, i) => 6 * (value - (rows[i] ?? 0)));
      expect(Math.max(...steps) - Math.min(...steps)).toBeLessThan(1e-4);
      return steps[0] ?? 0;
    });
    expect(Math.min(...flattest)).toBeGreaterThan(0.6 - 1e-4);
    expect(Math.min(...flattest)).toBeLessThan(0.75);
    expect(Math.max(...flattest)).toBeLessThanOrEqual(1 + 1e-4);
  });

  test('contrast spreads about the mean, saturation about the grey of each pixel', () => {
    const soft = (k: number) => 0.4 + 0.2 * ((numbers(size(CLIP), 9)[k] ?? 0) / 2 + 0.5);
    const mean = (data: readonly number[]) => data.reduce((a, b) => a + b, 0) / data.length;
    for (const key of [1, 2, 3]) {
      const before = clip(key, {}, soft);
      const contrast = clip(key, { contrast: 0.5 }, soft);
      const ratios = contrast.map((value, k) => (value - mean(before)) / ((before[k] ?? 0) - mean(before)));
      expect(Math.max(...ratios) - Math.min(...ratios)).toBeLessThan(0.02);
      expect(Math.abs((ratios[0] ?? 0) - 1)).toBeLessThanOrEqual(0.51);
      const saturated = clip(key, { saturation: 0.5 }, soft);
      for (let k = 0; k < before.length; k += 3) {
        const pixel = (data: readonly number[]) => data.slice(k, k + 3);
        expect(mean(pixel(saturated))).toBeCloseTo(mean(pixel(before)), 5);
      }
      expect(largest(saturated, before)).toBeGreaterThan(1e-4);
    }
  });

  test('stay in [0, 1]', () => {
    const all = {
      flip: 0.5,
      zoom: 0.5,
      jitter: 3,
      contrast: 5,
      saturation: 5,
      brightness: 2,
      crop: 0.5,
      shift: 3,
    };
    for (const key of KEYS.slice(0, 5)) {
      const data = clip(key, all);
      expect(Math.min(...data)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...data)).toBeLessThanOrEqual(1);
    }
  });
});

test('new variations leave those of other seeds and amounts as they were', () => {
  const amount = { turn: 0.3, scale: 0.1, crop: 0.2, shift: 1, brightness: 0.2 };
  const zero = { flip: 0, tilt: 0, noise: 0, jitter: 0, zoom: 0, contrast: 0, saturation: 0 };
  for (const key of KEYS.slice(0, 5)) {
    expect(skeleton(key, { ...amount, ...zero })).toEqual(skeleton(key, amount));
    expect(clip(key, { ...amount, ...zero })).toEqual(clip(key, amount));
  }
});
