import { describe, expect, test } from 'vitest';
import { fingerprint, shrink, summarize } from '../../experiments/data.ts';
import { pixelDeviation, skeletonDeviation } from '../../experiments/networks.ts';
import type { ActionDataset, VideoData } from '../../src/data/dataset.ts';

function clip(data: Iterable<number>, shape: VideoData['shape']): VideoData {
  return { data: Uint8Array.from(data), shape, kind: 'depth' };
}

/** Two clips of two pixels and two skeletons of one frame, two joints: the first to train, the second to test. */
function dataset(): ActionDataset {
  return {
    name: 'pair',
    title: 'A pair',
    citation: 'Nobody, 2024',
    classes: ['sit', 'stand'],
    labels: Int32Array.of(1, 0),
    subjects: ['ann', 'ben'],
    samples: 2,
    video: clip([0, 255, 7, 7], [1, 1, 2, 1]),
    skeleton: {
      data: Float32Array.of(0, 5, 5, 2, 5, 5, 9, 9, 9, 0, 0, 0),
      shape: [1, 2, 3],
      joints: ['hip', 'head'],
      parents: [-1, 0],
    },
    splits: { train: [0], validation: [], test: [1] },
  };
}

describe('shrink', () => {
  test('picks frames evenly and averages boxes of pixels, channel by channel', () => {
    const video = clip(Array(64).keys(), [4, 2, 4, 2]);
    const { data, ...rest } = shrink(video, 1, { frames: 2, height: 1, width: 2 });
    // Frames 1 and 3; pixel (y, x, c) of frame t is 16 t + 8 y + 2 x + c.
    expect([...data]).toEqual([21, 22, 25, 26, 53, 54, 57, 58]);
    expect(rest).toEqual({ shape: [2, 1, 2, 2], kind: 'depth' });
  });

  test('lets boxes overlap where sizes do not divide, and rounds', () => {
    const { data } = shrink(clip([0, 31, 90], [1, 1, 3, 1]), 1, { frames: 1, height: 1, width: 2 });
    expect([...data]).toEqual([16, 61]);
  });

  test('keeps samples apart', () => {
    const { data } = shrink(clip([1, 3, 20, 40], [2, 1, 1, 1]), 2, { frames: 1, height: 1, width: 1 });
    expect([...data]).toEqual([3, 40]);
  });

  test('leaves a clip that is small enough as it is', () => {
    const video = clip(Array(8).keys(), [1, 2, 4, 1]);
    expect(shrink(video, 1, { frames: 9, height: 9, width: 9 })).toEqual(video);
  });
});

describe('deviations', () => {
  test('are of the training samples alone, pixels in [0, 1]', () => {
    expect(pixelDeviation(dataset())).toBe(0.5);
  });

  test('of coordinates are about the mean joint of each frame', () => {
    // x is ±1 about its mean, y and z are 0.
    expect(skeletonDeviation(dataset())).toBeCloseTo(Math.sqrt(2 / 6), 12);
  });
});

test('a summary says what is in the data', () => {
  expect(summarize(dataset())).toEqual({
    name: 'pair',
    title: 'A pair',
    citation: 'Nobody, 2024',
    classes: ['sit', 'stand'],
    modalities: ['rgb', 'skeleton'],
    video: 'depth',
    deviation: { rgb: 0.5, skeleton: expect.closeTo(Math.sqrt(2 / 6), 12) },
    samples: { train: 1, validation: 0, test: 1 },
    subjects: { train: ['ann'], validation: [], test: ['ben'] },
  });
  const { video, citation, ...blind } = dataset();
  const found = summarize(blind);
  expect(found).toMatchObject({ modalities: ['skeleton'] });
  expect(Object.keys(found.deviation)).toEqual(['skeleton']);
  expect(Object.keys(found)).not.toContain('citation');
});

describe('a fingerprint', () => {
  const of = (change: (data: ActionDataset) => void) => {
    const data = dataset();
    change(data);
    return fingerprint(data);
  };

  // Test vectors of the authors of FNV (isthe.com/chongo/tech/comp/fnv).
  test.each([
    ['', 0x811c9dc5],
    ['a', 0xe40c292c],
    ['foobar', 0xbf9cf968],
  ])('of the bytes “%s” is FNV-1a', (text, expected) => {
    const bytes = new TextEncoder().encode(text);
    const { skeleton, ...rest } = dataset();
    const video = clip(bytes, [1, 1, bytes.length, 1]);
    expect(fingerprint({ ...rest, labels: new Int32Array(), video })).toBe(expected);
  });

  test('changes with a label, a pixel and a coordinate', () => {
    const prints = [
      of(() => {}),
      of(({ labels }) => labels.fill(1)),
      of(({ video }) => video?.data.fill(1, 3)),
      of(({ skeleton }) => skeleton?.data.fill(1, 11)),
    ];
    expect(new Set(prints).size).toBe(4);
    expect(prints[0]).toBe(of(() => {}));
  });
});
