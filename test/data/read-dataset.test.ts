import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gunzip } from '../../src/data/gunzip.ts';
import { parseDataset } from '../../src/data/read-dataset.ts';
import { FormatError } from '../../src/errors.ts';
import { encodeSafetensors } from '../../src/formats/safetensors.ts';
import type { StoredTensor } from '../../src/formats/stored.ts';
import { readDatasetFolder } from '../../src/node/read-folder.ts';

/** Three subjects, four sequences of 2, 3, 1 and 2 frames, two joints; videos of one frame of 1×2 pixels. */
function about() {
  return {
    name: 'tiny',
    title: 'Tiny',
    citation: 'Nobody, 2024',
    classes: ['sit', 'stand'],
    joints: ['hip', 'head'],
    parents: [-1, 0],
    video: { kind: 'depth', frames: 1, height: 1, width: 2, channels: 1 },
    skeleton: { scale: 0.5 },
    splits: { 'cross-subject': { train: { subjects: [1, 2] }, test: { subjects: ['c'] } } },
    sequences: [
      { label: 0, subject: 1, frames: 2, skeletonOffset: 0 },
      { label: 1, subject: 2, frames: 3, skeletonOffset: 2 },
      { label: 1, subject: 'c', frames: 1, skeletonOffset: 5 },
      { label: 0, subject: 1, frames: 2, skeletonOffset: 6 },
    ],
  };
}

const VIDEO: StoredTensor = { dtype: 'U8', shape: [4, 1, 1, 2, 1], data: Uint8Array.from(Array(8).keys()) };
const SKELETON: StoredTensor = { dtype: 'I16', shape: [8, 2, 3], data: Int16Array.from(Array(48).keys()) };
const BYTES = encodeSafetensors([
  ['video', VIDEO],
  ['skeleton', SKELETON],
]);

type About = ReturnType<typeof about>;

function parse(change: (a: About) => unknown = () => {}, bytes = BYTES, options = {}) {
  const a = about();
  change(a);
  return parseDataset(JSON.stringify(a), bytes, { frames: 3, ...options });
}

