import type { ActionLossOptions } from '../amr/loss.ts';
import type { Augmentation } from '../data/augment.ts';
import type { Mixing } from '../data/mix.ts';
import { check, checkNames, need } from '../errors.ts';
import type { LossScalerOptions } from '../nn/loss-scaler.ts';
import type { FloatType } from '../tensor/shape.ts';
import { checkType, type Traits } from '../tensor/traits.ts';
import { checkCount, checkWeight } from './checks.ts';
import type { TrainingMethod } from './methods.ts';

export interface TrainOptions extends ActionLossOptions {
  readonly epochs: number;
  readonly batchSize: number;
  /** Peak of a cosine schedule with one epoch of warm-up. */
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Largest joint norm of the gradients; not limited when left out. */
  readonly clip?: number | undefined;
  readonly augmentation: Augmentation;
  /** Natural training when left out. */
  readonly method?: TrainingMethod | undefined;
  /** Samples are mixed in pairs, after they were varied. */
  readonly mixing?: Mixing | undefined;
  /** Parts that a batch is cut into, whose gradients are added up; 1 when left out. Each has batch statistics of its own. */
  readonly accumulation?: number | undefined;
  /**
   * Scales the loss, and skips steps whose gradients overflow; skipped steps count in the schedule. When left out it is on with f16,
   * off with f32.
   */
  readonly lossScaling?: LossScalerOptions | false | undefined;
  /** What the network computes in; `f32` when left out. Parameters, statistics, losses and adversarial inputs are f32 all the same. */
  readonly precision?: FloatType | undefined;
  /** Decay of an average of the weights (`Trainer.average`). */
  readonly averageDecay?: number | undefined;
  readonly seed: number;
  /** Whether steps are captured (the default); the bits are the same. */
  readonly captured?: boolean;
}

/** What a stretch of training came to. */
export interface TrainMetrics {
  /** Mean over the samples. */
  readonly loss: number;
  readonly accuracy: number;
  readonly samples: number;
  /** After the last step, with loss scaling. */
  readonly lossScale?: number;
}

const NAMES = [
  ...([
    'epochs',
    'batchSize',
    'learningRate',
    'weightDecay',
    'clip',
    'labelSmoothing',
    'auxiliaryWeight',
  ] as const),
  ...(['augmentation', 'method', 'mixing', 'accumulation', 'lossScaling', 'precision'] as const),
  ...(['averageDecay', 'seed', 'captured'] as const),
];

/** Throws `ShapeError` for options that are none or misspelt, and where a method, an augmentation or the seed is none. */
export function checkTrainNames(options: TrainOptions): void {
  const op = 'Trainer';
  checkNames(op, options, NAMES);
  const { method, augmentation, seed } = options;
  const trains = method === undefined || typeof method?.loss === 'function';
  need(trains, op, 'a method such as pgdTraining makes', method);
  need(Object(augmentation) === augmentation, op, 'augmentation, such as NO_AUGMENTATION', augmentation);
  need(Number.isInteger(seed), op, 'seed, a whole number', seed);
}

/** Throws `ShapeError` for numbers out of their range and options that do not go together, `DeviceError` for f16 where there is none. */
export function checkOptions(method: TrainingMethod, options: TrainOptions, traits: Traits): void {
  checkNumbers(options);
  checkPrecision(options, traits);
  const { accumulation = 1, batchSize, mixing } = options;
  const { free, mixes } = method;
  check(
    Number.isInteger(accumulation) && accumulation >= 1 && accumulation <= batchSize,
    'train',
    () => `accumulation must be a count of 1 … ${batchSize} parts of a batch; got ${accumulation}`,
  );
  check(
    !free || accumulation === 1,
    'train',
    () => 'free training replays whole batches; leave out accumulation',
  );
  const replays = free?.replays ?? 1;
  check(
    Number.isInteger(replays) && replays >= 1,
    'train',
    () => `replays must be at least 1; got ${replays}`,
  );
  check(mixes || !mixing, 'train', () => 'this method needs one class a sample; leave out mixing');
}

function checkPrecision({ precision = 'f32' }: TrainOptions, traits: Traits): void {
  const known = precision === 'f32' || precision === 'f16';
  check(known, 'train', () => `precision must be f32 or f16; got ${precision}`);
  checkType(precision, traits, 'train');
}

/** What scales the loss, if anything. */
export function lossScalingOf({ precision, lossScaling }: TrainOptions): LossScalerOptions | undefined {
  return (lossScaling ?? (precision === 'f16' ? {} : false)) || undefined;
}

function checkNumbers({ clip, ...options }: TrainOptions): void {
  for (const name of ['epochs', 'batchSize'] as const) checkCount('train', name, options[name]);
  for (const name of ['learningRate', 'weightDecay', 'auxiliaryWeight'] as const)
    checkWeight('train', name, options[name]);
  check(clip === undefined || clip > 0, 'train', () => `clip must be a number above 0; got ${clip}`);
}

/** Means over the samples of all batches. */
export function summary(batches: readonly TrainMetrics[]): TrainMetrics {
  const samples = batches.reduce((sum, batch) => sum + batch.samples, 0);
  const mean = (key: 'loss' | 'accuracy') =>
    batches.reduce((sum, batch) => sum + batch[key] * batch.samples, 0) / samples;
  const { lossScale } = batches.at(-1) ?? {};
  const found = { loss: mean('loss'), accuracy: mean('accuracy'), samples };
  return lossScale === undefined ? found : { ...found, lossScale };
}
