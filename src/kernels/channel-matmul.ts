import { check } from '../errors.ts';
import { formatShape, type Spec } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkFloats, checkTensors, defineOp, like } from './op.ts';
import { gradientOfA, gradientOfB } from './product-gradient.ts';
import { run } from './run.ts';
import { channelMatmulWgsl } from './wgsl.gen.ts';

export interface ChannelMatmulOptions {
  /** a is [N, K, I, C] and used transposed. */
  readonly transposeA?: boolean | undefined;
  /** b is [N, J, K, C] and used transposed. */
  readonly transposeB?: boolean | undefined;
}

type Operands = { readonly a: Tensor; readonly b: Tensor };
type Attrs = { readonly transposeA: boolean; readonly transposeB: boolean };

const productOp = defineOp<Operands, Attrs, [Spec]>({
  name: 'channelMatmul',
  outputs(operands, attrs) {
    const { batch, rows, columns, channels } = sizesOf(operands, attrs);
    return [like(operands.a, [batch, rows, columns, channels])];
  },
  forward: multiply,
  reads: ({ a, b }) => [a, b],
  gradient({ inputs: { a, b }, attrs, grads: [g] }) {
    return {
      a: () => gradientOfA(b, g as Tensor, attrs, channelMatmul),
      b: () => gradientOfB(a, g as Tensor, attrs, channelMatmul),
    };
  },
});

/** Rows and columns as they enter the product. */
function matrixOf({ shape }: Tensor, transposed: boolean): [number, number] {
  const [, first = 0, second = 0] = shape;
  return transposed ? [second, first] : [first, second];
}

/** The shape rule. */
function sizesOf({ a, b }: Operands, { transposeA, transposeB }: Attrs) {
  checkFloats('channelMatmul', { a, b });
  const [rows, inner] = matrixOf(a, transposeA);
  const [innerOfB, columns] = matrixOf(b, transposeB);
  const [[batch = 0, , , channels = 0], [batchOfB, , , channelsOfB]] = [a.shape, b.shape];
  const ranks = a.shape.length === 4 && b.shape.length === 4;
  const fits = ranks && inner === innerOfB && batch === batchOfB && channels === channelsOfB;
  check(
    fits,
    'channelMatmul',
    () =>
      `a and b must be ${transposeA ? '[N, K, I, C]' : '[N, I, K, C]'} and ${transposeB ? '[N, J, K, C]' : '[N, K, J, C]'}; ` +
      `got ${formatShape(a.shape)} and ${formatShape(b.shape)}`,
  );
  return { batch, rows, columns, inner, channels };
}

function multiply({ a, b }: Operands, [y]: readonly [Tensor], attrs: Attrs): void {
  if (y.size === 0) return;
  const { batch, rows, columns, inner, channels } = sizesOf({ a, b }, attrs);
  const vectors = channels % 4 === 0;
  const units = vectors ? channels / 4 : channels;
  const [tilesI, tilesJ] = [Math.ceil(rows / 4), Math.ceil(columns / 4)];
  const threads = batch * tilesI * tilesJ * units;
  const [aRow, aInner] = attrs.transposeA ? [units, rows * units] : [inner * units, units];
  const [bInner, bColumn] = attrs.transposeB ? [units, inner * units] : [columns * units, units];
  const params = {
    ...{ threads, rows, columns, inner, units, tilesI, tilesJ },
    ...{ aBatch: rows * inner * units, aRow, aInner, bBatch: inner * columns * units, bInner, bColumn },
  };
  const launch = { groups: Math.ceil(threads / 64), flops: 2 * y.size * inner };
  if (vectors) run(channelMatmulWgsl, 'vectors', { a, b, y }, params, launch);
  else run(channelMatmulWgsl, 'scalars', { aScalar: a, bScalar: b, yScalar: y }, params, launch);
}

/**
 * A product of matrices for each channel, channels last: `y[n, i, j, c] = Σ_k a[n, i, k, c] · b[n, k, j, c]`.
 * a [N, I, K, C] ([N, K, I, C] with `transposeA`) and b [N, K, J, C] ([N, J, K, C] with `transposeB`) → [N, I, J, C]. It is
 * the aggregation of a graph convolution whose topology differs from channel to channel (Chen et al. 2021, arXiv:2107.12213,
 * section 3.2). Differentiable in both tensors, to any order. Throws `ShapeError` unless both are f32, or f16, and N, K and C agree.
 */
export function channelMatmul(a: Tensor, b: Tensor, options: ChannelMatmulOptions = {}): Tensor {
  checkTensors('channelMatmul', { a, b });
  const { transposeA = false, transposeB = false } = options;
  return productOp({ a, b }, { transposeA, transposeB })[0];
}