describe('parseDataset', () => {
  it('reads names, labels, subjects and both modalities', () => {
    const d = parse();
    expect(d).toMatchObject({ name: 'tiny', title: 'Tiny', citation: 'Nobody, 2024', samples: 4 });
    expect([...d.labels]).toEqual([0, 1, 1, 0]);
    expect(d.subjects).toEqual(['1', '2', 'c', '1']);
    expect(d.video).toEqual({ data: VIDEO.data, shape: [1, 1, 2, 1], kind: 'depth' });
    expect(d.skeleton).toMatchObject({ shape: [3, 2, 3], joints: ['hip', 'head'], parents: [-1, 0] });
  });

  it('resamples skeletons linearly from the first frame to the last and scales them', () => {
    const { data } = parse().skeleton!;
    const x = (sample: number) => [0, 1, 2].map((t) => data[(sample * 3 + t) * 6]!);
    expect(x(0)).toEqual([0, 1.5, 3]);
    expect(x(1)).toEqual([6, 9, 12]);
    expect(x(2)).toEqual([15, 15, 15]);
    expect(parse(undefined, BYTES, { frames: 1 }).skeleton!.data[0]).toBe(1.5);
  });

  it('holds out the last training subject for validation, or those it is told', () => {
    expect(parse().splits).toEqual({ train: [0, 3], validation: [1], test: [2] });
    expect(parse(undefined, BYTES, { validationSubjects: ['1'] }).splits).toEqual({
      train: [1],
      validation: [0, 3],
      test: [2],
    });
  });

  it('reads one modality alone', () => {
    const blind = encodeSafetensors([['skeleton', SKELETON]]);
    const still = encodeSafetensors([['video', VIDEO]]);
    expect(parse((a) => Object.assign(a, { video: null }), blind).video).toBeUndefined();
    expect(
      parse((a) => Object.assign(a, { skeleton: undefined, joints: undefined }), still).skeleton,
    ).toBeUndefined();
  });

  const wrong: [string, (a: About) => unknown, string][] = [
    ['no name', (a) => Object.assign(a, { name: undefined }), '"name" is nothing; expected a string'],
    ['no classes', (a) => Object.assign(a, { classes: [] }), '"classes" is []'],
    ['no sequences', (a) => Object.assign(a, { sequences: undefined }), '"sequences" is nothing'],
    [
      'no modality',
      (a) => Object.assign(a, { video: null, skeleton: null }),
      'neither "video" nor "skeleton"',
    ],
    [
      'a label out of range',
      (a) => (a.sequences[1]!.label = 2),
      'sequence 1 has label 2; there are 2 classes',
    ],
    ['a negative label', (a) => (a.sequences[1]!.label = -1), '"sequences[1].label" is -1'],
    ['a sequence without frames', (a) => (a.sequences[0]!.frames = 0), '"sequences[0].frames" is 0'],
    ['offsets with a gap', (a) => (a.sequences[2]!.skeletonOffset = 6), 'skeletonOffset is 6'],
    ['rows that do not add up', (a) => (a.sequences[3]!.frames = 3), '[8, 2, 3]; expected I16 [9, 2, 3]'],
    ['a missing sequence', (a) => a.sequences.pop(), 'expected U8 [3, 1, 1, 2, 1]'],
    ['a video of another size', (a) => (a.video.width = 3), 'expected U8 [4, 1, 1, 3, 1]'],
    ['a kind of video', (a) => (a.video.kind = 'heat'), 'video.kind is "heat"'],
    ['a scale', (a) => (a.skeleton.scale = 0), '"skeleton.scale" is 0'],
    ['too few parents', (a) => a.parents.pop(), '1 parents for 2 joints'],
    ['two roots', (a) => (a.parents[1] = -1), 'must hold -1 once'],
    ['a parent out of range', (a) => (a.parents[1] = 5), 'to no root'],
    ['a parent that is the joint itself', (a) => (a.parents[1] = 1), 'to no root'],
    [
      'an unknown subject',
      (a) => a.splits['cross-subject'].test.subjects.push('z'),
      'subject z of the test split',
    ],
    [
      'a subject on both sides',
      (a) => a.splits['cross-subject'].train.subjects.push('c' as never),
      'both train',
    ],
    [
      'an empty split',
      (a) => (a.splits['cross-subject'].test.subjects = []),
      'the test split has no subjects',
    ],
    [
      'one training subject',
      (a) => a.splits['cross-subject'].train.subjects.pop(),
      'no training subject left',
    ],
    ['no split', (a) => Object.assign(a, { splits: {} }), 'holds no split'],
  ];

  it.each(wrong)('rejects %s in one line', (_, change, message) => {
    expect(() => parse(change)).toThrow(FormatError);
    expect(() => parse(change)).toThrow(message);
    expect(() => parse(change)).toThrow(/^[^\n]*$/);
  });

  it('rejects wrong arrays, wrong options and text that is no JSON', () => {
    expect(() => parse(undefined, encodeSafetensors([['video', VIDEO]]))).toThrow(
      '"skeleton" of the safetensors file is missing',
    );
    const floats: StoredTensor = { dtype: 'F32', shape: [8, 2, 3], data: new Float32Array(48) };
    const bytes = encodeSafetensors([
      ['video', VIDEO],
      ['skeleton', floats],
    ]);
    expect(() => parse(undefined, bytes)).toThrow('is F32 [8, 2, 3]; expected I16 [8, 2, 3]');
    expect(() => parse(undefined, BYTES, { frames: 0 })).toThrow(FormatError);
    expect(() => parse(undefined, BYTES, { validationSubjects: ['c'] })).toThrow(
      'is not a training subject (1, 2)',
    );
    expect(() => parseDataset('{"name": "ti', BYTES, { frames: 3 })).toThrow('not valid JSON');
    expect(() => parseDataset('[]', BYTES, { frames: 3 })).toThrow(FormatError);
    expect(() => parse(undefined, BYTES.subarray(0, -1))).toThrow('truncated');
  });
});

describe('gunzip', () => {
  it('decompresses, and rejects what is truncated or something else', async () => {
    const packed = gzipSync(BYTES);
    expect(await gunzip(packed)).toEqual(BYTES);
    for (const length of [0, 1, 12, packed.length >> 1, packed.length - 1])
      await expect(gunzip(packed.subarray(0, length), 'x.gz')).rejects.toThrow(FormatError);
    await expect(gunzip(BYTES, 'x.gz')).rejects.toThrow('x.gz: truncated or not a gzip file');
  });
});

describe('readDatasetFolder', () => {
  let folder = '';
  const options = { frames: 3 };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dataset-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('reads the compressed or the plain file', async () => {
    await writeFile(join(folder, 'dataset.json'), JSON.stringify(about()));
    await expect(readDatasetFolder(folder, options)).rejects.toThrow('holds no dataset.safetensors.gz');
    await writeFile(join(folder, 'dataset.safetensors'), BYTES);
    expect(await readDatasetFolder(folder, options)).toEqual(parse());
    await writeFile(join(folder, 'dataset.safetensors.gz'), gzipSync(BYTES).subarray(0, -4));
    await expect(readDatasetFolder(folder, options)).rejects.toThrow('truncated');
    await writeFile(join(folder, 'dataset.safetensors.gz'), gzipSync(BYTES));
    expect(await readDatasetFolder(folder, options)).toEqual(parse());
  });

  it('says what is missing', async () => {
    await expect(readDatasetFolder(folder, options)).rejects.toThrow('holds no dataset.json');
    await expect(readDatasetFolder(join(folder, 'no'), options)).rejects.toThrow('is not a folder');
    await writeFile(join(folder, 'file'), '');
    await expect(readDatasetFolder(join(folder, 'file'), options)).rejects.toThrow(FormatError);
    await mkdir(join(folder, 'dataset.json'));
    await expect(readDatasetFolder(folder, options)).rejects.toThrow('cannot read');
  });
});
