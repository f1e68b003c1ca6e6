import type { Traits } from '../tensor/device.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  columnsOf,
  extentOf,
  type Product,
  rowsOfA,
  rowsOfB,
  rowsOfOut,
  runsOf,
  storesVectors,
  vectorsOf,
} from './matmul-product.ts';
import { sideBySide, wholeRows } from './matmul-shared.ts';
import {
  groupsFor,
  MANY_TILES,
  matmulTileSize,
  matmulVariants,
  type SwapTraits,
  type TileSize,
  type TileVariant,
  tileConstants,
  tilesOver,
} from './matmul-tiles.ts';
import { run } from './run.ts';
import {
  matmulSubgroupWgsl,
  matmulSumWgsl,
  matmulWgsl,
  matmulWideWgsl,
  matmulWorkgroupWgsl,
} from './wgsl.gen.ts';

/** What is done to a product as it is stored. */
export interface Epilogue {
  readonly bias?: Tensor | undefined;
  /** Of the shape of the result, added to it before the activation. */
  readonly residual?: Tensor | undefined;
  /** ACTIVATION in matmul.wgsl. */
  readonly activation: number;
  readonly slope: number;
}

export const NO_EPILOGUE: Epilogue = { activation: 0, slope: 0 };

/** Into how many parts `length` steps are cut, none under `shortest`, so that `tiles` × parts keep the adapter busy. */
export function splitsOf(
  tiles: number,
  length: number,
  shortest: number,
  { software }: Pick<Traits, 'software'>,
): number {
  const wanted = Math.floor((software ? MANY_TILES : 4096) / Math.max(tiles, 1));
  return Math.max(1, Math.min(wanted, Math.floor(length / shortest), 256));
}

/** How a product is cut into tiles, and k (or the batches, where they are summed) into splits. */
export interface Plan {
  readonly size: TileSize;
  /** Steps along k in a turn of the kernel's loop. */
  readonly steps: 1 | 2;
  readonly tilesM: number;
  readonly tilesN: number;
  /** Tiles of a split. */
  readonly tiles: number;
  readonly splits: number;
  readonly kChunk: number;
  readonly batches: number;
  readonly batchChunk: number;
  /** Some step reaches past the end of k. */
  readonly tail: boolean;
}

/** The plan for a product; pure. `maySplit`: its epilogue is linear, so that splits can be added up. */
export function matmulPlan(
  product: Product,
  variant: TileVariant,
  traits: SwapTraits,
  maySplit: boolean,
): Plan {
  const { m, n, k, batch, sumBatches } = product;
  const batches = batch[0] * batch[1] * batch[2];
  const whole = { operands: vectorsOf(product).every(Boolean), results: storesVectors(product) };
  const size = matmulTileSize(variant, extentOf(product), sumBatches ? 1 : batches, whole, traits);
  const { tilesM, tilesN } = tilesOver(m, n, size);
  const tiles = tilesM * tilesN * (sumBatches ? 1 : batches);
  const length = sumBatches ? batches * k : k;
  const wanted = maySplit && !size.wide ? splitsOf(tiles, length, 128, traits) : 1;
  const steps = variant === 'largeQuad' && !size.wide && k % (2 * STEP) === 0 ? 2 : 1;
  const kChunk = ceilTo(sumBatches ? k : k / wanted, variant === 'workgroup' ? SHARED_STEP : steps * STEP);
  const batchChunk = sumBatches ? Math.ceil(batches / wanted) : 1;
  const splits = sumBatches ? Math.ceil(batches / batchChunk) || 1 : Math.ceil(k / kChunk) || 1;
  const tail = sumBatches ? kChunk !== k || batchChunk * splits !== batches : kChunk * splits !== k;
  return { size, steps, tilesM, tilesN, tiles, splits, kChunk, batches, batchChunk, tail };
}

const STEP = 4; // of the kernels along k
const SHARED_STEP = 16; // of matmul-workgroup.wgsl

