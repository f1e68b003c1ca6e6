import { check, ShapeError } from '../errors.ts';
import { formatShape, sizeOf } from '../tensor/shape.ts';
import type { ActionDataset, SkeletonData, SplitName, VideoData } from './dataset.ts';

/** A data set as arrays: at least one of `images`, `video` and `skeleton`. */
export interface DatasetParts {
  readonly name?: string;
  readonly classes: readonly string[];
  /** The class of each sample, [samples]. */
  readonly labels: ArrayLike<number>;
  /** One byte a channel, [samples, H, W, C]: kept as clips of one frame. */
  readonly images?: { readonly data: Uint8Array; readonly shape: readonly [number, number, number] };
  readonly video?: VideoData;
  readonly skeleton?: SkeletonData;
  /** Indices of samples; all of them are for training when left out. */
  readonly splits?: Readonly<Partial<Record<SplitName, readonly number[]>>>;
}

const OP = 'datasetOf';

/**
 * A data set of arrays in memory, for `Trainer` and the metrics. labels [n], images [n, H, W, C], clips [n, T, H, W, C],
 * joints [n, T, V, 3] in metres. Throws `ShapeError` where a length does not fit, a label or an index is not there, both images and
 * video are given, or nothing is.
 */
export function datasetOf({ name = 'arrays', classes, splits = {}, ...arrays }: DatasetParts): ActionDataset {
  const labels = Int32Array.from(arrays.labels);
  const samples = labels.length;
  const wrong = labels.find((label) => !(label >= 0 && label < classes.length));
  check(wrong === undefined, OP, () => `labels must be in [0, ${classes.length}); got ${wrong}`);
  const subjects = Array.from(labels, () => 'unknown');
  const video = videoOf(arrays);
  const { skeleton } = arrays;
  if (video) checkLength('video', video, samples);
  if (skeleton) checkLength('skeleton', skeleton, samples);
  check(video !== undefined || skeleton !== undefined, OP, () => 'needs images, video or skeleton');
  const all = splitsOf(splits, samples);
  const own = { ...(video && { video }), ...(skeleton && { skeleton }) };
  return { name, title: name, classes: [...classes], labels, subjects, samples, ...own, splits: all };
}

function videoOf({ images, video }: Pick<DatasetParts, 'images' | 'video'>): VideoData | undefined {
  if (!images) return video;
  if (video) throw new ShapeError(OP, 'takes images or video, not both');
  const kind = images.shape[2] === 1 ? 'depth' : 'rgb';
  return { data: images.data, shape: [1, ...images.shape], kind };
}

function checkLength(name: string, { data, shape }: VideoData | SkeletonData, samples: number): void {
  const expected = samples * sizeOf(shape);
  check(
    data.length === expected,
    OP,
    () =>
      `${samples} labels and ${formatShape(shape)} need ${expected} numbers of ${name}; got ${data.length}`,
  );
}

function splitsOf(splits: NonNullable<DatasetParts['splits']>, samples: number): Record<SplitName, number[]> {
  const given = Object.keys(splits).length > 0;
  const {
    train = given ? [] : Array.from({ length: samples }, (_, i) => i),
    validation = [],
    test = [],
  } = splits;
  const wrong = [...train, ...validation, ...test].find(
    (i) => !(Number.isInteger(i) && i >= 0 && i < samples),
  );
  check(wrong === undefined, OP, () => `splits must hold indices in [0, ${samples}); got ${wrong}`);
  return { train: [...train], validation: [...validation], test: [...test] };
}
