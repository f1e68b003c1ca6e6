import { check } from '../errors.ts';
import type { Traits } from '../tensor/device.ts';
import { formatShape, type Spec, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkChannels, type NormOptions } from './batch-norm-launch.ts';
import { chunksOf, THREADS, throughChunks } from './channel-sums.ts';
import { add, mul, rsqrt, square, sub } from './elementwise.ts';
import { ofType } from './elementwise-cast.ts';
import { normalisePairs, pairGradients } from './layer-norm.ts';
import { reshape } from './layout.ts';
import { checkTensor, defineOp, f32, isTracked, like } from './op.ts';
import { mean, sum } from './reduce.ts';
import { rowParams, subgroupGroups, withSubgroup } from './row-subgroup.ts';
import { run } from './run.ts';
import { lanesFor, type RowVariant, rowVariants } from './softmax.ts';
import { groupNormWgsl, rowSubgroupWgsl } from './wgsl.gen.ts';

export interface GroupNormOptions extends NormOptions {
  /** How many groups the channels are split into. */
  readonly groups: number;
}

/** x as [samples, spatial, groups, width]. */
interface Cells {
  readonly samples: number;
  readonly spatial: number;
  readonly groups: number;
  readonly width: number;
}

/** Rows from which pairs of them are work for several threads. */
const FEWEST_PAIRED = 64;

interface Attrs extends Cells {
  readonly op: string;
  readonly epsilon: number;
}

const groupNormOp = defineOp<
  { x: Tensor; gamma: Tensor | undefined; beta: Tensor | undefined },
  Attrs,
  [Spec, Spec]
>({
  name: 'groupNorm',
  outputs({ x, gamma, beta }, { op, samples, groups }) {
    checkChannels(op, x, { gamma, beta });
    return [like(x), f32([samples, groups, 2])];
  },
  forward(inputs, [y, stats], attrs) {
    const { x, gamma = x, beta = x } = inputs;
    if (x.size === 0) return;
    const variant = variantOf(x, attrs);
    if (variant === 'pair') {
      normalisePairs(inputs, { y, stats }, rowsOf(attrs));
      return;
    }
    const { params, launch, kind } = launchOf(x, attrs, variant);
    const given = { hasGamma: inputs.gamma ? 1 : 0, hasBeta: inputs.beta ? 1 : 0 };
    const all = { ...params, ...given };
    const vectors = { x, gamma, beta, y, stats };
    const scalars = { xScalar: x, gammaScalar: gamma, betaScalar: beta, yScalar: y, stats };
    if (kind === 'subgroup')
      run(rowSubgroupWgsl, 'layerNormRows', vectors, { ...subgroupParams(attrs), ...given }, launch);
    else if (kind === 'threads4' || kind === 'groups4') run(groupNormWgsl, kind, vectors, all, launch);
    else run(groupNormWgsl, kind, scalars, all, launch);
  },
  reads: ({ x, gamma }, [, stats]) => [x, gamma, stats],
  gradient({ inputs: { x, gamma, beta }, outputs: [, stats], grads: [upstream], attrs, wants }) {
    const g = upstream as Tensor;
    if (isTracked(x, gamma, g)) return formula(x, g, gamma, attrs);
    // The sums alone need one pass, not two.
    if (variantOf(x, attrs) !== 'pair' || !wants(x)) return fused(x, g, gamma, stats, attrs);
    return pairGradients({ x, g, gamma }, { ...rowsOf(attrs), sums: wants(gamma) || wants(beta) });
  },
});

function fused(x: Tensor, g: Tensor, gamma: Tensor | undefined, stats: Tensor, attrs: Attrs) {
  let known: readonly [Tensor, Tensor] | undefined;
  const sums = () => {
    known ??= channelSumsOp({ x, g, stats }, attrs);
    return known;
  };
  return {
    x: () => groupNormGradOp({ x, g, gamma, stats }, attrs)[0],
    beta: () => sums()[0],
    gamma: () => sums()[1],
  };
}

