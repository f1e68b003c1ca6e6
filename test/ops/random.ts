import { dropout } from '../../src/kernels/random.ts';
import { type Input, normal, type OpCase, opCase, values } from './case.ts';
import { nd } from './nd.ts';
import { philoxWords } from './philox.ts';

function dropoutCase(input: Input, rate: number, seed: number, stream: number): OpCase {
  const size = input.shape.reduce((a, b) => a * b, 1);
  const words = philoxWords(size, [0, 0, stream, 0], [seed >>> 0, Math.floor(seed / 2 ** 32)]);
  const kept = [...words].map((word) => word >>> 8 >= Math.round(rate * 2 ** 24));
  return opCase({
    name: `dropout [${input.shape}] rate ${rate} seed ${seed} stream ${stream}`,
    inputs: { x: input },
    op: ({ x }) => dropout(x, { rate, seed, stream }),
    reference: ({ x }) =>
      nd(
        x.shape,
        x.data.map((value, i) => (kept[i] ? value / (1 - rate) : 0)),
      ),
    bytes: 8 * size,
  });
}

const linear = { linear: ['x'], secondOrder: true } as const;

export const cases: readonly OpCase[] = [
  { ...dropoutCase(normal([5, 7]), 0.5, 1, 0), ...linear },
  { ...dropoutCase(normal([3]), 0.1, 2 ** 53 - 1, 7), ...linear },
  { ...dropoutCase(normal([64]), 0.9, 2 ** 32 + 5, 2 ** 32 - 1), ...linear },
  { ...dropoutCase(normal([8]), 0, 3, 0), ...linear },
  { ...dropoutCase(normal([0, 4]), 0.5, 3, 0), gradients: [] },
  { ...dropoutCase(values([9], [Number.NaN, Number.POSITIVE_INFINITY, -1]), 0.5, 4, 0), gradients: [] },
];
