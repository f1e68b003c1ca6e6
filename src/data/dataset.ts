/** Clips of single-person actions as pixels, as skeletons or as both, all in memory. */
export interface ActionDataset {
  /** Short name, e.g. for folders. */
  name: string;
  title: string;
  citation?: string;
  classes: string[];
  /** The class of each sample, [samples]. */
  labels: Int32Array;
  /** Who performs each sample. */
  subjects: string[];
  samples: number;
  video?: VideoData;
  skeleton?: SkeletonData;
  /** Indices of samples; no subject is in two of them. */
  splits: Record<SplitName, number[]>;
}

/** The three parts of a data set: fit on `train`, choose on `validation`, report on `test`. */
export type SplitName = 'train' | 'validation' | 'test';

/** Pixels of every sample, one byte per channel: `data` is [samples, T, H, W, C]. */
export interface VideoData {
  data: Uint8Array;
  /** [T, H, W, C] of one sample. */
  shape: [number, number, number, number];
  kind: 'rgb' | 'depth';
}

/** Joint positions of every sample in metres: `data` is [samples, T, V, 3]. */
export interface SkeletonData {
  data: Float32Array;
  /** [T, V, 3] of one sample. */
  shape: [number, number, 3];
  joints: string[];
  /** The parent of each joint; -1 for the root. */
  parents: number[];
}