/** The same in differentiable ops and in f32, from x alone. */
function formula(given: Tensor, upstream: Tensor, gamma: Tensor | undefined, attrs: Attrs) {
  const [x, g] = [ofType(given, 'f32'), ofType(upstream, 'f32')];
  const { samples, spatial, groups, width, epsilon } = attrs;
  const split = (tensor: Tensor) => reshape(tensor, [samples, spatial, groups, width]);
  const overCell = (tensor: Tensor) => mean(tensor, { axes: [1, 3], keepDims: true });
  const overRows = (tensor: Tensor) => reshape(sum(tensor, { axes: [0, 1] }), [groups * width]);
  const centred = sub(split(x), overCell(split(x)));
  const r = rsqrt(add(overCell(square(centred)), epsilon));
  const xHat = mul(centred, r);
  const h = split(gamma ? mul(g, gamma) : g);
  const dx = () => mul(r, sub(sub(h, overCell(h)), mul(xHat, overCell(mul(h, xHat)))));
  return {
    x: () => ofType(reshape(dx(), x.shape), given.dtype),
    gamma: () => overRows(mul(split(g), xHat)),
    beta: () => overRows(split(g)),
  };
}

const groupNormGradOp = defineOp<
  { x: Tensor; g: Tensor; gamma: Tensor | undefined; stats: Tensor },
  Attrs,
  [Spec]
>({
  name: 'groupNormGrad',
  outputs: ({ x }) => [like(x)],
  forward(inputs, [y], attrs) {
    const { x, g, gamma = x, stats } = inputs;
    if (x.size === 0) return;
    const variant = variantOf(x, attrs);
    check(variant !== 'pair', attrs.op, () => 'has pairGradients for pairs of rows');
    const { params, launch, kind } = launchOf(x, attrs, variant);
    const given = { hasGamma: inputs.gamma ? 1 : 0, hasBeta: 0 };
    const all = { ...params, ...given };
    const vectors = { x, g, gamma, savedStats: stats, y };
    const scalars = { xScalar: x, gScalar: g, gammaScalar: gamma, savedStats: stats, yScalar: y };
    if (kind === 'subgroup')
      run(rowSubgroupWgsl, 'layerNormGradRows', vectors, { ...subgroupParams(attrs), ...given }, launch);
    else if (kind === 'threads4') run(groupNormWgsl, 'gradThreads4', vectors, all, launch);
    else if (kind === 'groups4') run(groupNormWgsl, 'gradGroups4', vectors, all, launch);
    else run(groupNormWgsl, kind === 'threads' ? 'gradThreads' : 'gradGroups', scalars, all, launch);
  },
});

/** dbeta and dgamma. */
const channelSumsOp = defineOp<{ x: Tensor; g: Tensor; stats: Tensor }, Attrs, [Spec, Spec]>({
  name: 'groupNormGradSums',
  outputs: (_, { groups, width }) => [f32([groups * width]), f32([groups * width])],
  forward({ x, g, stats }, [first, second], { samples, spatial, groups, width }) {
    const vectors = width % 4 === 0;
    const chunks = chunksOf(samples * spatial, groups * width, x.device.traits);
    const { rows, chunkRows } = chunks;
    const params = { rows, spatial, groups, width, chunkRows, chunks: chunks.chunks };
    const columns = (groups * width) / (vectors ? 4 : 1);
    const launch = { groups: Math.ceil((columns * chunks.chunks) / THREADS) };
    throughChunks('groupNorm', chunks, { first, second }, 'combineSums', (partial) => {
      if (vectors) run(groupNormWgsl, 'channelSums4', { x, g, savedStats: stats, partial }, params, launch);
      else {
        const scalars = { xScalar: x, gScalar: g, savedStats: stats, partialScalar: partial };
        run(groupNormWgsl, 'channelSums', scalars, params, launch);
      }
    });
  },
});

/** `pair`: a thread has two rows of vectors; `subgroup`: a subgroup has one; the others as in softmax, for a sample and group. */
type NormVariant = 'pair' | 'subgroup' | RowVariant;

