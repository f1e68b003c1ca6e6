import { check } from '../errors.ts';
import { formatShape, type Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkFloats } from './op.ts';

/** One number for all spatial axes, or one for each. */
export type PerAxis = number | readonly number[];

export interface PoolOptions {
  /** Elements of a window. */
  readonly size: PerAxis;
  /** Distance between windows; `size` when left out. */
  readonly stride?: PerAxis;
  /** Elements added at both ends; 0 when left out. */
  readonly padding?: PerAxis;
}

/** A pooling of three spatial axes (leading ones of length 1 where there are fewer). */
export interface PoolGeometry {
  readonly inShape: Shape;
  readonly outShape: Shape;
  readonly input: Shape;
  readonly output: Shape;
  readonly size: Shape;
  readonly stride: Shape;
  readonly padding: Shape;
  readonly includePad: boolean;
}

/** The shape rule of pooling `rank` spatial axes. */
export function geometryOf(op: string, x: Tensor, rank: number, options: PoolOptions): PoolGeometry {
  checkFloats(op, { x });
  const axes = ['[N, L, C]', '[N, H, W, C]', '[N, D, H, W, C]'][rank - 1];
  check(x.shape.length === rank + 2, op, () => `x must be ${axes}; got ${formatShape(x.shape)}`);
  const size = perAxis(op, 'size', options.size, rank, 1);
  const stride = perAxis(op, 'stride', options.stride ?? options.size, rank, 1);
  const padding = perAxis(op, 'padding', options.padding ?? 0, rank, 0);
  const input = x.shape.slice(1, -1);
  const output = input.map((dim, k) => {
    const [s, p] = [size[k] ?? 1, padding[k] ?? 0];
    check(dim > 0, op, () => `a spatial axis of x must not be empty; got ${formatShape(x.shape)}`);
    check(2 * p <= s, op, () => `padding must be at most half the size; got ${p} for size ${s}`);
    check(s <= dim + 2 * p, op, () => `a window of ${s} does not fit ${x} with padding ${p}`);
    return Math.floor((dim + 2 * p - s) / (stride[k] ?? 1)) + 1;
  });
  const outShape = [x.shape[0] ?? 0, ...output, x.shape.at(-1) ?? 0];
  const three = (list: Shape, rest: number) => [...new Array<number>(3 - rank).fill(rest), ...list];
  return {
    ...{ inShape: x.shape, outShape, input: three(input, 1), output: three(output, 1) },
    ...{ size: three(size, 1), stride: three(stride, 1), padding: three(padding, 0), includePad: false },
  };
}

function perAxis(op: string, name: string, value: PerAxis, rank: number, least: number): number[] {
  const list = typeof value === 'number' ? new Array<number>(rank).fill(value) : [...value];
  const valid = list.length === rank && list.every((n) => Number.isInteger(n) && n >= least);
  check(valid, op, () => `${name} must be ${rank} integers ≥ ${least}, or one for all; got [${list}]`);
  return list;
}

/** All params of the shader that do not depend on the variant. */
export function poolParams({ input, output, size, stride, padding, includePad }: PoolGeometry) {
  const at = (list: Shape, axis: number) => list[axis] ?? 1;
  return {
    includePad: includePad ? 1 : 0,
    ...{ inD: at(input, 0), inH: at(input, 1), inW: at(input, 2) },
    ...{ outD: at(output, 0), outH: at(output, 1), outW: at(output, 2) },
    ...{ sizeD: at(size, 0), sizeH: at(size, 1), sizeW: at(size, 2) },
    ...{ strideD: at(stride, 0), strideH: at(stride, 1), strideW: at(stride, 2) },
    ...{ padD: at(padding, 0), padH: at(padding, 1), padW: at(padding, 2) },
  };
}
