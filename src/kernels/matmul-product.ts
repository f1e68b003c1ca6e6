import type { Extent } from './matmul-tiles.ts';

/** Sizes of up to three batch axes, outermost first, or how far an operand moves along each, in elements. */
export type BatchAxes = readonly [number, number, number];

/** How matrices lie in a tensor, in elements; densely from its start where this is left out. */
export interface Rows {
  /** From one row to the next. */
  readonly row: number;
  /** Before the first. */
  readonly start: number;
}

/** Products of matrices as the kernels see them: out[z] = A[z] · B[z], A [m, k], B [k, n], both perhaps transposed. */
export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly batch: BatchAxes;
  readonly aStrides: BatchAxes;
  readonly bStrides: BatchAxes;
  /** The result is the sum over all batches. */
  readonly sumBatches: boolean;
  readonly aRows?: Rows;
  readonly bRows?: Rows;
  readonly outRows?: Rows & { readonly strides: BatchAxes };
  /** How columns lie in runs, where they are not one run; then n counts those that are not there too. */
  readonly runs?: Runs;
}

/** Runs of columns, 4 or 8 of the n, that lie apart in memory, of which only `width` are there. */
export interface Runs {
  readonly columns: number;
  readonly width: number;
  /** From a run to the next, in elements. */
  readonly bStride: number;
  readonly outStride: number;
}

/** What a single product of dense matrices has besides its sizes. */
export const SINGLE: Omit<Product, 'm' | 'n' | 'k'> = {
  ...{ transposeA: false, transposeB: false, sumBatches: false },
  batch: [1, 1, 1],
  aStrides: [0, 0, 0],
  bStrides: [0, 0, 0],
};

/** What the choice of a tile goes by. */
export function extentOf(product: Product): Extent {
  const { m, n, k, batch } = product;
  const [z0, z1, z2] = batch;
  return { m, n, work: m * columnsOf(product) * k * z0 * z1 * z2 };
}

/** Columns of the result. */
export function columnsOf({ n, runs }: Product): number {
  return runs ? (n / runs.columns) * runs.width : n;
}

/** Whether rows of the result are whole vectors. */
export function storesVectors(product: Product): boolean {
  const rows = rowsOfOut(product);
  const { width, outStride } = runsOf(product);
  return width % 4 === 0 && isInVectors(rows, [...rows.strides, outStride]);
}

/** Its runs; one of all columns where there are no others. */
export function runsOf({ n, runs }: Product): Runs {
  return runs ?? { columns: n, width: n, bStride: 0, outStride: 0 };
}

export function rowsOfA({ m, k, transposeA, aRows }: Product): Rows {
  return aRows ?? { start: 0, row: transposeA ? m : k };
}

export function rowsOfB({ n, k, transposeB, bRows }: Product): Rows {
  return bRows ?? { start: 0, row: transposeB ? k : n };
}

export function rowsOfOut({
  m,
  n,
  batch: [, size1, size2],
  outRows,
}: Product): Rows & { strides: BatchAxes } {
  return outRows ?? { start: 0, row: n, strides: [size1 * size2 * m * n, size2 * m * n, m * n] };
}

/** Whether the rows of A and of B, as they lie in memory, begin at whole vectors. */
export function vectorsOf(product: Product): [boolean, boolean] {
  const { aStrides, bStrides } = product;
  const b = isInVectors(rowsOfB(product), [...bStrides, runsOf(product).bStride]);
  return [isInVectors(rowsOfA(product), aStrides), b];
}

function isInVectors({ start, row }: Rows, strides: readonly number[]): boolean {
  return [start, row, ...strides].every((distance) => distance % 4 === 0);
}
