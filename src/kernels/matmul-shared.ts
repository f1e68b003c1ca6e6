import type { Tensor } from '../tensor/tensor.ts';
import { copyStrided } from './layout-copy.ts';
import { columnsOf, type Product, rowsOfA, rowsOfB, rowsOfOut, SINGLE } from './matmul-product.ts';
import type { TileTraits } from './matmul-tiles.ts';

/**
 * The same product with batches of few columns side by side, as runs of the columns of one product, where they share A: a
 * tile then loads A for several batches. (The graph convolution of a skeleton's coordinates is such a product.) Pure.
 * Not measured on a GPU.
 */
export function sideBySide(product: Product): Product {
  const { n, batch, aStrides, bStrides, sumBatches } = product;
  const [z0, z1, count] = batch;
  const sharesA = z0 * z1 === 1 && count > 1 && aStrides[2] === 0;
  if (!sharesA || n === 0 || n > LONGEST_RUN || sumBatches) return product;
  const columns = n > 4 ? 8 : 4;
  const out = rowsOfOut(product);
  return {
    ...product,
    ...{ n: columns * count, batch: SINGLE.batch, bStrides: SINGLE.bStrides },
    ...{ bRows: rowsOfB(product), outRows: { ...out, strides: SINGLE.bStrides } },
    runs: { columns, width: n, bStride: bStrides[2], outStride: out.strides[2] },
  };
}

const LONGEST_RUN = 8; // columns

/**
 * From a row to the next of a copy of A whose rows are whole vectors, where A is one matrix that so many columns share that the
 * copy pays; else undefined. Pure. On lavapipe only: SwiftShader gains nothing, a GPU was not measured.
 */
export function wholeRow(product: Product, traits: TileTraits): number | undefined {
  const { row } = rowsOfA(product);
  const columns = columnsOf(product) * product.batch.reduce((x, y) => x * y);
  const shared = !product.aRows && product.aStrides.every((stride) => stride === 0);
  const pays =
    traits.software && traits.subgroupMinSize >= 8 && columns >= MANY_COLUMNS && product.m >= MANY_ROWS;
  return shared && pays && row % 4 !== 0 ? row + 4 - (row % 4) : undefined;
}

const MANY_COLUMNS = 1024;
const MANY_ROWS = 16;

/** A and the product as they are, or a copy with rows of whole vectors and the product of that. */
export function wholeRows(a: Tensor, product: Product): { readonly a: Tensor; readonly product: Product } {
  const whole = wholeRow(product, a.device.traits);
  if (whole === undefined) return { a, product };
  const { row } = rowsOfA(product);
  const copy = a.device.allocate([a.size / row, whole], a.dtype, 'matmul');
  // What a row of the copy ends with is whatever follows in A: kernels mask it, or store nothing made of it.
  copyStrided(a, copy, { dims: copy.shape, strides: [row, 1], start: 0 }, 'matmul');
  return { a: copy, product: { ...product, aRows: { start: 0, row: whole } } };
}
