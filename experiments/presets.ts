import type { Augmentation } from '../src/data/augment.ts';
import type { SkeletonStream } from '../src/models/st-gcn.ts';
import type { FiguresOptions } from './figures/figures.ts';
import type { PresetName, RunOptions } from './options.ts';
import type { Level } from './results.ts';
import type { SkeletonNetworkName } from './skeleton-networks.ts';

/** Sizes of everything. Chosen on validation subjects, within the time a software adapter allows. */
export interface Preset {
  readonly figures: FiguresOptions;
  /**
   * Whether the validation subjects stay out of training and choose the epoch that is kept. Where they do not, the number of
   * epochs was chosen beforehand with them held out; then networks are fitted on them too, and the last epoch is kept.
   */
  readonly holdOut: boolean;
  /** For folders: frames a skeleton is resampled to, and the most frames and pixels of a clip (larger ones are averaged down). */
  readonly skeletonFrames: number;
  readonly clip: { readonly frames: number; readonly height: number; readonly width: number };
  readonly network: NetworkSizes;
  readonly training: Readonly<Record<Phase, TrainingSizes>>;
  readonly evaluation: {
    readonly attacks: readonly string[];
    readonly levels: readonly Level[];
    /** Index of the level that RI, balance and the table refer to. */
    readonly headline: number;
    /** Most test samples that are attacked; clean accuracy is on all. */
    readonly samples: number;
    readonly batchSize: number;
  };
}

/** `natural`: one stream from scratch. `fusion`: two streams, from trained ones. `pgd`: every adversarial training, from the naturally trained network. */
export type Phase = 'natural' | 'fusion' | 'pgd';

export interface NetworkSizes {
  readonly kind: 'r3d' | 'r2plus1d';
  readonly videoWidths: readonly [number, number, number, number];
  readonly skeletonNetwork: SkeletonNetworkName;
  readonly skeletonWidths: readonly [number, number, number, number];
  readonly skeletonStrides: readonly [number, number, number, number];
  readonly streams: readonly SkeletonStream[];
  readonly temporalKernel: number;
  readonly dropout: number;
}

export interface TrainingSizes {
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly labelSmoothing: number;
  readonly auxiliaryWeight: number;
  readonly augmentation: Augmentation;
  /** Steps of the attack in the training loop; none in natural training. */
  readonly attackSteps: number;
  readonly epsilons: Level;
  /** Epochs between two looks at the validation subjects. */
  readonly validateEvery: number;
}

const PIXEL = 1 / 255;
const AUGMENTATION: Augmentation = { turn: 0.3, scale: 0.1, crop: 0.15, shift: 2, brightness: 0.15 };

const NATURAL: TrainingSizes = {
  epochs: 9,
  batchSize: 16,
  learningRate: 3e-3,
  weightDecay: 0.02,
  labelSmoothing: 0.05,
  auxiliaryWeight: 1,
  augmentation: AUGMENTATION,
  attackSteps: 0,
  epsilons: {},
  validateEvery: 1,
};

const ADVERSARIAL: TrainingSizes = {
  ...NATURAL,
  epochs: 3,
  batchSize: 24,
  learningRate: 2e-3,
  attackSteps: 2,
  epsilons: { rgb: 8 * PIXEL, skeleton: 0.02 },
};

const QUICK: Preset = {
  figures: {},
  holdOut: true,
  skeletonFrames: 16,
  clip: { frames: 8, height: 32, width: 24 },
  network: {
    kind: 'r3d',
    videoWidths: [8, 16, 16, 32],
    skeletonNetwork: 'st-gcn',
    skeletonWidths: [16, 16, 32, 32],
    skeletonStrides: [2, 2, 2, 1],
    streams: ['position', 'motion'],
    temporalKernel: 5,
    dropout: 0.1,
  },
  training: { natural: NATURAL, fusion: { ...NATURAL, epochs: 3, learningRate: 2e-3 }, pgd: ADVERSARIAL },
  evaluation: {
    attacks: ['fgsm', 'pgd10'],
    levels: [
      { rgb: 4 * PIXEL, skeleton: 0.01 },
      { rgb: 8 * PIXEL, skeleton: 0.02 },
    ],
    headline: 1,
    samples: 72,
    batchSize: 36,
  },
};

