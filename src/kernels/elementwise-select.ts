import { check } from '../errors.ts';
import { broadcastShapes, type DType, type Spec } from '../tensor/shape.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { Operand } from './binary.ts';
import {
  bitsOf,
  broadcastVariants,
  collapse,
  commonDType,
  coverage,
  groupsOf,
  numbered,
  rankOf,
} from './elementwise-broadcast.ts';
import { defineOp } from './op.ts';
import { sumTo } from './reduce-sum.ts';
import { run } from './run.ts';
import { elementwiseCastWgsl, elementwiseWhereWgsl } from './wgsl.gen.ts';

interface WhereInputs extends Readonly<Record<string, Tensor | undefined>> {
  readonly condition: Tensor;
  readonly a?: Tensor;
  readonly b?: Tensor;
}

interface WhereAttrs {
  readonly a: Operand;
  readonly b: Operand;
}

const shapeOf = (operand: Operand) => (operand instanceof Tensor ? operand.shape : []);

const whereOp = defineOp<WhereInputs, WhereAttrs, [Spec]>({
  name: 'where',
  outputs({ condition }, { a, b }) {
    check(condition.dtype === 'u32', 'where', () => `condition must be u32; got ${condition}`);
    const dtype = commonDType(
      'where',
      [a, b].filter((side) => side instanceof Tensor),
    );
    const branches = broadcastShapes(shapeOf(a), shapeOf(b), 'where');
    return [{ shape: broadcastShapes(condition.shape, branches, 'where'), dtype }];
  },
  forward: ({ condition }, [out], attrs) => launchWhere(condition, attrs, out),
  gradient: ({ inputs: { condition }, attrs: { a, b }, grads: [g] }) => ({
    a: () => sumTo(where(condition, g as Tensor, 0), shapeOf(a)),
    b: () => sumTo(where(condition, 0, g as Tensor), shapeOf(b)),
  }),
});

function launchWhere(condition: Tensor, { a, b }: WhereAttrs, out: Tensor): void {
  const loops = collapse('where', out.shape, [condition.shape, shapeOf(a), shapeOf(b)]);
  const variant = condition.device.variants.choose('elementwise', broadcastVariants(loops));
  const { count, groups } = coverage(out.shape, variant);
  const [strideC = [], strideA = [], strideB = []] = loops.strides;
  const bits = (side: Operand) => (typeof side === 'number' ? bitsOf('where', side, out.dtype) : 0);
  const params = {
    ...{ count, bitsA: bits(a), bitsB: bits(b) },
    ...{ ...numbered('size', loops.sizes, 1), ...numbered('c', strideC, 0) },
    ...{ ...numbered('a', strideA, 0), ...numbered('b', strideB, 0) },
  };
  // A number's binding is not read: any tensor will do.
  const bound = (side: Operand) => (side instanceof Tensor ? side : condition);
  const tensors = { condition, a: bound(a), b: bound(b) };
  const numbers = (typeof a === 'number' ? 1 : 0) + (typeof b === 'number' ? 2 : 0);
  const launch = { groups, constants: { NUMBERS: numbers, RANK: rankOf(loops) } };
  if (variant === 'vectors') run(elementwiseWhereWgsl, 'vectors', { ...tensors, out }, params, launch);
  else run(elementwiseWhereWgsl, 'scalars', { ...tensors, outScalar: out }, params, launch);
}

/**
 * a where `condition` (u32) is not 0, else b, with NumPy broadcasting of all three. a and b: f32, i32 or u32, both the
 * same, or a number (f32 where both are). The side not taken gets gradient 0, even where it is NaN.
 * Throws `ShapeError` where shapes do not broadcast or element types do not fit.
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const tensors = { ...(a instanceof Tensor && { a }), ...(b instanceof Tensor && { b }) };
  return whereOp({ condition, ...tensors }, { a, b })[0];
}

interface CastAttrs {
  readonly dtype: DType;
}

const CODES = { f32: 0, i32: 1, u32: 2 } as const;

const castOp = defineOp<{ x: Tensor }, CastAttrs, [Spec]>({
  name: 'cast',
  outputs: ({ x }, { dtype }) => [{ shape: x.shape, dtype }],
  forward({ x }, [out], { dtype }) {
    const count = Math.ceil(out.size / 4);
    const constants = { FROM: CODES[x.dtype], TO: CODES[dtype] };
    run(elementwiseCastWgsl, 'convert', { x, out }, { count }, { groups: groupsOf(count), constants });
  },
  gradient: ({ inputs: { x }, attrs: { dtype }, grads: [g] }) =>
    x.dtype === 'f32' && dtype === 'f32' ? { x: () => g as Tensor } : {},
});

/**
 * x as another element type. Shape in = shape out. f32 to an integer cuts towards 0, saturates, and makes NaN 0; between
 * integers the bits stay. Only f32 to f32 has a gradient.
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  return castOp({ x }, { dtype })[0];
}
