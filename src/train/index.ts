// What of training and measuring is public.
export {
  type AttackValue,
  attackNetwork,
  type Epsilons,
  type NetworkAttack,
} from './attack-network.ts';
export { type Batch, uploadBatch, type Variation } from './batch.ts';
export {
  type AttackResult,
  type BatchStatus,
  type CleanResult,
  type EvaluateOptions,
  evaluateAttack,
  evaluateClean,
} from './evaluate.ts';
export {
  type FastOptions,
  type FreeOptions,
  fastTraining,
  freeTraining,
  type MethodBatch,
  type MethodLoss,
  martTraining,
  naturalTraining,
  pgdTraining,
  type RegularisedOptions,
  type TrainingAttack,
  type TrainingMethod,
  tradesTraining,
} from './methods.ts';
export {
  type Balance,
  mcnemar,
  modalityBalance,
  type Proportion,
  proportion,
  type Robustness,
  relativeImprovement,
} from './metrics.ts';
export {
  boostedCrossEntropy,
  martLoss,
  predictionDivergence,
  type RobustLossOptions,
  tradesLoss,
} from './robust-losses.ts';
export type { Target } from './target.ts';
export type { TrainMetrics, TrainOptions } from './train-options.ts';
export { Trainer } from './trainer.ts';
