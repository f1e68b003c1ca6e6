import { type Nd, nd } from './nd.ts';

/** A convolution with three axes, for references: [before, after] padding, and everything per axis. */
export interface Window {
  readonly stride: readonly number[];
  readonly padding: readonly (readonly [number, number])[];
  readonly dilation: readonly number[];
  readonly groups: number;
}

/** Calls `visit(x offset, w offset, y offset)` for each product in the convolution of x with w. */
function eachProduct(
  x: readonly number[],
  w: readonly number[],
  y: readonly number[],
  { stride, padding, dilation, groups }: Window,
  visit: (xAt: number, wAt: number, yAt: number) => void,
): void {
  const [n = 0, d = 0, h = 0, v = 0, c = 0] = x;
  const [kd = 0, kh = 0, kw = 0, cg = 0, o = 0] = w;
  const [, yd = 0, yh = 0, yv = 0] = y;
  const input = (axis: number, at: number, tap: number) =>
    at * (stride[axis] ?? 1) - (padding[axis]?.[0] ?? 0) + tap * (dilation[axis] ?? 1);
  for (let i = 0; i < n * yd * yh * yv; i++) {
    const [b, a0, a1, a2] = [
      Math.floor(i / (yd * yh * yv)),
      Math.floor(i / (yh * yv)) % yd,
      Math.floor(i / yv) % yh,
      i % yv,
    ];
    for (let t = 0; t < kd * kh * kw; t++) {
      const [p, q, r] = [
        input(0, a0, Math.floor(t / (kh * kw))),
        input(1, a1, Math.floor(t / kw) % kh),
        input(2, a2, t % kw),
      ];
      if (p < 0 || p >= d || q < 0 || q >= h || r < 0 || r >= v) continue;
      const pixel = (((b * d + p) * h + q) * v + r) * c;
      for (let f = 0; f < o; f++) {
        const first = Math.floor(f / (o / groups)) * cg;
        for (let e = 0; e < cg; e++) visit(pixel + first + e, (t * cg + e) * o + f, i * o + f);
      }
    }
  }
}

/** A shape with its spatial axes filled up to three in front: [N, L, C] → [N, 1, 1, L, C]. */
function deep(shape: readonly number[], leading: number): number[] {
  const ones = new Array<number>(5 - shape.length).fill(1);
  return [...shape.slice(0, leading), ...ones, ...shape.slice(leading)];
}

function deepWindow({ stride, padding, dilation, groups }: Window): Window {
  const ones = new Array<number>(3 - stride.length).fill(1);
  return {
    stride: [...ones, ...stride],
    padding: [...ones.map((): [number, number] => [0, 0]), ...padding],
    dilation: [...ones, ...dilation],
    groups,
  };
}

/** y for a given output shape. */
export function convReference(x: Nd, w: Nd, yShape: readonly number[], window: Window, bias?: Nd): Nd {
  const y = nd(yShape);
  const o = yShape.at(-1) ?? 1;
  for (let i = 0; i < y.data.length; i++) y.data[i] = bias?.data[i % o] ?? 0;
  eachProduct(deep(x.shape, 1), deep(w.shape, 0), deep(yShape, 1), deepWindow(window), (xAt, wAt, yAt) => {
    y.data[yAt] = (y.data[yAt] ?? 0) + (x.data[xAt] ?? 0) * (w.data[wAt] ?? 0);
  });
  return y;
}

/** The adjoint in x: g of y's shape to x of a given shape. */
export function convTransposeReference(
  g: Nd,
  w: Nd,
  xShape: readonly number[],
  window: Window,
  bias?: Nd,
): Nd {
  const x = nd(xShape);
  const c = xShape.at(-1) ?? 1;
  for (let i = 0; i < x.data.length; i++) x.data[i] = bias?.data[i % c] ?? 0;
  eachProduct(deep(xShape, 1), deep(w.shape, 0), deep(g.shape, 1), deepWindow(window), (xAt, wAt, yAt) => {
    x.data[xAt] = (x.data[xAt] ?? 0) + (g.data[yAt] ?? 0) * (w.data[wAt] ?? 0);
  });
  return x;
}
