import type { Spec } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { chunksOf, THREADS, throughChunks } from './channel-sums.ts';
import { defineOp, f32, like } from './op.ts';
import { run } from './run.ts';
import { layerNormWgsl } from './wgsl.gen.ts';

/** Rows of channels in whole vectors. */
interface Rows {
  readonly rows: number;
  readonly channels: number;
  readonly epsilon: number;
}

const PAIR_THREADS = 16;

interface Inputs {
  readonly x: Tensor;
  readonly gamma: Tensor | undefined;
  readonly beta: Tensor | undefined;
}

/** Layer normalisation, where a thread has two rows: the kernel for CPUs. */
export function normalisePairs(
  inputs: Inputs,
  outputs: { readonly y: Tensor; readonly stats: Tensor },
  rows: Rows,
): void {
  const { x, gamma = x, beta = x } = inputs;
  const params = { ...paramsOf(rows, inputs.gamma), hasBeta: inputs.beta ? 1 : 0 };
  run(layerNormWgsl, 'pair', { x, gamma, beta, ...outputs }, params, pairLaunch(rows));
}

interface GradientInputs {
  readonly [name: string]: Tensor | undefined;
  readonly x: Tensor;
  readonly g: Tensor;
  readonly gamma: Tensor | undefined;
}

interface GradientAttrs extends Rows {
  /** Whether dgamma and dbeta are wanted. */
  readonly sums: boolean;
}

/** The rules of the gradient by two passes over x and g, which compute all of it at once, and the statistics anew. */
export function pairGradients(inputs: GradientInputs, attrs: GradientAttrs) {
  let known: readonly Tensor[] | undefined;
  const part = (i: number) => () => {
    known ??= pairGradientOp(inputs, attrs);
    return known[i] as Tensor;
  };
  return { x: part(0), beta: part(1), gamma: part(2) };
}

/** dx and, with `sums`, dbeta and dgamma. */
const pairGradientOp = defineOp<GradientInputs, GradientAttrs, readonly Spec[]>({
  name: 'layerNormGrad',
  outputs: ({ x }, { channels, sums }) => [like(x), ...(sums ? [f32([channels]), f32([channels])] : [])],
  forward({ x, g, gamma }, [dx, first, second], attrs) {
    const slopes = x.device.allocate([attrs.rows, 4], 'f32', 'layerNorm');
    const rowInputs = { x, gamma: gamma ?? x, g, slopes };
    run(layerNormWgsl, 'gradRows', rowInputs, paramsOf(attrs, gamma), pairLaunch(attrs));
    const columns = { x, gamma: gamma ?? x, g, savedSlopes: slopes, y: dx as Tensor };
    fillColumns(columns, { first, second }, attrs, gamma);
    slopes.dispose();
  },
});

function fillColumns(
  tensors: { readonly [name in 'x' | 'gamma' | 'g' | 'savedSlopes' | 'y']: Tensor },
  { first, second }: { readonly [name in 'first' | 'second']: Tensor | undefined },
  attrs: GradientAttrs,
  gamma: Tensor | undefined,
): void {
  const chunks = chunksOf(attrs.rows, attrs.channels, tensors.x.device.traits);
  const params = { ...paramsOf(attrs, gamma), chunkRows: chunks.chunkRows, chunks: chunks.chunks };
  const threads = Math.ceil(attrs.channels / 8) * chunks.chunks;
  const launch = { groups: Math.ceil(threads / THREADS), constants: { SUMS: attrs.sums ? 1 : 0 } };
  const fill = (partial: Tensor) =>
    run(layerNormWgsl, 'gradColumns', { ...tensors, partial }, params, launch);
  if (first && second) {
    throughChunks('layerNorm', chunks, { first, second }, 'combineSums', fill);
    return;
  }
  const unwritten = tensors.x.device.allocate([4], 'f32', 'layerNorm');
  fill(unwritten);
  unwritten.dispose();
}

function paramsOf({ rows, channels, epsilon }: Rows, gamma: Tensor | undefined) {
  return { rows, quads: channels / 4, hasGamma: gamma ? 1 : 0, hasBeta: 0, epsilon, chunkRows: 0, chunks: 0 };
}

function pairLaunch({ rows }: Rows) {
  return { groups: Math.ceil(rows / (2 * PAIR_THREADS)) };
}
