import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { gatherVideo } from '../../src/data/batches.ts';
import { datasetOf } from '../../src/data/dataset-of.ts';
import { ShapeError } from '../../src/errors.ts';

const images = { data: Uint8Array.from({ length: 36 }, (_, i) => i), shape: [2, 2, 3] } as const;
const base = { classes: ['a', 'b'], labels: [0, 1, 1] };

test('images become clips of one frame, and all samples are for training', () => {
  const dataset = datasetOf({ ...base, images });
  expect(dataset.video).toEqual({ data: images.data, shape: [1, 2, 2, 3], kind: 'rgb' });
  expect([...dataset.labels]).toEqual([0, 1, 1]);
  expect([dataset.samples, dataset.subjects.length, dataset.splits.train]).toEqual([3, 3, [0, 1, 2]]);
  expect(gatherVideo(dataset, [2])[0]).toBeCloseTo(24 / 255);
});

test('splits are kept; one that is left out beside another is empty', () => {
  const { splits } = datasetOf({ ...base, images, splits: { train: [0, 2], test: [1] } });
  expect(splits).toEqual({ train: [0, 2], validation: [], test: [1] });
});

test('what does not fit is named', () => {
  const skeleton = { data: new Float32Array(17), shape: [2, 1, 3], joints: ['hip'], parents: [-1] } as const;
  const refused = (more: object, message: string) => {
    expect(() => datasetOf({ ...base, ...more } as Parameters<typeof datasetOf>[0])).toThrow(ShapeError);
    expect(() => datasetOf({ ...base, ...more } as Parameters<typeof datasetOf>[0])).toThrow(message);
  };
  refused({}, 'datasetOf: needs images, video or skeleton');
  refused({ images, labels: [0, 2, 1] }, 'datasetOf: labels must be integers in [0, 2); got 2');
  refused({ images, labels: [0, -1, 1] }, 'datasetOf: labels must be integers in [0, 2); got -1');
  refused({ images, labels: [0, 0.5, 1] }, 'datasetOf: labels must be integers in [0, 2); got 0.5');
  refused({ images, labels: [0, Number.NaN, 1] }, 'datasetOf: labels must be integers in [0, 2); got NaN');
  refused({ images, subjects: ['ann'] }, 'datasetOf: needs 3 subjects; got 1');
  refused(
    { images, splits: { train: [0, 1], test: [1] } },
    'datasetOf: splits must not share a sample, nor hold one twice',
  );
  refused(
    { images, splits: { trian: [0] } },
    "datasetOf: splits may be train, validation, test; got 'trian'",
  );
  const floats = { ...images, data: new Float32Array(36) };
  refused({ images: floats }, 'datasetOf: data of images must be a Uint8Array; got Float32Array');
  const bytes = { ...skeleton, data: new Uint8Array(18) };
  refused({ skeleton: bytes }, 'datasetOf: data of skeleton must be a Float32Array; got Uint8Array');
  const nameless = { ...skeleton, data: new Float32Array(18), joints: [] };
  refused({ skeleton: nameless }, 'datasetOf: 1 joints need a name and a parent each; got 0 and 1');
  refused(
    { images, labels: [0, 1] },
    'datasetOf: 2 labels and [1, 2, 2, 3] need 24 numbers of images; got 36',
  );
  refused({ skeleton }, 'datasetOf: 3 labels and [2, 1, 3] need 18 numbers of skeleton; got 17');
  refused({ images, splits: { test: [3] } }, 'datasetOf: splits must hold indices in [0, 3); got 3');
  refused({ images, splits: { test: [0.5] } }, 'datasetOf: splits must hold indices in [0, 3); got 0.5');
  refused(
    { images, video: { data: images.data, shape: [1, 2, 2, 3], kind: 'rgb' } },
    'datasetOf: takes images or video, not both',
  );
});

test('arrays of another frame are as good', () => {
  const data = runInNewContext('new Uint8Array(36).fill(7)') as Uint8Array;
  expect(data instanceof Uint8Array).toBe(false);
  expect(datasetOf({ ...base, images: { ...images, data } }).video?.data).toBe(data);
});
