import { channelMatmul } from '../../src/kernels/channel-matmul.ts';
import { normal, type OpCase, opCase } from './case.ts';
import { at, fill, type Nd } from './nd.ts';

interface Size {
  readonly n: number;
  readonly i: number;
  readonly k: number;
  readonly j: number;
  readonly c: number;
}

interface Flags {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

type Extra = Partial<Pick<OpCase<'a' | 'b'>, 'gradients' | 'secondOrder' | 'flops' | 'bytes'>>;

function reference(a: Nd, b: Nd, { n, i, k, j, c }: Size, { transposeA, transposeB }: Flags): Nd {
  return fill([n, i, j, c], (batch, row, column, channel) => {
    let sum = 0;
    for (let q = 0; q < k; q++) {
      const left = transposeA ? at(a, batch, q, row, channel) : at(a, batch, row, q, channel);
      const right = transposeB ? at(b, batch, column, q, channel) : at(b, batch, q, column, channel);
      sum += left * right;
    }
    return sum;
  });
}

function product(size: Size, flags: Flags = {}, extra: Extra = {}): OpCase {
  const { n, i, k, j, c } = size;
  const a = flags.transposeA ? [n, k, i, c] : [n, i, k, c];
  const b = flags.transposeB ? [n, j, k, c] : [n, k, j, c];
  const how = `${flags.transposeA ? ', a transposed' : ''}${flags.transposeB ? ', b transposed' : ''}`;
  return opCase<'a' | 'b'>({
    name: `a [${a}] · b [${b}]${how}`,
    inputs: { a: normal(a), b: normal(b) },
    op: (x) => channelMatmul(x.a, x.b, flags),
    reference: (x) => reference(x.a, x.b, size, flags),
    linear: ['a', 'b'],
    gradients: [],
    ...extra,
  });
}

const transposes: readonly Flags[] = [
  {},
  { transposeA: true },
  { transposeB: true },
  { transposeA: true, transposeB: true },
];

const small: Extra = { gradients: ['a', 'b'], secondOrder: true };

export const cases: readonly OpCase[] = [
  ...transposes.map((flags) => product({ n: 2, i: 2, k: 3, j: 5, c: 2 }, flags, small)),
  ...transposes.map((flags) => product({ n: 2, i: 5, k: 3, j: 2, c: 4 }, flags, small)),
  ...transposes.map((flags) => product({ n: 3, i: 6, k: 25, j: 25, c: 8 }, flags)),
  product({ n: 2, i: 7, k: 18, j: 9, c: 5 }, { transposeB: true }),
  product({ n: 1, i: 1, k: 1, j: 1, c: 1 }, {}, small),
  product({ n: 0, i: 2, k: 3, j: 2, c: 4 }),
  product({ n: 2, i: 2, k: 0, j: 3, c: 4 }),
  product(
    { n: 2, i: 32, k: 25, j: 25, c: 64 },
    { transposeB: true },
    {
      flops: 2 * 2 * 32 * 25 * 25 * 64,
      bytes: 4 * 2 * 64 * 25 * (25 + 2 * 32),
    },
  ),
];
