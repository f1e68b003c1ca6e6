import type { Spec } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { mul } from './binary-arithmetic.ts';
import { flatGroups, flatSteps } from './elementwise-broadcast.ts';
import { checkFloats, defineOp, like } from './op.ts';
import { run } from './run.ts';
import { joinOf } from './unary-join.ts';
import { elementwiseWgsl } from './wgsl.gen.ts';

/** Attributes of an elementwise function: `p` and `q` of elementwise.wgsl. */
export interface UnaryAttrs {
  readonly p: number;
  readonly q: number;
}

interface UnaryRule {
  readonly name: string;
  /** OP in elementwise.wgsl. */
  readonly code: number;
  /** What `gradient` reads: both where left out. */
  readonly reads?: 'x' | 'y';
  /** dLoss/dx from x, the output and dLoss/dy. Absent: zero. */
  readonly gradient?: (x: Tensor, y: Tensor, g: Tensor, attrs: UnaryAttrs) => Tensor;
}

const NO_ATTRS: UnaryAttrs = { p: 0, q: 0 };

/** Makes the function of one unary op. */
export function unaryOp(rule: UnaryRule): (x: Tensor, attrs?: UnaryAttrs) => Tensor {
  const { name, code, gradient, reads } = rule;
  const op = defineOp<{ x: Tensor }, UnaryAttrs, [Spec]>({
    name,
    outputs({ x }) {
      checkFloats(name, { x });
      return [like(x)];
    },
    forward({ x }, [out], attrs) {
      const count = Math.ceil(out.size / 4);
      const params = { count, ...flatSteps(x.device.traits), ...attrs, number: 0 };
      run(elementwiseWgsl, 'unary', { x, out }, params, {
        groups: flatGroups(count),
        constants: { OP: code },
        join: joinOf('joined', code),
      });
    },
    reads: ({ x }, [y]) => (reads === 'x' ? [x] : reads === 'y' ? [y] : [x, y]),
    gradient: ({ inputs: { x }, outputs: [y], attrs, grads: [g] }) =>
      gradient ? { x: () => gradient(x, y, g as Tensor, attrs) } : {},
  });
  return (x, attrs = NO_ATTRS) => op({ x }, attrs)[0];
}

interface SlopeRule {
  readonly name: string;
  /** OP in elementwise.wgsl. */
  readonly code: number;
  /** d slope(v)/dv in ops; absent where it is zero. */
  readonly second?: (v: Tensor) => Tensor;
}

/** Makes the op `g · slope(v)`, the gradient of a unary op in one kernel; v is what the slope is computed from. */
export function slopeOp({ name, code, second }: SlopeRule) {
  const op = defineOp<{ v: Tensor; g: Tensor }, UnaryAttrs, [Spec]>({
    name,
    outputs: ({ v }) => [like(v)],
    forward({ v, g }, [out], attrs) {
      const count = Math.ceil(out.size / 4);
      const params = { count, ...flatSteps(v.device.traits), ...attrs, number: 0 };
      const join = joinOf('joinedGradient', code);
      const launch = { groups: flatGroups(count), constants: { OP: code }, join };
      run(elementwiseWgsl, 'gradient', { x: v, g, out }, params, launch);
    },
    gradient: ({ inputs: { v, g }, attrs, grads: [gg] }) => ({
      g: () => apply(v, gg as Tensor, attrs),
      v: second && (() => mul(mul(gg as Tensor, g), second(v))),
    }),
  });
  const apply = (v: Tensor, g: Tensor, attrs: UnaryAttrs = NO_ATTRS): Tensor => op({ v, g }, attrs)[0];
  return apply;
}
