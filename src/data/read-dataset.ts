import { FormatError } from '../errors.ts';
import { decodeSafetensors } from '../formats/safetensors.ts';
import type { StoredTensor } from '../formats/stored.ts';
import type { ActionDataset, SkeletonData, SplitName, VideoData } from './dataset.ts';

/** How a stored data set becomes an `ActionDataset`. */
export interface ReadOptions {
  /** Skeletons are resampled to this many frames. */
  frames: number;
  /** Subjects of the training split that are held out for validation; the last one listed if not given. */
  validationSubjects?: string[];
}

interface Sequence {
  label: number;
  subject: string;
  frames: number;
  skeletonOffset: number;
}

type Json = Record<string, unknown>;

/**
 * Reads a data set from the text of its `dataset.json` and the bytes of its (decompressed) safetensors file.
 *
 * `dataset.json` holds `name`, `title`, `citation`?, `classes`, `sequences` (one per sample: `label`, `subject` and,
 * with skeletons, `frames` and `skeletonOffset`), `splits` (`{<name>: {train: {subjects}, test: {subjects}}}`; the
 * first is used), and at least one of `video` (`kind`, `frames`, `height`, `width`, `channels`) and `skeleton`
 * (`scale`, with `joints` and `parents` beside it). The arrays are `video`, U8 [samples, T, H, W, C], and
 * `skeleton`, I16 [all frames, V, 3] in units of `scale` metres, resampled here to `options.frames` by linear
 * interpolation in time. Throws `FormatError`, in one line, for anything missing or inconsistent.
 */
export function parseDataset(json: string, bytes: Uint8Array, options: ReadOptions): ActionDataset {
  const about = parseObject(json);
  const { tensors } = decodeSafetensors(bytes, 'dataset.safetensors');
  const classes = strings(about, 'classes');
  const sequences = readSequences(about, classes.length);
  const subjects = sequences.map((s) => s.subject);
  const dataset: ActionDataset = {
    name: string(about, 'name'),
    title: string(about, 'title'),
    classes,
    labels: Int32Array.from(sequences, (s) => s.label),
    subjects,
    samples: sequences.length,
    splits: readSplits(about, subjects, options.validationSubjects),
  };
  if (about.citation !== undefined) dataset.citation = string(about, 'citation');
  if (isObject(about.video)) dataset.video = readVideo(about.video, tensors.get('video'), sequences.length);
  if (isObject(about.skeleton))
    dataset.skeleton = readSkeleton(about, tensors.get('skeleton'), sequences, options.frames);
  if (!dataset.video && !dataset.skeleton) fail('has neither "video" nor "skeleton"; expected at least one');
  return dataset;
}

function parseObject(json: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    fail('is not valid JSON (truncated?)');
  }
  return isObject(value) ? value : fail('does not hold a JSON object');
}

function readSequences(about: Json, classes: number): Sequence[] {
  const withSkeleton = isObject(about.skeleton);
  const sequences = objects(about, 'sequences').map((item, i) => readSequence(item, i, withSkeleton));
  const wrong = sequences.findIndex((s) => s.label >= classes);
  if (wrong >= 0)
    fail(`sequence ${wrong} has label ${sequences[wrong]!.label}; there are ${classes} classes`);
  return sequences;
}

function readSequence(item: Json, i: number, withSkeleton: boolean): Sequence {
  const at = `sequences[${i}].`;
  return {
    label: count(item, 'label', at),
    subject: subjectName(item.subject, `${at}subject`),
    frames: withSkeleton ? count(item, 'frames', at, 1) : 0,
    skeletonOffset: withSkeleton ? count(item, 'skeletonOffset', at) : 0,
  };
}

function readVideo(about: Json, tensor: StoredTensor | undefined, samples: number): VideoData {
  const size = (key: string) => count(about, key, 'video.', 1);
  const shape: VideoData['shape'] = [size('frames'), size('height'), size('width'), size('channels')];
  const { kind } = about;
  if (kind !== 'rgb' && kind !== 'depth')
    fail(`video.kind is ${JSON.stringify(kind)}; expected "rgb" or "depth"`);
  const data = array(tensor, 'video', 'U8', [samples, ...shape]);
  return { data: data as Uint8Array, shape, kind };
}

function readSkeleton(
  about: Json,
  tensor: StoredTensor | undefined,
  sequences: Sequence[],
  frames: number,
): SkeletonData {
  const joints = strings(about, 'joints');
  const parents = readParents(about, joints.length);
  const scale = number(about.skeleton as Json, 'scale', 'skeleton.');
  const stored = array(tensor, 'skeleton', 'I16', [checkOffsets(sequences), joints.length, 3]) as Int16Array;
  const row = joints.length * 3;
  if (!Number.isInteger(frames) || frames < 1)
    fail(`cannot be resampled to ${frames} frames; expected 1 or more`);
  const data = new Float32Array(sequences.length * frames * row);
  for (const [i, { skeletonOffset: from, frames: n }] of sequences.entries())
    resample(
      stored.subarray(from * row, (from + n) * row),
      data.subarray(i * frames * row),
      row,
      frames,
      scale,
    );
  return { data, shape: [frames, joints.length, 3], joints, parents };
}

