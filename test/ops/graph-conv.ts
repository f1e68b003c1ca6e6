import { graphConv } from '../../src/kernels/graph-conv.ts';
import { normal, type OpCase, opCase, uniform } from './case.ts';
import { type Nd, nd } from './nd.ts';

type Extra = Partial<
  Pick<OpCase<'x' | 'w' | 'adjacency'>, 'gradients' | 'secondOrder' | 'linear' | 'flops' | 'bytes'>
>;

function reference(x: Nd, w: Nd, adjacency: Nd, bias?: Nd): Nd {
  const [n = 0, t = 0, v = 0, c = 0] = x.shape;
  const [p = 0, , o = 0] = w.shape;
  const y = nd([n, t, v, o]);
  for (let f = 0; f < n * t; f++) {
    for (let to = 0; to < v; to++) {
      for (let j = 0; j < o; j++) {
        let total = bias?.data[j] ?? 0;
        for (let q = 0; q < p; q++) {
          for (let from = 0; from < v; from++) {
            const weight = adjacency.data[(q * v + from) * v + to] ?? 0;
            for (let i = 0; i < c; i++) {
              total += weight * (x.data[(f * v + from) * c + i] ?? 0) * (w.data[(q * c + i) * o + j] ?? 0);
            }
          }
        }
        y.data[(f * v + to) * o + j] = total;
      }
    }
  }
  return y;
}

interface Size {
  n: number;
  t: number;
  v: number;
  c: number;
  o: number;
  p: number;
}

function inputsOf({ n, t, v, c, o, p }: Size) {
  return { x: normal([n, t, v, c]), w: normal([p, c, o]), adjacency: uniform([p, v, v], 0, 1) };
}

function plain(size: Size, extra: Extra = {}): OpCase {
  const { n, t, v, c, o, p } = size;
  return opCase<'x' | 'w' | 'adjacency'>({
    name: `x [${n},${t},${v},${c}], ${p} partitions, ${o} filters`,
    inputs: inputsOf(size),
    op: (i) => graphConv(i.x, i.w, i.adjacency),
    reference: (i) => reference(i.x, i.w, i.adjacency),
    linear: ['x', 'w', 'adjacency'],
    gradients: [],
    ...extra,
  });
}

function biased(size: Size): OpCase {
  return opCase<'x' | 'w' | 'adjacency' | 'bias'>({
    name: `with bias, C ${size.c}, O ${size.o}`,
    inputs: { ...inputsOf(size), bias: normal([size.o]) },
    op: (i) => graphConv(i.x, i.w, i.adjacency, { bias: i.bias }),
    reference: (i) => reference(i.x, i.w, i.adjacency, i.bias),
    secondOrder: true,
  });
}

/** Joint 1 sends to joint 2 and nothing else happens: the direction of A. */
const direction = opCase<'x'>({
  name: 'A[p, u, v] sends from u to v',
  inputs: { x: normal([1, 1, 3, 2]) },
  op({ x }) {
    const adjacency = x.device.tensor([0, 0, 0, 0, 0, 1, 0, 0, 0], [1, 3, 3]);
    return graphConv(x, x.device.tensor([1, 0, 0, 1], [1, 2, 2]), adjacency);
  },
  reference: ({ x }) => nd([1, 1, 3, 2], [0, 0, 0, 0, x.data[2] ?? 0, x.data[3] ?? 0]),
  linear: ['x'],
});

const small: Extra = { gradients: ['x', 'w', 'adjacency'], secondOrder: true };

export const cases: readonly OpCase[] = [
  direction,
  plain({ n: 1, t: 1, v: 1, c: 1, o: 1, p: 1 }, small),
  plain({ n: 2, t: 2, v: 3, c: 3, o: 4, p: 2 }, small),
  plain({ n: 2, t: 2, v: 3, c: 4, o: 3, p: 2 }, small),
  biased({ n: 1, t: 2, v: 3, c: 2, o: 3, p: 2 }),
  biased({ n: 1, t: 2, v: 3, c: 3, o: 2, p: 2 }),
  plain({ n: 0, t: 2, v: 3, c: 3, o: 4, p: 2 }),
  plain({ n: 2, t: 5, v: 25, c: 3, o: 16, p: 3 }),
  plain({ n: 2, t: 4, v: 25, c: 16, o: 16, p: 3 }),
  plain({ n: 2, t: 4, v: 25, c: 32, o: 8, p: 3 }),
  plain({ n: 3, t: 3, v: 18, c: 5, o: 7, p: 3 }),
  plain(
    { n: 4, t: 16, v: 25, c: 16, o: 16, p: 3 },
    { flops: 2 * 4 * 16 * (3 * 25 * 25 * 16 + 25 * 48 * 16), bytes: 4 * 4 * 16 * 25 * 32 },
  ),
];
