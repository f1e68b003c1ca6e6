import { type DType, isFloat, type Spec } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { groupsOf } from './elementwise-broadcast.ts';
import { copyStrided } from './layout-copy.ts';
import { defineOp, readsNothing } from './op.ts';
import { run } from './run.ts';
import { elementwiseCastWgsl } from './wgsl.gen.ts';

interface CastAttrs {
  readonly dtype: DType;
}

const CODES = { f32: 0, i32: 1, u32: 2 } as const;

const castOp = defineOp<{ x: Tensor }, CastAttrs, [Spec]>({
  name: 'cast',
  outputs: ({ x }, { dtype }) => [{ shape: x.shape, dtype }],
  forward: ({ x }, [out]) => convert(x, out),
  reads: readsNothing,
  gradient: ({ inputs: { x }, attrs: { dtype }, grads: [g] }) =>
    isFloat(x.dtype) && isFloat(dtype) ? { x: () => cast(g as Tensor, x.dtype) } : {},
});

/** Fills `out` with the elements of x as those of its type. */
export function convert(x: Tensor, out: Tensor): void {
  const [from, to] = [x.dtype, out.dtype];
  if (from === to) {
    copyStrided(x, out, { dims: [x.size], strides: [1], start: 0 }, 'cast');
    return;
  }
  const count = Math.ceil(out.size / 4);
  const launch = { groups: groupsOf(count) };
  if (from === 'f16') {
    const constants = { TO: CODES[to as 'f32'] };
    run(elementwiseCastWgsl, 'widen', { xHalf: x, out }, { count }, { ...launch, constants });
  } else if (to === 'f16') {
    const constants = { FROM: CODES[from] };
    run(elementwiseCastWgsl, 'narrow', { x, outHalf: out }, { count }, { ...launch, constants });
  } else {
    const constants = { FROM: CODES[from], TO: CODES[to] };
    run(elementwiseCastWgsl, 'convert', { x, out }, { count }, { ...launch, constants });
  }
}

/**
 * x as another element type. Shape in = shape out. Floats to an integer cut towards 0, saturate, and make NaN 0; between
 * integers the bits stay; to f16 they are rounded, and numbers beyond 65504 become ±∞. Between f32 and f16 the gradient
 * is cast back; otherwise there is none. Throws `DeviceError` for f16 on a device without it.
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  return castOp({ x }, { dtype })[0];
}

/** x itself where it has this type, else as `cast`. */
export function ofType(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : cast(x, dtype);
}

/** `f` of x in f32, and its result in the element type of x: for f16 where there is no kernel of its own. */
export function inF32(x: Tensor, f: (x: Tensor) => Tensor): Tensor {
  return ofType(f(ofType(x, 'f32')), x.dtype);
}

/** Lets `fill` write f32, and converts it where `out` is f16. */
export function filledInF32(out: Tensor, fill: (target: Tensor) => void): void {
  if (out.dtype === 'f32') {
    fill(out);
    return;
  }
  const target = out.device.allocate(out.shape, 'f32', 'cast');
  fill(target);
  convert(target, out);
  target.dispose();
}
