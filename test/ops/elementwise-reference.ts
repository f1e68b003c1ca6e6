import { indices, type Nd, nd } from './nd.ts';

/** f over elements of broadcast operands, in float64. */
export function broadcast(f: (...values: number[]) => number, ...operands: (Nd | number)[]): Nd {
  const arrays = operands.map((operand) => (typeof operand === 'number' ? nd([], [operand]) : operand));
  const rank = Math.max(...arrays.map(({ shape }) => shape.length));
  const shape = Array.from({ length: rank }, (_, axis) => {
    const dims = arrays.map((array) => array.shape[axis - rank + array.shape.length] ?? 1);
    return dims.find((dim) => dim !== 1) ?? 1;
  });
  const flat = [...indices(shape)].map((index) => f(...arrays.map((array) => pick(array, index))));
  return nd(shape, flat);
}

function pick({ shape, data }: Nd, index: readonly number[]): number {
  const skip = index.length - shape.length;
  const at = shape.reduce((sum, dim, axis) => sum * dim + (dim === 1 ? 0 : (index[axis + skip] ?? 0)), 0);
  return data[at] ?? Number.NaN;
}

/** The normal distribution function: a series near 0, a continued fraction in the tails. */
export function normalCdf(x: number): number {
  const tail = 0.5 * erfc(Math.abs(x) / Math.SQRT2);
  return x < 0 ? tail : 1 - tail;
}

function erfc(z: number): number {
  if (z < 2) {
    let term = z;
    let sum = z;
    for (let n = 1; n < 60; n++) {
      term *= (-z * z) / n;
      sum += term / (2 * n + 1);
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 80; n > 0; n--) fraction = n / 2 / (z + fraction);
  return Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + fraction);
}
