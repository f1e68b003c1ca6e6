import { sizeOf } from '../tensor/shape.ts';
import type { ConvShape, Triple } from './conv-shape.ts';

/** Which way a convolution is gone through: from x to y, or from y to x. */
export type Direction = 'forward' | 'inputGrad';

/** The positions q a workgroup walks, and the phases they come in; see conv.wgsl. */
export function positions({ batch, stride, input, output }: ConvShape, direction: Direction) {
  if (direction === 'forward') return { q: output, rows: batch * sizeOf(output), phases: 1 };
  const q: Triple = [
    Math.ceil(input[0] / stride[0]),
    Math.ceil(input[1] / stride[1]),
    Math.ceil(input[2] / stride[2]),
  ];
  return { q, rows: batch * sizeOf(q), phases: sizeOf(stride) };
}

/** How far apart the taps of a phase are along each axis, and how far their inputs. */
export function tapSteps({ stride, dilation }: ConvShape, direction: Direction) {
  if (direction === 'forward') return { ...axes('taps', [1, 1, 1]), ...axes('hop', dilation) };
  const [d, h, w] = stride.map((step, i) => step / gcd(step, dilation[i] ?? 1));
  const taps: Triple = [d ?? 1, h ?? 1, w ?? 1];
  const hop = (i: 0 | 1 | 2) => (-taps[i] * dilation[i]) / stride[i];
  return { ...axes('taps', taps), ...axes('hop', [hop(0), hop(1), hop(2)]) };
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** `{ xD, xH, xW }` for the prefix x. */
export function axes<P extends string>(prefix: P, [d, h, w]: Triple) {
  return { [`${prefix}D`]: d, [`${prefix}H`]: h, [`${prefix}W`]: w } as Record<
    `${P}${'D' | 'H' | 'W'}`,
    number
  >;
}

/** Stride, padding and dilation as kernel params. */
export function windowOf({ stride, padding, dilation }: ConvShape) {
  return { ...axes('stride', stride), ...axes('pad', padding), ...axes('dilation', dilation) };
}
