import { check } from '../errors.ts';
import { broadcastShapes, formatShape, type Shape, type Spec, sameShape, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { collapse } from './elementwise-broadcast.ts';
import { reshape } from './layout.ts';
import {
  type Activation,
  activate,
  activationGradient,
  checkActivation,
  codeOf,
  followsFromOutput,
} from './matmul-activation.ts';
import { multiply } from './matmul-launch.ts';
import type { BatchAxes, Product } from './matmul-product.ts';
import { checkFloats, checkTensors, defineOp, isTracked, like } from './op.ts';
import { gradientOfA, gradientOfB } from './product-gradient.ts';
import { sumTo } from './reduce.ts';

export type { Activation } from './matmul-activation.ts';

export interface MatmulOptions {
  /** a is [..., K, M] and used transposed. */
  readonly transposeA?: boolean | undefined;
  /** b is [..., N, K] and used transposed. */
  readonly transposeB?: boolean | undefined;
  /** [N], added to each row of the product. */
  readonly bias?: Tensor | undefined;
  /** [..., M, N], added to the product: what a residual connection leads around it. */
  readonly residual?: Tensor | undefined;
  /** Applied last, in the same kernel: `none` by default. */
  readonly activation?: Activation | undefined;
  /** What `leakyRelu` multiplies negative values by: 0.01 by default. */
  readonly slope?: number | undefined;
}

interface Inputs {
  readonly [name: string]: Tensor | undefined;
  readonly a: Tensor;
  readonly b: Tensor;
  readonly bias: Tensor | undefined;
  readonly residual?: Tensor | undefined;
}

interface Attrs {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly activation: Activation;
  readonly slope: number;
  /** The result is the sum over the batches, of which a and b have the same. */
  readonly sumBatches: boolean;
}

const matmulOp = defineOp<Inputs, Attrs, [Spec]>({
  name: 'matmul',
  outputs(inputs, attrs) {
    return [like(inputs.a, matmulShapes(inputs, attrs).shape)];
  },
  forward(inputs, [out], attrs) {
    const { a, b, bias, residual } = inputs;
    const epilogue = { bias, residual, activation: codeOf(attrs.activation), slope: attrs.slope };
    multiply(a, b, out, productOf(inputs, attrs), epilogue);
  },
  reads: ({ a, b }, [y], { activation }) => (activation === 'none' ? [a, b] : [a, b, y]),
  gradient({ inputs, attrs, outputs: [y], grads: [g] }) {
    // Shared by the thunks, and computed only once one is called.
    let product: Tensor | undefined;
    const incoming = () => {
      product ??= activationGradient(attrs.activation, y, g as Tensor, attrs.slope);
      return product;
    };
    return {
      a: () => gradientOfA(inputs.b, incoming(), attrs, productTo(inputs.a.shape)),
      b: () => gradientOfB(inputs.a, incoming(), attrs, productTo(inputs.b.shape)),
      bias: inputs.bias && (() => sumTo(incoming(), (inputs.bias as Tensor).shape)),
      residual: inputs.residual && incoming,
    };
  },
});

/** The product summed over the batches along which a tensor of `shape` was repeated. */
function productTo(shape: Shape) {
  return (a: Tensor, b: Tensor, options: MatmulOptions): Tensor => {
    const [aBatch, bBatch] = [batchOf(a), batchOf(b)];
    const attrs = attrsOf(options);
    const oneMatrix = sizeOf(shape.slice(0, -2)) === 1;
    if (oneMatrix && sizeOf(aBatch) > 1 && sameShape(aBatch, bBatch)) {
      const [total] = matmulOp({ a, b, bias: undefined }, { ...attrs, sumBatches: true });
      return reshape(total, shape);
    }
    return sumTo(matmulOp({ a, b, bias: undefined }, attrs)[0], shape);
  };
}

function attrsOf(options: MatmulOptions): Attrs {
  const { transposeA = false, transposeB = false, activation = 'none', slope = 0.01 } = options;
  return { transposeA, transposeB, activation, slope, sumBatches: false };
}

function batchOf(x: Tensor): Shape {
  return x.shape.slice(0, -2);
}

/** Rows and columns as they enter the product. */
function matrixOf(x: Tensor, transposed: boolean): [number, number] {
  const [rows = 0, columns = 0] = x.shape.slice(-2);
  return transposed ? [columns, rows] : [rows, columns];
}

/** The shape rule. */
function matmulShapes({ a, b, bias, residual }: Inputs, { transposeA, transposeB, sumBatches }: Attrs) {
  checkFloats('matmul', { a, b, bias, residual });
  const given = `a ${formatShape(a.shape)} and b ${formatShape(b.shape)}`;
  check(a.shape.length >= 2 && b.shape.length >= 2, 'matmul', () => `needs two matrices; got ${given}`);
  const [m, k] = matrixOf(a, transposeA);
  const [kOfB, n] = matrixOf(b, transposeB);
  const flags = `transposeA ${transposeA}, transposeB ${transposeB}`;
  check(k === kOfB, 'matmul', () => `inner dimensions ${k} and ${kOfB} differ: ${given}, ${flags}`);
  const batch = broadcastShapes(batchOf(a), batchOf(b), 'matmul');
  const shape = sumBatches ? [m, n] : [...batch, m, n];
  if (bias) checkBias('matmul', bias, n);
  if (residual) checkResidual('matmul', residual, shape);
  return { m, n, k, shape, batch };
}

/** Throws `ShapeError` unless `bias` is [n]. */
export function checkBias(op: string, bias: Tensor, n: number): void {
  check(sameShape(bias.shape, [n]), op, () => `bias must be [${n}]; got ${formatShape(bias.shape)}`);
}

/** Throws `ShapeError` unless `residual` has the shape of the result. */
export function checkResidual(op: string, residual: Tensor, shape: Shape): void {
  const given = () => `residual must be ${formatShape(shape)}; got ${formatShape(residual.shape)}`;
  check(sameShape(residual.shape, shape), op, given);
}

/** What the kernels are told; batches become rows (or steps of k) where memory already lies so. */
export function productOf(inputs: Inputs, attrs: Attrs): Product {
  const { a, b } = inputs;
  const { m, n, k, batch } = matmulShapes(inputs, attrs);
  const { transposeA, transposeB, sumBatches } = attrs;
  const common = { transposeA, transposeB, batch: ONE, aStrides: NONE, bStrides: NONE, sumBatches: false };
  const batches = sizeOf(batch);
  const dense = sizeOf(batchOf(a)) === batches;
  if (!sumBatches && !transposeA && dense && sizeOf(batchOf(b)) === 1) {
    return { m: m * batches, n, k, ...common };
  }
  if (sumBatches && transposeA && !transposeB) return { m, n, k: k * batches, ...common };
  const { sizes, strides } = collapse('matmul', batch, [batchOf(a), batchOf(b)]);
  const given = `a ${formatShape(a.shape)} and b ${formatShape(b.shape)}`;
  check(sizes.length <= 3, 'matmul', () => `batches may broadcast along three separate axes; got ${given}`);
  const along = (operand: number, size: number) => outermostFirst(strides[operand] ?? [], 0, size);
  return {
    ...{ m, n, k, transposeA, transposeB, sumBatches, batch: outermostFirst(sizes, 1, 1) },
    ...{ aStrides: along(0, m * k), bStrides: along(1, k * n) },
  };
}

const ONE: BatchAxes = [1, 1, 1];
const NONE: BatchAxes = [0, 0, 0];

/** Up to three values, innermost first, as three values, outermost first, each times `scale`. */
function outermostFirst(values: readonly number[], fallback: number, scale: number): BatchAxes {
  const [inner = fallback, middle = fallback, outer = fallback] = values;
  return [outer * scale, middle * scale, inner * scale];
}

/**
 * Products of matrices: `y[…, i, j] = f(Σ_k a[…, i, k] · b[…, k, j] + bias[j] + residual[…, i, j])`, f being `activation`.
 * a [..., M, K] ([..., K, M] with `transposeA`) and b [..., K, N] ([..., N, K] with `transposeB`) → [..., M, N]; leading
 * dimensions broadcast. Throws `ShapeError` unless all are f32, K agrees, the leading dimensions broadcast, bias is [N] and residual has
 * the shape of the result.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  checkTensors('matmul', { a, b });
  const attrs = attrsOf(options);
  const { activation, slope } = attrs;
  checkActivation('matmul', activation);
  const { bias, residual } = options;
  const inputs = { a, b, bias, residual };
  // Where the gradient needs the sum itself, the sum is kept and the activation is an op of its own.
  if (followsFromOutput(activation, slope) || !isTracked(a, b, bias, residual))
    return matmulOp(inputs, attrs)[0];
  return activate(matmulOp(inputs, { ...attrs, activation: 'none' })[0], activation, slope);
}
