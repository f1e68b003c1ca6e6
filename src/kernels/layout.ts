// Ops that move elements without changing them, in one place for importers.
export { gather, oneHot } from './gather.ts';
export { broadcastTo, flip, reshape, transpose } from './layout-axes.ts';
export { concat, split, stack } from './layout-concat.ts';
export { pad, type SliceOptions, slice } from './layout-slice.ts';
