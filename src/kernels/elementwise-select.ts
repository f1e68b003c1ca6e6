import { check } from '../errors.ts';
import { broadcastShapes, type Spec } from '../tensor/shape.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { Operand } from './binary.ts';
import {
  bitsOf,
  broadcastVariants,
  collapse,
  commonDType,
  coverage,
  numbered,
  rankOf,
} from './elementwise-broadcast.ts';
import { defineOp } from './op.ts';
import { sumTo } from './reduce-sum.ts';
import { run } from './run.ts';
import { elementwiseWhereWgsl } from './wgsl.gen.ts';

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
 * a where `condition` (u32) is not 0, else b, with NumPy broadcasting of all three. a and b: both of
 * one type, or a number (f32 where both are). The side not taken gets gradient 0, even where it is NaN.
 * Throws `ShapeError` where shapes do not broadcast or element types do not fit.
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const tensors = { ...(a instanceof Tensor && { a }), ...(b instanceof Tensor && { b }) };
  return whereOp({ condition, ...tensors }, { a, b })[0];
}
