import type { FiguresOptions } from '../experiments/figures/figures.ts';
import type { ActionDataset, SkeletonData, VideoData } from '../src/index.ts';

/** A data set that has both modalities. */
export type PairedDataset = ActionDataset & { video: VideoData; skeleton: SkeletonData };

/** Makes the embedded data set in a worker. */
export function makeDataset(figures: FiguresOptions): Promise<PairedDataset> {
  const worker = new Worker(new URL('./data-worker.ts', import.meta.url), { type: 'module' });
  return new Promise<PairedDataset>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<PairedDataset>) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(`the data set could not be made: ${message}`));
    worker.postMessage(figures);
  }).finally(() => worker.terminate());
}

/** What a person calls a sample: the action, who performs it, and which time. */
export function sampleName({ classes, labels, subjects }: ActionDataset, sample: number): string {
  const same = (i: number) => labels[i] === labels[sample] && subjects[i] === subjects[sample];
  let take = 1;
  for (let i = 0; i < sample; i++) if (same(i)) take++;
  return `${classes[labels[sample] ?? 0]}, ${subjects[sample]}, take ${take}`;
}