/** The kernels that can normalise these cells, best first. */
export function normVariants(
  { samples, spatial, groups, width }: Cells,
  traits: Traits,
): [NormVariant, ...NormVariant[]] {
  const others = rowVariants({ rows: samples * groups, n: spatial * width, inner: 1 }, traits);
  if (spatial > 1 || groups > 1 || width % 4 !== 0) return others;
  const paired = traits.software && samples >= FEWEST_PAIRED;
  const variants = paired ? (['pair', ...others] as const) : ([...others, 'pair'] as const);
  return withSubgroup<'pair' | RowVariant>(variants, { rows: samples, n: width }, traits);
}

function variantOf({ device }: Tensor, cells: Cells): NormVariant {
  return device.variants.choose('groupNorm', normVariants(cells, device.traits));
}

function subgroupParams({ samples, width, epsilon }: Attrs) {
  return rowParams({ rows: samples, n: width }, { epsilon });
}

function rowsOf({ samples, width, epsilon }: Attrs) {
  return { rows: samples, channels: width, epsilon };
}

function launchOf(
  { device }: Tensor,
  { samples, spatial, groups, width, epsilon }: Attrs,
  variant: Exclude<NormVariant, 'pair'>,
) {
  const dims = { rows: samples * groups, n: spatial * width };
  const params = { samples, spatial, groups, width, epsilon };
  if (variant === 'subgroup')
    return { kind: variant, params, launch: { groups: subgroupGroups(samples, device.traits) } } as const;
  const vectors = width % 4 === 0;
  if (variant === 'thread') {
    const launch = { groups: Math.ceil(dims.rows / THREADS) };
    return { kind: vectors ? 'threads4' : 'threads', params, launch } as const;
  }
  const launch = { groups: dims.rows, constants: { LANES: lanesFor(dims.n) } };
  return { kind: vectors ? 'groups4' : 'groups', params, launch } as const;
}

/**
 * Layer normalisation over the last axis: `y = (x − mean)/√(variance + ε)·gamma + beta`, with mean and biased variance
 * of each row. x [..., C], gamma and beta [C] (1 and 0 when left out) → [..., C]. Throws `ShapeError` for other shapes.
 * Ba, Kiros and Hinton 2016.
 */
export function layerNorm(
  x: Tensor,
  gamma?: Tensor,
  beta?: Tensor,
  { epsilon = 1e-5 }: NormOptions = {},
): Tensor {
  checkTensor('layerNorm', x);
  const cells = { samples: sizeOf(x.shape.slice(0, -1)), spatial: 1, groups: 1, width: x.shape.at(-1) ?? 1 };
  return groupNormOp({ x, gamma, beta }, { op: 'layerNorm', ...cells, epsilon })[0];
}

/**
 * Group normalisation: `y = (x − mean)/√(variance + ε)·gamma + beta`, with mean and biased variance of each sample and
 * group of channels, over all positions. x [N, ..., C], gamma and beta [C] (1 and 0 when left out) → [N, ..., C].
 * Throws `ShapeError` for other shapes, and unless `groups` divides C. Wu and He 2018.
 */
export function groupNorm(
  x: Tensor,
  gamma: Tensor | undefined,
  beta: Tensor | undefined,
  { groups, epsilon = 1e-5 }: GroupNormOptions,
): Tensor {
  const op = 'groupNorm';
  checkTensor(op, x);
  const channels = x.shape.at(-1) ?? 0;
  check(x.shape.length >= 2, op, () => `x must be [N, ..., C]; got ${formatShape(x.shape)}`);
  check(
    Number.isInteger(groups) && groups > 0 && channels % groups === 0,
    op,
    () => `groups must divide the channels of x ${formatShape(x.shape)}; got ${groups}`,
  );
  const cells = { samples: x.shape[0] ?? 1, spatial: sizeOf(x.shape.slice(1, -1)), groups };
  return groupNormOp({ x, gamma, beta }, { op, ...cells, width: channels / groups, epsilon })[0];
}