const SMOKE: Preset = {
  ...QUICK,
  figures: {
    trainSubjects: 2,
    validationSubjects: 1,
    testSubjects: 1,
    repetitions: 2,
    frames: 4,
    height: 16,
    width: 16,
    skeletonFrames: 8,
  },
  clip: { frames: 4, height: 16, width: 16 },
  skeletonFrames: 8,
  network: { ...QUICK.network, videoWidths: [4, 4, 8, 8], skeletonWidths: [4, 4, 8, 8] },
  training: {
    natural: { ...NATURAL, epochs: 2, batchSize: 16 },
    fusion: { ...NATURAL, epochs: 2, batchSize: 16 },
    pgd: { ...ADVERSARIAL, epochs: 2, batchSize: 16, attackSteps: 1 },
  },
  evaluation: {
    ...QUICK.evaluation,
    attacks: ['fgsm', 'pgd3'],
    samples: 16,
    batchSize: 16,
  },
};

const FULL: Preset = {
  ...QUICK,
  figures: {
    trainSubjects: 24,
    validationSubjects: 6,
    testSubjects: 10,
    repetitions: 6,
    frames: 16,
    height: 48,
    width: 48,
    skeletonFrames: 32,
  },
  clip: { frames: 16, height: 64, width: 48 },
  skeletonFrames: 32,
  network: {
    ...QUICK.network,
    kind: 'r2plus1d',
    videoWidths: [16, 32, 64, 96],
    skeletonWidths: [32, 48, 64, 96],
    temporalKernel: 9,
  },
  training: {
    natural: { ...NATURAL, epochs: 60 },
    fusion: { ...NATURAL, epochs: 20, learningRate: 2e-3 },
    pgd: { ...ADVERSARIAL, epochs: 40, attackSteps: 7 },
  },
  evaluation: {
    attacks: ['fgsm', 'pgd20'],
    levels: [1, 2, 4, 8, 16].map((k) => ({ rgb: k * PIXEL, skeleton: k * 0.0025 })),
    headline: 3,
    samples: 100_000,
    batchSize: 48,
  },
};

const RECORDED_NATURAL: TrainingSizes = { ...NATURAL, epochs: 60 };

/** For recorded data (`--data`): more classes and longer motions than the embedded set, fewer subjects. Chosen on UTD-MHAD's subject 7. */
const RECORDED_QUICK: Preset = {
  ...QUICK,
  holdOut: false,
  skeletonFrames: 32,
  network: {
    ...QUICK.network,
    videoWidths: [12, 24, 32, 48],
    skeletonWidths: [24, 32, 48, 64],
    streams: ['position', 'motion', 'bone'],
    temporalKernel: 9,
    dropout: 0.3,
  },
  training: {
    natural: RECORDED_NATURAL,
    fusion: { ...RECORDED_NATURAL, epochs: 10, learningRate: 2e-3 },
    pgd: { ...ADVERSARIAL, epochs: 12, attackSteps: 3 },
  },
  evaluation: { ...QUICK.evaluation, samples: 108, batchSize: 54 },
};

/** Networks of nine and ten blocks: an epoch takes ten times as long, and they learn recorded data in fewer (chosen on HDM05's subject dg). */
const DEEP: readonly SkeletonNetworkName[] = ['st-gcn-18', 'ctr-gcn'];
const DEEP_EPOCHS = 24;

/** By where the data come from: made by the project, or a folder. */
export const PRESETS: Readonly<Record<'embedded' | 'recorded', Readonly<Record<PresetName, Preset>>>> = {
  embedded: { smoke: SMOKE, quick: QUICK, full: FULL },
  recorded: { smoke: { ...SMOKE, holdOut: false }, quick: RECORDED_QUICK, full: { ...FULL, holdOut: false } },
};

/** A preset with what the command line asks for put in. */
export function presetFor(options: RunOptions): Preset {
  const preset = PRESETS[options.data ? 'recorded' : 'embedded'][options.preset];
  const { holdOut = preset.holdOut } = options;
  const { attacks = preset.evaluation.attacks, eps = preset.evaluation.levels } = options;
  const { skeletonNetwork = preset.network.skeletonNetwork } = options;
  const headline = options.eps ? eps.length - 1 : preset.evaluation.headline;
  const network = { ...preset.network, skeletonNetwork };
  const deep = preset === RECORDED_QUICK && DEEP.includes(skeletonNetwork);
  const { natural } = preset.training;
  return {
    ...preset,
    holdOut,
    network,
    training: deep ? { ...preset.training, natural: { ...natural, epochs: DEEP_EPOCHS } } : preset.training,
    evaluation: { ...preset.evaluation, attacks, levels: eps, headline },
  };
}
