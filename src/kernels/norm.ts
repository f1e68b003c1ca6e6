export { type BatchNormResult, batchNorm } from './batch-norm.ts';
export { batchNormInference } from './batch-norm-inference.ts';
export type { NormOptions } from './batch-norm-launch.ts';
export { type GroupNormOptions, groupNorm, layerNorm } from './group-norm.ts';
