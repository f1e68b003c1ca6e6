export { type BatchNormResult, batchNorm, batchNormInference, type NormOptions } from './batch-norm.ts';
export { type GroupNormOptions, groupNorm, layerNorm } from './group-norm.ts';
