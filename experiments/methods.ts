import type { NetworkAttack } from '../src/train/attack-network.ts';
import {
  fastTraining,
  freeTraining,
  martTraining,
  naturalTraining,
  pgdTraining,
  type TrainingMethod,
  tradesTraining,
} from '../src/train/methods.ts';
import type { Training } from './options.ts';
import type { TrainingSizes } from './presets.ts';

interface Recipe {
  readonly method: (sizes: TrainingSizes) => TrainingMethod;
  /** Forward passes that one sample costs in a step; a backward pass counts as two, one to the input alone as one. */
  readonly passes: (sizes: TrainingSizes) => number;
}

/** Steps as large as those of PGD here: the published ones suit ten steps. */
const regularised = ({ epsilons, attackSteps: steps }: TrainingSizes) => ({
  epsilons,
  steps,
  relativeStep: stepFor(steps),
});

/** As often as a batch of PGD training goes through the network there and back. */
const replays = ({ attackSteps }: TrainingSizes) => attackSteps + 1;

const RECIPES: Readonly<Record<Training, Recipe>> = {
  natural: { method: naturalTraining, passes: () => 3 },
  pgd: {
    method: (sizes) => pgdTraining(trainingAttack(sizes)),
    passes: ({ attackSteps }) => 3 + 2 * attackSteps,
  },
  trades: {
    method: (sizes) => tradesTraining(regularised(sizes)),
    passes: ({ attackSteps }) => 7 + 2 * attackSteps,
  },
  mart: {
    method: (sizes) => martTraining(regularised(sizes)),
    passes: ({ attackSteps }) => 6 + 2 * attackSteps,
  },
  free: {
    method: (sizes) => freeTraining({ epsilons: sizes.epsilons, replays: replays(sizes) }),
    passes: (sizes) => 3 * replays(sizes),
  },
  fast: { method: ({ epsilons }) => fastTraining({ epsilons }), passes: () => 5 },
};

/** The method of a name of the command line, with the sizes of a preset. */
export function methodFor(train: Training, sizes: TrainingSizes): TrainingMethod {
  return RECIPES[train].method(sizes);
}

/** Forward passes that one sample costs in one training step: the attack's, and those of the update. */
export function unitsPerTraining(train: Training, sizes: TrainingSizes): number {
  return RECIPES[train].passes(sizes);
}

/** PGD as networks are trained against, and validated under. */
export function trainingAttack(sizes: TrainingSizes): Omit<NetworkAttack, 'seed'> {
  const { epsilons, attackSteps: steps } = sizes;
  return { epsilons, steps, relativeStep: stepFor(steps), randomStart: true };
}

function stepFor(steps: number): number {
  return Math.min(1, 2.5 / steps);
}
