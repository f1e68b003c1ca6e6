import { cases as attention } from './attention.ts';
import type { OpCase } from './case.ts';
import { cases as channelMatmul } from './channel-matmul.ts';
import { cases as conv } from './conv.ts';
import { cases as elementwise } from './elementwise.ts';
import { cases as graphConv } from './graph-conv.ts';
import { cases as layout } from './layout.ts';
import { cases as loss } from './loss.ts';
import { cases as matmul } from './matmul.ts';
import { cases as norm } from './norm.ts';
import { cases as pool } from './pool.ts';
import { cases as random } from './random.ts';
import { cases as reduce } from './reduce.ts';
import { cases as resize } from './resize.ts';
import { cases as softmax } from './softmax.ts';
import { cases as update } from './update.ts';

/** Every case by op family. */
export const families: Readonly<Record<string, readonly OpCase[]>> = {
  attention,
  'channel-matmul': channelMatmul,
  conv,
  elementwise,
  'graph-conv': graphConv,
  layout,
  loss,
  matmul,
  norm,
  pool,
  random,
  reduce,
  resize,
  softmax,
  update,
};

/**
 * Which variants are forced in the cases of a family: those of the kernels that it is there for. The loss around each case, and ops
 * that others are made of, have variants too, which are forced in the cases of their own families.
 */
export const FORCED: Readonly<Record<string, readonly string[]>> = {
  attention: ['attention', 'matmul'], // its products begin within rows and store with strides
  conv: ['conv', 'convWeight', 'depthwise', 'matmul'], // Winograd's rows overlap
  elementwise: ['elementwise'],
  layout: ['layout', 'concat', 'pad', 'gather'],
  loss: ['crossEntropy'],
  matmul: ['matmul'],
  norm: ['groupNorm', 'reduce'],
  pool: ['pool'],
  reduce: ['reduce', 'elementwise'],
  resize: ['resize'],
  softmax: ['softmax'],
};