/** Linear interpolation in time, first frame to first and last to last: [n, row] → [frames, row], times `scale`. */
function resample(from: Int16Array, to: Float32Array, row: number, frames: number, scale: number): void {
  const last = from.length / row - 1;
  for (let t = 0; t < frames; t++) {
    const at = frames > 1 ? (t * last) / (frames - 1) : last / 2;
    const low = Math.floor(at);
    const a = low * row;
    const b = Math.min(low + 1, last) * row;
    for (let k = 0; k < row; k++)
      to[t * row + k] = scale * (from[a + k]! + (at - low) * (from[b + k]! - from[a + k]!));
  }
}

/** The frames of all sequences, which must lie one after the other. */
function checkOffsets(sequences: Sequence[]): number {
  let rows = 0;
  for (const [i, { skeletonOffset, frames }] of sequences.entries()) {
    if (skeletonOffset !== rows)
      fail(
        `sequences[${i}].skeletonOffset is ${skeletonOffset}; the sequences before it have ${rows} frames`,
      );
    rows += frames;
  }
  return rows;
}

function readParents(about: Json, joints: number): number[] {
  const parents = list(about, 'parents') as number[];
  if (parents.length !== joints) fail(`has ${parents.length} parents for ${joints} joints`);
  if (parents.filter((p) => p === -1).length !== 1) fail('"parents" must hold -1 once, for the root');
  for (let joint = 0; joint < joints; joint++) {
    let at = joint;
    for (let steps = 0; at !== -1; steps++) {
      const parent = parents[at];
      if (!Number.isInteger(parent) || steps > joints) fail(`"parents" leads from joint ${joint} to no root`);
      at = parent!;
    }
  }
  return parents;
}

function readSplits(about: Json, subjects: string[], heldOut: string[] | undefined): ActionDataset['splits'] {
  const split = Object.values(object(about, 'splits'))[0];
  if (!isObject(split)) fail('"splits" holds no split');
  const train = splitSubjects(split, 'train', subjects);
  const test = splitSubjects(split, 'test', subjects);
  const shared = train.find((s) => test.includes(s));
  if (shared !== undefined) fail(`subject ${shared} is in both train and test`);
  const validation = heldOut ?? train.slice(-1);
  const stranger = validation.find((s) => !train.includes(s));
  if (stranger !== undefined)
    fail(`validation subject ${stranger} is not a training subject (${train.join(', ')})`);
  const rest = train.filter((s) => !validation.includes(s));
  if (rest.length === 0) fail('has no training subject left beside those for validation');
  const of = (names: string[]) => subjects.flatMap((s, i) => (names.includes(s) ? [i] : []));
  return { train: of(rest), validation: of(validation), test: of(test) };
}

function splitSubjects(split: Json, part: SplitName, subjects: string[]): string[] {
  const names = list(object(split, part), 'subjects').map((s) => subjectName(s, `splits.${part}.subjects`));
  const unknown = names.find((s) => !subjects.includes(s));
  if (unknown !== undefined) fail(`subject ${unknown} of the ${part} split performs no sequence`);
  if (names.length === 0) fail(`the ${part} split has no subjects`);
  return names;
}

function array(
  tensor: StoredTensor | undefined,
  name: string,
  dtype: string,
  shape: number[],
): StoredTensor['data'] {
  const expected = `${dtype} [${shape.join(', ')}]`;
  const found = tensor ? `${tensor.dtype} [${tensor.shape.join(', ')}]` : 'missing';
  if (!tensor || found !== expected)
    fail(`array "${name}" of the safetensors file is ${found}; expected ${expected}`);
  return tensor.data;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function object(from: Json, key: string): Json {
  const value = from[key];
  return isObject(value) ? value : expected(key, 'an object', value);
}

function list(from: Json, key: string): unknown[] {
  const value = from[key];
  return Array.isArray(value) ? value : expected(key, 'a list', value);
}

function objects(from: Json, key: string): Json[] {
  const value = list(from, key);
  return value.length > 0 && value.every(isObject)
    ? value
    : expected(key, 'a non-empty list of objects', value);
}

function strings(from: Json, key: string): string[] {
  const value = list(from, key);
  const valid = value.length > 0 && value.every((v) => typeof v === 'string');
  return valid ? (value as string[]) : expected(key, 'a non-empty list of names', value);
}

function string(from: Json, key: string): string {
  const value = from[key];
  return typeof value === 'string' ? value : expected(key, 'a string', value);
}

function number(from: Json, key: string, at: string): number {
  const value = from[key];
  return typeof value === 'number' && value > 0 ? value : expected(at + key, 'a positive number', value);
}

function count(from: Json, key: string, at: string, least = 0): number {
  const value = from[key];
  const valid = Number.isSafeInteger(value) && (value as number) >= least;
  return valid ? (value as number) : expected(at + key, `an integer of ${least} or more`, value);
}

function subjectName(value: unknown, at: string): string {
  const valid = typeof value === 'string' || typeof value === 'number';
  return valid ? String(value) : expected(at, 'a name or number', value);
}

function expected(key: string, what: string, value: unknown): never {
  const found = JSON.stringify(value)?.slice(0, 40) ?? 'nothing';
  fail(`"${key}" is ${found}; expected ${what}`);
}

function fail(problem: string): never {
  throw new FormatError('parseDataset', `dataset.json: ${problem}`);
}
