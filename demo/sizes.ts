import type { FiguresOptions } from '../experiments/figures/figures.ts';
import type { NetworkSizes } from '../experiments/presets.ts';

/** How much data the page makes, how large its network is and how long it trains. */
export interface DemoSize {
  readonly figures: FiguresOptions;
  readonly network: NetworkSizes;
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Steps of the attack in adversarial training. */
  readonly attackSteps: number;
}

/** An epoch takes seconds on a GPU and about 20 s on SwiftShader. */
const SMALL: DemoSize = {
  figures: { trainSubjects: 8, validationSubjects: 2, testSubjects: 2, repetitions: 3 },
  network: {
    kind: 'r3d',
    videoWidths: [8, 8, 16, 24],
    skeletonNetwork: 'st-gcn',
    skeletonWidths: [8, 16, 16, 32],
    skeletonStrides: [2, 2, 2, 1],
    streams: ['position', 'motion'],
    temporalKernel: 5,
    dropout: 0,
  },
  epochs: 20,
  batchSize: 16,
  learningRate: 5e-3,
  attackSteps: 2,
};

/** For tests. */
const TINY: DemoSize = {
  ...SMALL,
  figures: {
    trainSubjects: 2,
    validationSubjects: 1,
    testSubjects: 1,
    repetitions: 2,
    frames: 4,
    height: 16,
    width: 12,
    skeletonFrames: 8,
  },
  network: { ...SMALL.network, videoWidths: [4, 4, 4, 8], skeletonWidths: [4, 4, 4, 8] },
  epochs: 4,
  batchSize: 8,
  learningRate: 2e-2,
  attackSteps: 1,
};

const SIZES: Readonly<Record<string, DemoSize>> = { small: SMALL, tiny: TINY };

/** The size named by `?size=` in an address; `small` where it names none. */
export function sizeOf(search: string): DemoSize {
  return SIZES[new URLSearchParams(search).get('size') ?? 'small'] ?? SMALL;
}
