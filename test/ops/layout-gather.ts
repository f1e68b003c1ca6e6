import { gather, oneHot } from '../../src/kernels/layout.ts';
import { distinct, integers, normal, type OpCase, opCase, values } from './case.ts';
import { at, fill } from './nd.ts';

type Shape = readonly number[];

/** Indices run from −1 to the dimension: both ends are out of range and give NaN. */
function gatherCase(
  shape: Shape,
  picks: Shape,
  axis: number,
  bounds: readonly [number, number],
  rest: Partial<OpCase> = {},
): OpCase {
  const n = shape[axis] ?? 1;
  const usual = opCase<'x' | 'indices'>({
    name: `gather [${shape}] by [${picks}] in [${bounds}) along ${axis}`,
    inputs: { x: normal(shape), indices: integers(picks, ...bounds) },
    op: ({ x, indices }) => gather(x, indices, { axis }),
    reference: ({ x, indices }) =>
      fill(shape.toSpliced(axis, 1, ...picks), (...index) => {
        const pick = at(indices, ...index.slice(axis, axis + picks.length));
        const source = index.toSpliced(axis, picks.length, pick);
        return pick >= 0 && pick < n ? at(x, ...source) : Number.NaN;
      }),
    linear: ['x'],
    secondOrder: true,
  });
  return { ...usual, ...rest };
}

function oneHotCase(shape: Shape, classes: number, dtype: 'i32' | 'u32'): OpCase {
  return opCase<'indices'>({
    name: `oneHot ${dtype} [${shape}] of ${classes}`,
    inputs: { indices: integers(shape, dtype === 'i32' ? -1 : 0, classes + 1, dtype) },
    op: ({ indices }) => oneHot(indices, classes),
    reference: ({ indices }) =>
      fill([...shape, classes], (...index) => (at(indices, ...index.slice(0, -1)) === index.at(-1) ? 1 : 0)),
    gradients: [],
  });
}

const once = { gradients: [], linear: [], secondOrder: false } as const;

function gatherInts(): OpCase['inputs'] {
  return { x: distinct([4, 3]), indices: values([9], [3, 0, 2, 1, 4, 7, 4294967295, 0, 3], 'u32') };
}

export const gatherCases: readonly OpCase[] = [
  gatherCase([5, 3], [4], 0, [0, 5]),
  gatherCase([5, 8], [7], 0, [0, 5]),
  gatherCase([2, 6, 3], [4], 1, [0, 6]),
  gatherCase([2, 6, 4], [2, 3], 1, [0, 6]),
  gatherCase([3, 5], [6], 1, [0, 5]),
  gatherCase([4, 3], [], 0, [1, 2]),
  gatherCase([4, 3], [0], 0, [0, 4], { ...once, secondOrder: false }),
  gatherCase([4, 4], [9], 0, [-1, 5], { ...once, secondOrder: false }),
  gatherCase([4, 3], [9], 0, [-1, 5], { ...once, secondOrder: false, inputs: gatherInts() }),
  oneHotCase([7], 5, 'i32'),
  oneHotCase([2, 3], 4, 'u32'),
  oneHotCase([3], 0, 'u32'),
];
