import type { Modality } from '../src/amr/action-network.ts';
import type { Balance } from '../src/train/metrics.ts';
import type { Training } from './options.ts';

/** Version of the format of `results.json`. */
export const SCHEMA = 2;

/** `results.json`: everything the main job found; documented in docs/results.md. Times stand in `times.json`. */
export interface Results {
  readonly schema: typeof SCHEMA;
  readonly dataset: DatasetSummary;
  readonly adapter: { readonly kind: string; readonly description: string };
  readonly seed: number;
  readonly preset: string;
  /** The backbone that sees skeletons. */
  readonly skeletonNetwork: string;
  /** Whether the validation subjects stayed out of training; where not, networks are fitted on them too. */
  readonly holdOut: boolean;
  /** The ε levels attacks were run at, ascending; the one `ri`, `balance` and the table refer to is `headline`. */
  readonly levels: readonly Level[];
  readonly headline: { readonly attack: string; readonly level: number };
  /** Ridge regression on raw input, for comparison. */
  readonly linear: readonly (Share & { readonly on: Target })[];
  readonly models: readonly ModelResult[];
  /** Exact McNemar p for pairs of two-modality networks on the same n samples: all test samples clean, the attacked ones at the headline. */
  readonly comparisons: readonly {
    readonly first: string;
    readonly second: string;
    readonly on: 'clean' | Target;
    readonly n: number;
    readonly p: number;
  }[];
  /** Violations of what must hold for every attack; empty when all is well. */
  readonly sanity: readonly string[];
}

export type Interval = readonly [low: number, high: number];

/** A share of n samples. */
export interface Share {
  readonly accuracy: number;
  readonly interval: Interval;
  readonly n: number;
}

export type Target = Modality | 'both';

/** ε of each modality: RGB as a share of the pixel range, skeleton in metres. */
export type Level = Readonly<Partial<Record<Modality, number>>>;

export interface DatasetSummary {
  readonly name: string;
  readonly title: string;
  readonly citation?: string;
  readonly classes: readonly string[];
  readonly modalities: readonly Modality[];
  /** `depth` where the video stream is a depth video. */
  readonly video?: 'rgb' | 'depth';
  /** Standard deviation of each modality over the training samples, in the units of its ε. */
  readonly deviation: Level;
  readonly samples: { readonly train: number; readonly validation: number; readonly test: number };
  readonly subjects: {
    readonly train: readonly string[];
    readonly validation: readonly string[];
    readonly test: readonly string[];
  };
}

export interface ModelResult {
  /** `rgb`, `skeleton`, `concat` or `amr`. */
  readonly name: string;
  readonly train: Training;
  readonly parameters: number;
  /** On all n test samples. */
  readonly clean: number;
  readonly interval: Interval;
  readonly n: number;
  /** Mean per-sample cross-entropy on clean test samples. */
  readonly loss: number;
  /** Clean accuracy on the samples that were attacked: what a drop under attack is counted from. */
  readonly attackedClean: Share;
  readonly robust: readonly RobustResult[];
  /** Mean of the robust accuracies on RGB, skeleton and both at the headline; null for one-modality networks. */
  readonly ra: number | null;
  /** Relative improvement (`relativeImprovement` in src/train/metrics.ts) of `clean` and `ra` together, against the naturally and the adversarially trained concat network. */
  readonly ri: { readonly undefended: number | null; readonly defended: number | null };
  /** Null for one-modality networks. */
  readonly balance: Balance | null;
  /** Mean modality weights of each reweighted stage; AMR only. */
  readonly weights?: readonly StageWeights[];
  readonly training: TrainingCurve;
}

export interface RobustResult extends Share {
  readonly attack: string;
  readonly on: Target;
  /** Index in `levels`. */
  readonly level: number;
  /** ε in the units of `on`; of RGB for `both`. */
  readonly eps: number;
  /** ε of each attacked modality. */
  readonly budget: Level;
  /** Mean per-sample cross-entropy at the last iterate. */
  readonly loss: number;
  /** Mean loss at each iterate, the start first. */
  readonly lossByStep: readonly number[];
  /** Share of samples whose input gradient was exactly zero at the start. */
  readonly zeroGradients: number;
}

/** Modality weights after one stage, [RGB, skeleton], adding up to 2. */
export interface StageWeights {
  readonly stage: number;
  /** On the samples that are attacked below. */
  readonly clean: readonly [number, number];
  /** By what was attacked, at the headline. */
  readonly attacked: Readonly<Partial<Record<Target, readonly [number, number]>>>;
  /** On all clean test samples of each class; null for a class without any. */
  readonly byClass: readonly (readonly [number, number] | null)[];
}

export interface TrainingCurve {
  /** One entry per epoch; validation accuracy is under PGD for adversarial training, null where there was none. */
  readonly epochs: readonly EpochRecord[];
  /** Epoch (from 1) whose weights were kept: the best on held-out validation subjects, else the last. */
  readonly best: number;
}

export interface EpochRecord {
  readonly loss: number;
  readonly accuracy: number;
  readonly validation: number;
  /** Validation accuracy on clean samples. */
  readonly validationClean: number;
}

/** One sample shown clean and attacked in the report. */
export interface Exhibit {
  readonly model: string;
  readonly attack: string;
  readonly on: Target;
  readonly budget: Level;
  readonly label: string;
  readonly cleanPrediction: string;
  readonly attackedPrediction: string;
  /** [T, H, W, C] pixels in [0, 1], clean and attacked. */
  readonly clips?: {
    readonly shape: readonly [number, number, number, number];
    readonly clean: Float32Array;
    readonly attacked: Float32Array;
  };
  /** [T, V, 3] metres, clean and attacked. */
  readonly skeletons?: {
    readonly shape: readonly [number, number, number];
    readonly parents: readonly number[];
    readonly clean: Float32Array;
    readonly attacked: Float32Array;
  };
}

/** `RGB`, or `depth` where the video is a depth video. */
export function targetName(target: Target, dataset: DatasetSummary): string {
  if (target === 'rgb') return dataset.video === 'depth' ? 'depth' : 'RGB';
  return target;
}

/** What an attack on `on` left at the headline; undefined where it was not run. Two levels may share an ε. */
export function headlineResult(
  model: ModelResult,
  { attack, level }: Results['headline'],
  on: Target,
): RobustResult | undefined {
  return model.robust.find((r) => r.attack === attack && r.on === on && r.level === level);
}
