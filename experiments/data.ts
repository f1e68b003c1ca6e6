import type { ActionDataset, SplitName, VideoData } from '../src/data/dataset.ts';
import { readDatasetFolder } from '../src/node/read-folder.ts';
import { makeFigures } from './figures/figures.ts';
import { modalitiesOf, pixelDeviation, skeletonDeviation } from './networks.ts';
import type { Preset } from './presets.ts';
import type { DatasetSummary } from './results.ts';

/** The data set of a run: a folder's, with clips no larger than the preset's, or the embedded one. */
export async function loadData(
  folder: string | undefined,
  preset: Preset,
  seed: number,
): Promise<ActionDataset> {
  const { skeletonFrames: frames, clip, figures } = preset;
  if (!folder) return makeFigures({ seed, ...figures });
  const dataset = await readDatasetFolder(folder, { frames });
  return dataset.video ? { ...dataset, video: shrink(dataset.video, dataset.samples, clip) } : dataset;
}

/** Frames picked evenly, pixels averaged over boxes, down to at most the size asked for. */
export function shrink(video: VideoData, samples: number, most: Preset['clip']): VideoData {
  const [T, H, W, C] = video.shape;
  const [t, h, w] = [Math.min(T, most.frames), Math.min(H, most.height), Math.min(W, most.width)];
  const data = new Uint8Array(samples * t * h * w * C);
  const box = (i: number, n: number, N: number) =>
    [Math.floor((i * N) / n), Math.ceil(((i + 1) * N) / n)] as const;
  let at = 0;
  for (let i = 0; i < samples * t; i++) {
    const frame = Math.floor(i / t) * T + Math.floor((((i % t) + 0.5) * T) / t);
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        for (let c = 0; c < C; c++)
          data[at++] = boxMean(video.data, { frame, H, W, C, c, rows: box(y, h, H), columns: box(x, w, W) });
      }
    }
  }
  return { ...video, data, shape: [t, h, w, C] };
}

interface Box {
  readonly frame: number;
  readonly H: number;
  readonly W: number;
  readonly C: number;
  readonly c: number;
  readonly rows: readonly [number, number];
  readonly columns: readonly [number, number];
}

function boxMean(data: Uint8Array, { frame, H, W, C, c, rows, columns }: Box): number {
  let sum = 0;
  for (let y = rows[0]; y < rows[1]; y++) {
    for (let x = columns[0]; x < columns[1]; x++) sum += data[((frame * H + y) * W + x) * C + c] ?? 0;
  }
  return Math.round(sum / ((rows[1] - rows[0]) * (columns[1] - columns[0])));
}

/** What results say about their data. */
export function summarize(dataset: ActionDataset): DatasetSummary {
  const { splits, video, skeleton } = dataset;
  const subjects = (split: SplitName) => [...new Set(splits[split].map((i) => dataset.subjects[i] ?? ''))];
  return {
    name: dataset.name,
    title: dataset.title,
    ...(dataset.citation !== undefined && { citation: dataset.citation }),
    classes: dataset.classes,
    modalities: modalitiesOf(dataset),
    ...(video && { video: video.kind }),
    deviation: {
      ...(video && { rgb: pixelDeviation(dataset) }),
      ...(skeleton && { skeleton: skeletonDeviation(dataset) }),
    },
    samples: { train: splits.train.length, validation: splits.validation.length, test: splits.test.length },
    subjects: { train: subjects('train'), validation: subjects('validation'), test: subjects('test') },
  };
}

/** A number that changes when the data do: FNV-1a over labels, pixels and coordinates. */
export function fingerprint({ labels, video, skeleton }: ActionDataset): number {
  let hash = 0x811c9dc5;
  for (const array of [labels, video?.data, skeleton?.data]) {
    if (!array) continue;
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return hash >>> 0;
}
