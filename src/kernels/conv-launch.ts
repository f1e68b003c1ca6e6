import type { Traits } from '../tensor/device.ts';
import { type DType, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { convolveDepthwise, depthwiseWeightGradient, isDepthwise } from './conv-depthwise.ts';
import { convolvePatches, isPatches, patchesWeightGradient, patchesWin } from './conv-patches.ts';
import { convolvePointwise, isPointwise, pointwiseWeightGradient } from './conv-pointwise.ts';
import { type ConvShape, convFlops } from './conv-shape.ts';
import { axes, type Direction, positions, tapSteps, windowOf } from './conv-window.ts';
import { isWinograd, type WinogradPass, winogradWins } from './conv-winograd.ts';
import { convolveWinograd, winogradWeightGradient } from './conv-winograd-launch.ts';
import { type Epilogue, splitsOf, sumParts } from './matmul-launch.ts';
import {
  groupsFor,
  type TileSize,
  type TileTraits,
  type TileVariant,
  tileConstants,
  tileSize,
  tilesOver,
  tileVariants,
} from './matmul-tiles.ts';
import { run } from './run.ts';
import { convSubgroupWgsl, convWeightSubgroupWgsl, convWeightWgsl, convWgsl } from './wgsl.gen.ts';

/** Sizes of the matrices a convolution comes to, in one direction; see conv.wgsl. */
export function convTiles(shape: ConvShape, direction: Direction, variant: TileVariant) {
  const forward = direction === 'forward';
  const { kernel } = shape;
  const { deep, columns } = depths(shape, direction);
  // The taps along a row and their channels lie behind one another in x as in w.
  const rowTaps = forward && shape.groups === 1 && shape.dilation[2] === 1 && kernel[2] > 1;
  const depth = rowTaps ? deep * kernel[2] : deep;
  const vecDepth = deep % 4 === 0;
  const size = tileSize(variant, columns, { vectors: vecDepth && columns % 4 === 0 });
  const { q, rows, phases } = positions(shape, direction);
  const { tilesM, tilesN } = tilesOver(rows, columns, size);
  const tiles = tilesM * tilesN * shape.groups;
  return { depth, columns, rowTaps, vecDepth, q, rows, size, tilesM, tilesN, tiles, phases };
}

/** Channels of a group on the side that is summed over, and on the other. */
function depths({ channels, filters, groups }: ConvShape, direction: Direction) {
  const [deep, columns] = direction === 'forward' ? [channels, filters] : [filters, channels];
  return { deep: deep / groups, columns: columns / groups };
}

/** The kernels that can compute a convolution, best first. */
export function convVariants(
  shape: ConvShape,
  direction: Direction,
  traits: TileTraits,
  dtype: DType = 'f32',
): [ConvVariant, ...ConvVariant[]] {
  const m = positions(shape, direction).rows;
  const work = convFlops(shape) / 2;
  const tiles = tileVariants({ m, n: depths(shape, direction).columns, work }, traits);
  if (isDepthwise(shape)) return ['depthwise', ...tiles];
  if (isPointwise(shape)) return ['pointwise', ...tiles];
  return withWindowVariants(shape, direction, tiles, { traits, dtype });
}

/** With what computes windows of more than one tap, where it can. */
function withWindowVariants(
  shape: ConvShape,
  pass: WinogradPass,
  tiles: readonly [TileVariant, ...TileVariant[]],
  { traits, dtype }: { traits: TileTraits; dtype: DType },
): [WindowVariant, ...WindowVariant[]] {
  // Its transformed tiles would leave the range of f16.
  const minimal = isWinograd(shape) && dtype !== 'f16';
  const known: [WindowVariant, ...WindowVariant[]] = minimal
    ? firstIf(winogradWins(shape, pass, traits), 'winograd', tiles)
    : [...tiles];
  return isPatches(shape) ? firstIf(patchesWin(shape, pass, traits), 'patches', known) : known;
}

/** With one more: first if it wins, else last. */
function firstIf<V extends string>(wins: boolean, name: V, others: readonly [V, ...V[]]): [V, ...V[]] {
  return wins ? [name, ...others] : [...others, name];
}

/** The kernels that can compute the gradient of its weights, best first. */
function weightVariants(shape: ConvShape, traits: TileTraits, dtype: DType): [ConvVariant, ...ConvVariant[]] {
  const { channels, filters, groups, kernel } = shape;
  const m = (sizeOf(kernel) * channels) / groups;
  const tiles = tileVariants({ m, n: filters / groups, work: convFlops(shape) / 2 }, traits);
  if (isPointwise(shape)) return ['pointwise', ...tiles];
  if (isDepthwise(shape)) return ['depthwise', ...tiles];
  return withWindowVariants(shape, 'weights', tiles, { traits, dtype });
}

/**
 * `depthwise`: four channels a thread, for one channel in a group. `pointwise`: matmul, for a window of 1. `patches`: matmul of windows
 * written out, for few channels. `winograd`: minimal filtering of tiles, for k×3×3 and lines of nine with stride 1. Else products of tiles.
 */
export type ConvVariant = WindowVariant | 'depthwise' | 'pointwise';
type WindowVariant = TileVariant | 'patches' | 'winograd';

/** Writes the convolution of x with w, or the adjoint of a convolution applied to x, to y. */
export function convolve(
  direction: Direction,
  tensors: { x: Tensor; w: Tensor; y: Tensor },
  shape: ConvShape,
  epilogue: Epilogue,
): void {
  const { traits, variants } = tensors.x.device;
  const variant = variants.choose('conv', convVariants(shape, direction, traits, tensors.x.dtype));
  if (variant === 'depthwise') convolveDepthwise(direction, tensors, shape, epilogue);
  else if (variant === 'pointwise') convolvePointwise(direction, tensors, shape, epilogue);
  else if (variant === 'patches') convolvePatches(direction, tensors, shape, epilogue);
  else if (variant === 'winograd') convolveWinograd(direction, tensors, shape, epilogue);
  else convolveTiles(variant, direction, tensors, shape, epilogue);
}

function convolveTiles(
  variant: TileVariant,
  direction: Direction,
  { x, w, y }: { x: Tensor; w: Tensor; y: Tensor },
  shape: ConvShape,
  epilogue: Epilogue,
): void {
  const shader = variant === 'register' ? convWgsl : convSubgroupWgsl;
  const { traits } = x.device;
  const tiles = convTiles(shape, direction, variant);
  const { threads, count: groupsPerPhase } = groupsFor(tiles.tiles, tiles.size, traits);
  const { bias = w, residual = w } = epilogue;
  const inputs = { x, xScalar: x, w, wScalar: w, bias, residual };
  const params = { ...paramsOf(shape, direction, tiles), groupsPerPhase, slope: epilogue.slope };
  const shared = tileConstants(tiles.size, traits);
  const constants = {
    INPUT_GRAD: Number(direction === 'inputGrad'),
    ROW_TAPS: Number(tiles.rowTaps),
    VEC_DEPTH: Number(tiles.vecDepth),
    VEC_COLUMNS: Number(tiles.columns % 4 === 0),
    ...shared,
    STEPS: stepsOf(tiles.depth, shared.SWAP === 1),
    THREADS: threads,
    HAS_BIAS: Number(epilogue.bias !== undefined),
    HAS_RESIDUAL: Number(epilogue.residual !== undefined),
    ACTIVATION: epilogue.activation,
  };
  const options = { groups: groupsPerPhase * tiles.phases, constants, flops: convFlops(shape) };
  if (tiles.columns % 4 === 0) run(shader, 'conv', { ...inputs, y }, params, options);
  else run(shader, 'convAnyColumns', { ...inputs, yScalar: y }, params, options);
}

/** How many times four channels a turn of the loop takes; 0: all of a tap, in a loop of its own, which only SwiftShader (`swap`) is slowed down by. */
function stepsOf(depth: number, swap: boolean): 0 | 1 | 2 {
  if (!swap || depth === 0) return 0;
  return depth % 8 === 0 ? 2 : 1;
}

function paramsOf(shape: ConvShape, direction: Direction, tiles: ReturnType<typeof convTiles>) {
  const forward = direction === 'forward';
  const { channels, filters, input, output } = shape;
  const { rows, tilesM, tilesN, phases, depth, columns, size } = tiles;
  return {
    ...{ rows, tilesM, tilesN, tiles: tiles.tiles, phases, depth, columns },
    ...axes('q', tiles.q),
    xChannels: forward ? channels : filters,
    yChannels: forward ? filters : channels,
    ...axes('x', forward ? input : output),
    ...axes('y', forward ? output : input),
    ...axes('k', tiles.rowTaps ? [shape.kernel[0], shape.kernel[1], 1] : shape.kernel),
    ...windowOf(shape),
    ...tapSteps(shape, direction),
    tileRows: 4,
    tileColumns: size.columns,
  };
}

/** How a weight gradient is cut into tiles and its pixels into splits; pure. */
export function weightPlan(shape: ConvShape, variant: TileVariant, traits: Pick<Traits, 'software'>) {
  const { batch, groups, channels, filters, kernel, output } = shape;
  const [depth, columns] = [channels / groups, filters / groups];
  const taps = sizeOf(kernel);
  const found = tileSize(variant, columns, { vectors: depth % 4 === 0 && columns % 4 === 0 });
  // The rows of a thread have one tap.
  const size: TileSize = { ...found, rows: depth % 8 === 0 ? found.rows : 1 };
  const cBlocks = Math.ceil(depth / (4 * size.rows));
  const [tilesM, tilesN] = [
    Math.ceil((taps * cBlocks) / size.share),
    Math.ceil(columns / (4 * size.columns)),
  ];
  const tiles = tilesM * tilesN * groups;
  const pixels = batch * sizeOf(output);
  const wanted = splitsOf(tiles, pixels, 64, traits);
  const chunk = Math.ceil(pixels / wanted / 4) * 4;
  const splits = Math.ceil(pixels / chunk) || 1;
  return { depth, columns, taps, cBlocks, size, tilesM, tilesN, tiles, pixels, chunk, splits };
}

/** Writes the gradient of a convolution with respect to its weights to `out`; g is the gradient of its output. */
export function weightGradient({ x, g, out }: { x: Tensor; g: Tensor; out: Tensor }, shape: ConvShape): void {
  const { traits, variants } = x.device;
  const variant = variants.choose('convWeight', weightVariants(shape, traits, x.dtype));
  if (variant === 'depthwise') {
    depthwiseWeightGradient({ x, g, out }, shape);
    return;
  }
  if (variant === 'pointwise') {
    pointwiseWeightGradient({ x, g, out }, shape);
    return;
  }
  if (variant === 'patches') {
    patchesWeightGradient({ x, g, out }, shape);
    return;
  }
  if (variant === 'winograd') {
    winogradWeightGradient({ x, g, out }, shape);
    return;
  }
  const plan = weightPlan(shape, variant, traits);
  if (plan.splits === 1) {
    launchWeight(variant, { x, g, out }, shape, plan, 0);
    return;
  }
  const partSize = Math.ceil(out.size / 4) * 4;
  const parts = x.device.allocate([plan.splits, partSize], 'f32', 'convWeightGrad');
  launchWeight(variant, { x, g, out: parts }, shape, plan, partSize);
  sumParts(parts, out, plan.splits, 1);
  parts.dispose();
}

function launchWeight(
  variant: TileVariant,
  { x, g, out }: { x: Tensor; g: Tensor; out: Tensor },
  shape: ConvShape,
  plan: ReturnType<typeof weightPlan>,
  partSize: number,
): void {
  const shader = variant === 'register' ? convWeightWgsl : convWeightSubgroupWgsl;
  const { size, ...cut } = plan;
  const { kD: _, ...kernel } = axes('k', shape.kernel);
  const params = {
    ...{ ...cut, partSize, xChannels: shape.channels, gChannels: shape.filters, vectors: 4 * size.columns },
    ...{ ...axes('g', shape.output), ...axes('x', shape.input), ...kernel, ...windowOf(shape) },
  };
  const { threads, count: groups } = groupsFor(plan.tiles * plan.splits, size, x.device.traits);
  const constants = {
    VEC_DEPTH: Number(plan.depth % 4 === 0),
    VEC_COLUMNS: Number(plan.columns % 4 === 0),
    ...tileConstants(size, x.device.traits),
    THREADS: threads,
  };
  const options = { groups, constants, flops: convFlops(shape) };
  const inputs = { x, xScalar: x, g, gScalar: g };
  if (plan.columns % 4 === 0) run(shader, 'convWeight', { ...inputs, out }, params, options);
  else run(shader, 'convWeightAnyColumns', { ...inputs, outScalar: out }, params, options);
}
