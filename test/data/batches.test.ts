import { describe, expect, it } from 'vitest';
import { batches, gatherLabels, gatherSkeleton, gatherVideo } from '../../src/data/batches.ts';
import type { ActionDataset } from '../../src/data/dataset.ts';
import { ShapeError } from '../../src/errors.ts';

const INDICES = Array.from({ length: 23 }, (_, i) => 100 + i);

describe('batches', () => {
  it('keeps the order without shuffling, the last batch being smaller', () => {
    const out = batches(INDICES, 10, { seed: 1, epoch: 0, shuffle: false });
    expect(out.map((b) => b.length)).toEqual([10, 10, 3]);
    expect(out.flat()).toEqual(INDICES);
    expect(batches([], 4, { seed: 1, epoch: 0, shuffle: true })).toEqual([]);
  });

  it('shuffles by seed and epoch alone, every index once', () => {
    const order = (seed: number, epoch: number) => batches(INDICES, 4, { seed, epoch, shuffle: true }).flat();
    expect([...order(1, 0)].sort((a, b) => a - b)).toEqual(INDICES);
    expect(order(1, 3)).toEqual(order(1, 3));
    expect(order(1, 3)).not.toEqual(order(1, 4));
    expect(order(1, 3)).not.toEqual(order(2, 3));
    expect(order(3, 1)).not.toEqual(order(1, 3));
  });

  it.each([0, -1, 2.5, Number.NaN])('rejects a batch size of %s', (size) => {
    expect(() => batches(INDICES, size, { seed: 1, epoch: 0, shuffle: false })).toThrow(ShapeError);
  });
});

describe('gather', () => {
  const dataset: ActionDataset = {
    name: 'tiny',
    title: 'Tiny',
    classes: ['a', 'b'],
    labels: Int32Array.of(0, 1, 0),
    subjects: ['x', 'x', 'y'],
    samples: 3,
    video: { data: Uint8Array.of(0, 51, 102, 153, 204, 255), shape: [1, 1, 2, 1], kind: 'depth' },
    skeleton: { data: Float32Array.from(Array(9).keys()), shape: [1, 1, 3], joints: ['root'], parents: [-1] },
    splits: { train: [0], validation: [1], test: [2] },
  };

  it('copies the samples in the order asked for', () => {
    expect([...gatherVideo(dataset, [2, 0])]).toEqual([204 / 255, 1, 0, 51 / 255].map(Math.fround));
    expect([...gatherSkeleton(dataset, [1, 1])]).toEqual([3, 4, 5, 3, 4, 5]);
    expect([...gatherLabels(dataset, [1, 2])]).toEqual([1, 0]);
    expect(gatherVideo(dataset, []).length).toBe(0);
  });

  it('rejects a missing modality and indices out of range', () => {
    const { video: _, ...blind } = dataset;
    expect(() => gatherVideo(blind, [0])).toThrow(ShapeError);
    expect(() => gatherLabels(dataset, [3])).toThrow('sample 3 of 3');
    expect(() => gatherSkeleton(dataset, [-1])).toThrow(ShapeError);
    expect(() => gatherLabels(dataset, [0.5])).toThrow(ShapeError);
  });
});
