import { check, kindOf, ShapeError } from '../errors.ts';
import { formatShape, sizeOf } from '../tensor/shape.ts';
import type { ActionDataset, SkeletonData, SplitName, VideoData } from './dataset.ts';

/** A data set as arrays: at least one of `images`, `video` and `skeleton`. */
export interface DatasetParts {
  readonly name?: string;
  readonly classes: readonly string[];
  /** The class of each sample, [samples]. */
  readonly labels: ArrayLike<number>;
  /** One byte a channel, [samples, H, W, C]: kept as clips of one frame; `kind` is `depth` where C is 1. */
  readonly images?: { readonly data: Uint8Array; readonly shape: readonly [number, number, number] };
  readonly video?: VideoData;
  readonly skeleton?: SkeletonData;
  /** Who performs each sample; everyone is `unknown` when left out. */
  readonly subjects?: readonly string[];
  /** Indices of samples, none in two of them. All are for training when left out; of several, one that is left out is empty. */
  readonly splits?: Readonly<Partial<Record<SplitName, readonly number[]>>>;
}

const OP = 'datasetOf';
const SPLITS: readonly string[] = ['train', 'validation', 'test'] satisfies SplitName[];

/**
 * A data set of arrays in memory, for `Trainer` and the metrics. labels [n], images [n, H, W, C], clips [n, T, H, W, C],
 * joints [n, T, V, 3] in metres. Throws `ShapeError` where data are no `Uint8Array` (of skeletons `Float32Array`; of a canvas take `new Uint8Array(data.buffer)`), a length does not fit, a split is none of the three, a label or an index is not there or in two splits,
 * both images and video are given, or nothing is.
 */
export function datasetOf({ name = 'arrays', classes, splits = {}, ...arrays }: DatasetParts): ActionDataset {
  const labels = Int32Array.from(arrays.labels, (label) => checkLabel(label, classes.length));
  const samples = labels.length;
  const subjects = [...(arrays.subjects ?? Array.from(labels, () => 'unknown'))];
  check(subjects.length === samples, OP, () => `needs ${samples} subjects; got ${subjects.length}`);
  const video = videoOf(arrays);
  const { skeleton } = arrays;
  if (video) checkArray(arrays.images ? 'images' : 'video', video.data, 'Uint8Array');
  if (skeleton) checkArray('skeleton', skeleton.data, 'Float32Array');
  if (video) checkLength(arrays.images ? 'images' : 'video', video, samples);
  if (skeleton) checkSkeleton(skeleton, samples);
  check(video !== undefined || skeleton !== undefined, OP, () => 'needs images, video or skeleton');
  const all = splitsOf(splits, samples);
  const own = { ...(video && { video }), ...(skeleton && { skeleton }) };
  return { name, title: name, classes: [...classes], labels, subjects, samples, ...own, splits: all };
}

function checkLabel(label: number, classes: number): number {
  const known = Number.isInteger(label) && label >= 0 && label < classes;
  check(known, OP, () => `labels must be integers in [0, ${classes}); got ${label}`);
  return label;
}

function checkSkeleton(skeleton: SkeletonData, samples: number): void {
  const { shape, joints, parents } = skeleton;
  checkLength('skeleton', skeleton, samples);
  const named = joints.length === shape[1] && parents.length === shape[1];
  check(
    named,
    OP,
    () => `${shape[1]} joints need a name and a parent each; got ${joints.length} and ${parents.length}`,
  );
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

/** Other arrays would be read as if they were these: pixels in [0, 1] as bytes 0 and 1. */
function checkArray(name: string, data: unknown, kind: 'Uint8Array' | 'Float32Array'): void {
  const given = kindOf(data);
  check(given === kind, OP, () => `data of ${name} must be a ${kind}; got ${given}`);
}

function splitsOf(splits: NonNullable<DatasetParts['splits']>, samples: number): Record<SplitName, number[]> {
  const unknown = Object.keys(splits).find((name) => !SPLITS.includes(name));
  check(unknown === undefined, OP, () => `splits may be ${SPLITS.join(', ')}; got '${unknown}'`);
  const given = Object.keys(splits).length > 0;
  const {
    train = given ? [] : Array.from({ length: samples }, (_, i) => i),
    validation = [],
    test = [],
  } = splits;
  const all = [...train, ...validation, ...test];
  const wrong = all.find((i) => !(Number.isInteger(i) && i >= 0 && i < samples));
  check(wrong === undefined, OP, () => `splits must hold indices in [0, ${samples}); got ${wrong}`);
  check(new Set(all).size === all.length, OP, () => 'splits must not share a sample, nor hold one twice');
  return { train: [...train], validation: [...validation], test: [...test] };
}