function ceilTo(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

/** Writes a product of `a` and `b` to `out`. */
export function multiply(a: Tensor, b: Tensor, out: Tensor, given: Product, epilogue: Epilogue): void {
  const shared = wholeRows(a, sideBySide(given));
  multiplyTiles({ a: shared.a, b, out }, shared.product, epilogue, given);
  if (shared.a !== a) shared.a.dispose();
}

const SHADERS: Partial<Record<TileVariant, typeof matmulWgsl | typeof matmulWorkgroupWgsl>> = {
  register: matmulWgsl,
  workgroup: matmulWorkgroupWgsl,
};

type Tensors = { readonly a: Tensor; readonly b: Tensor; readonly out: Tensor };

function multiplyTiles(tensors: Tensors, product: Product, epilogue: Epilogue, given: Product): void {
  const { a, out } = tensors;
  const { traits, variants } = a.device;
  const variant = variants.choose('matmul', matmulVariants(extentOf(product), traits));
  const plan = matmulPlan(product, variant, traits, epilogue.activation === 0 && !given.outRows);
  const shader = SHADERS[variant] ?? matmulSubgroupWgsl;
  if (plan.splits === 1) {
    launch(shader, tensors, product, plan, epilogue);
    return;
  }
  const partSize = ceilTo(out.size, 4);
  const parts = a.device.allocate([plan.splits, partSize], 'f32', 'matmul');
  launch(shader, { ...tensors, out: parts }, product, plan, NO_EPILOGUE, partSize);
  sumParts(parts, out, plan.splits, given.n, epilogue);
  parts.dispose();
}

/** out = Σ parts + bias + residual, the parts being ⌈out.size / 4⌉ vectors each; `n` is the size of the bias. */
export function sumParts(
  parts: Tensor,
  out: Tensor,
  splits: number,
  n: number,
  { bias, residual }: Partial<Epilogue> = {},
): void {
  const vectors = Math.ceil(out.size / 4);
  const tensors = { parts, out, bias: bias ?? parts, residual: residual ?? parts };
  run(
    matmulSumWgsl,
    'sumParts',
    tensors,
    { vectors, splits, n },
    {
      groups: Math.ceil(vectors / 64),
      constants: { HAS_BIAS: Number(bias !== undefined), HAS_RESIDUAL: Number(residual !== undefined) },
    },
  );
}

function launch(
  shader: typeof matmulWgsl | typeof matmulSubgroupWgsl | typeof matmulWorkgroupWgsl,
  { a, b, out }: Tensors,
  product: Product,
  plan: Plan,
  epilogue: Epilogue,
  partSize = 0,
): void {
  const { bias = b, residual = b } = epilogue;
  const params = { ...paramsOf(product, plan), partSize, slope: epilogue.slope };
  const { traits } = a.device;
  const { threads, count } = groupsFor(plan.tiles * plan.splits, plan.size, traits);
  const constants = { ...constantsOf(product, plan, epilogue), THREADS: threads };
  const options = {
    groups: count,
    constants,
    flops: 2 * product.m * columnsOf(product) * product.k * plan.batches,
  };
  if (plan.size.wide) {
    run(matmulWideWgsl, 'matmul', { a, b, bias, residual, out }, params, options);
    return;
  }
  const inputs = { a, aScalar: a, b, bScalar: b, bias, residual };
  const tiled = { ...options, constants: { ...constants, ...tilesOf(product, plan, traits) } };
  if (storesVectors(product)) run(shader, 'matmul', { ...inputs, out }, params, tiled);
  else run(shader, 'matmulAnyN', { ...inputs, outScalar: out }, params, tiled);
}

function paramsOf(product: Product, plan: Plan) {
  const { m, n, k, batch, aStrides, bStrides } = product;
  const { tilesM, tilesN, tiles, splits, kChunk, batches, batchChunk } = plan;
  const [, size1, size2] = batch;
  const [a, b, out] = [rowsOfA(product), rowsOfB(product), rowsOfOut(product)];
  const { width, bStride, outStride } = runsOf(product);
  return {
    ...{ m, n, k, tilesM, tilesN, tiles, splits, kChunk, batches, batchChunk, size1, size2 },
    ...{
      vectors: plan.size.wide ? 32 : 4 * plan.size.columns,
      aStart: a.start,
      aRow: a.row,
      bStart: b.start,
      bRow: b.row,
    },
    ...{
      a0: aStrides[0],
      a1: aStrides[1],
      a2: aStrides[2],
      b0: bStrides[0],
      b1: bStrides[1],
      b2: bStrides[2],
    },
    ...{ outStart: out.start, outRow: out.row },
    ...{ bBlock: product.transposeB ? 4 * b.row : 4, bRun: bStride, outRun: outStride, width },
    ...{ out0: out.strides[0], out1: out.strides[1], out2: out.strides[2] },
  };
}

function constantsOf(product: Product, plan: Plan, { bias, residual, activation }: Epilogue) {
  return {
    TRANSPOSE_A: Number(product.transposeA),
    TRANSPOSE_B: Number(product.transposeB),
    // Masks cost little; without them there is one more pipeline to build, so only the fast path goes without.
    TAIL: Number(plan.tail || !vectorsOf(product).every(Boolean)),
    RUN: product.runs ? Math.log2(product.runs.columns) : 0,
    SUM_BATCHES: Number(product.sumBatches),
    HAS_BIAS: Number(bias !== undefined),
    HAS_RESIDUAL: Number(residual !== undefined),
    ACTIVATION: activation,
  };
}

/** The constants of shaders whose tiles are of several sizes, and of `workgroup`, whose tile is of one. */
function tilesOf(product: Product, plan: Plan, traits: Traits) {
  const [vecA, vecB] = vectorsOf(product);
  const sizes = { ...tileConstants(plan.size, traits), STEPS: plan.steps };
  return { VEC_A: Number(vecA), VEC_B: Number(vecB), ...(!plan.size.perWorkgroup && sizes) };
}
