import { check, ShapeError } from '../errors.ts';
import { broadcastShapes, isFloat, type Spec } from '../tensor/shape.ts';
import { Tensor } from '../tensor/tensor.ts';
import { joinRepeated } from './binary-join.ts';
import {
  bitsOf,
  broadcastVariants,
  collapse,
  commonDType,
  coverage,
  elementwiseVariants,
  flatSteps,
  numbered,
  oneElement,
  rankOf,
  runOf,
} from './elementwise-broadcast.ts';
import { defineOp } from './op.ts';
import { sumTo } from './reduce-sum.ts';
import { run } from './run.ts';
import { elementwiseBinaryWgsl } from './wgsl.gen.ts';

/** One side of an elementwise op. A number costs no tensor. */
export type Operand = Tensor | number;

/** dLoss/da and dLoss/db before broadcasting is undone; left out where it is zero. */
type BinaryGradient = (
  a: Operand,
  b: Operand,
  g: Tensor,
  y: Tensor,
) => { a?: () => Tensor; b?: () => Tensor };

interface BinaryRule {
  readonly name: string;
  /** OP in elementwise-binary.wgsl. */
  readonly code: number;
  /** The result is u32: 1 where it holds, else 0. */
  readonly compares?: boolean;
  /** Whether i32 and u32 are allowed too. */
  readonly integers?: boolean;
  readonly gradient?: BinaryGradient;
  /** See `OpRule`. */
  readonly reads?: (inputs: Sides) => readonly (Tensor | undefined)[];
}

/** Those operands that are tensors. */
interface Sides {
  readonly [name: string]: Tensor | undefined;
  readonly a?: Tensor;
  readonly b?: Tensor;
}

interface Operands {
  readonly a: Operand;
  readonly b: Operand;
}

const isTensor = (operand: Operand) => operand instanceof Tensor;
const shapeOf = (operand: Operand) => (operand instanceof Tensor ? operand.shape : []);

/** Makes the function of one binary op. */
export function binaryOp(rule: BinaryRule): (a: Operand, b: Operand) => Tensor {
  const { name, gradient, reads } = rule;
  const op = defineOp<Sides, Operands, [Spec]>({
    name,
    outputs: (_, operands) => [binarySpec(rule, operands)],
    forward: (_, [out], operands) => launch(rule, operands, out),
    ...(reads && { reads }),
    gradient({ attrs: { a, b }, outputs: [y], grads: [g] }) {
      const rules = gradient?.(a, b, g as Tensor, y) ?? {};
      return { a: undone(rules.a, a), b: undone(rules.b, b) };
    },
  });
  return (a, b) => op({ ...(a instanceof Tensor && { a }), ...(b instanceof Tensor && { b }) }, { a, b })[0];
}

/** `rule` summed to the shape of its operand; nothing for a number. */
function undone(rule: (() => Tensor) | undefined, operand: Operand): (() => Tensor) | undefined {
  return rule && operand instanceof Tensor ? () => sumTo(rule(), operand.shape) : undefined;
}

function binarySpec({ name, compares, integers }: BinaryRule, { a, b }: Operands): Spec {
  const dtype = commonDType(name, [a, b].filter(isTensor));
  check(isFloat(dtype) || integers === true, name, () => `only f32 and f16 have this op; got ${a} and ${b}`);
  return { shape: broadcastShapes(shapeOf(a), shapeOf(b), name), dtype: compares ? 'u32' : dtype };
}

/** The tensor of a side, or the other one where it is a number (its binding is not read then). */
function sides(name: string, { a, b }: Operands): { a: Tensor; b: Tensor; number: number; side: number } {
  if (a instanceof Tensor && b instanceof Tensor) return { a, b, number: 0, side: 0 };
  if (a instanceof Tensor && typeof b === 'number') return { a, b: a, number: b, side: 2 };
  if (typeof a === 'number' && b instanceof Tensor) return { a: b, b, number: a, side: 1 };
  throw new ShapeError(name, 'needs at least one tensor');
}

function launch({ name, code, compares }: BinaryRule, operands: Operands, out: Tensor): void {
  const { a, b, number, side } = sides(name, operands);
  const loops = collapse(name, out.shape, [shapeOf(operands.a), shapeOf(operands.b)]);
  const candidates = compares ? broadcastVariants(loops) : elementwiseVariants(loops);
  const variant = a.device.variants.choose('elementwise', candidates);
  const RUN = compares ? 1 : runOf(loops, variant, a.device.traits);
  const { count, groups } = coverage(out.shape, variant, RUN);
  const [strideA = [], strideB = []] = loops.strides;
  const params = {
    ...{
      count,
      rank: loops.sizes.length,
      number: bitsOf(name, number, a.dtype),
      ...flatSteps(a.device.traits),
    },
    ...{ ...numbered('size', loops.sizes, 1), ...numbered('a', strideA, 0), ...numbered('b', strideB, 0) },
  };
  const constants = {
    OP: code,
    NUMBER: side,
    RANK: rankOf(loops),
    ONE: compares ? 0 : oneElement(loops, side),
    RUN,
  };
  const how = { groups, constants, lines: { T: a.dtype } };
  const scalars = { aScalar: a, bScalar: b };
  if (compares && variant === 'scalars') {
    run(elementwiseBinaryWgsl, 'compareScalars', { ...scalars, maskScalar: out }, params, how);
  } else if (compares) run(elementwiseBinaryWgsl, 'compareVectors', { a, b, mask: out }, params, how);
  else if (variant === 'scalars') {
    run(elementwiseBinaryWgsl, 'scalars', { ...scalars, outScalar: out }, params, how);
  } else {
    const join = variant === 'flat' ? joinRepeated : undefined;
    run(elementwiseBinaryWgsl, variant, { a, b, out }, params, { ...how, join });
  }
}
