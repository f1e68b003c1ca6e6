import {
  add,
  div,
  equal,
  greater,
  greaterEqual,
  less,
  lessEqual,
  maximum,
  minimum,
  mul,
  notEqual,
  type Operand,
  pow,
  sub,
  where,
} from '../../src/kernels/elementwise.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { type Input, integers, normal, type OpCase, opCase, uniform, values } from './case.ts';
import { broadcast } from './elementwise-reference.ts';
import { nd } from './nd.ts';

type Op = (a: Operand, b: Operand) => Tensor;
type Formula = (a: number, b: number) => number;
type Rule = readonly [string, Op, Formula];

const { NaN: NAN, POSITIVE_INFINITY: INF } = Number;
/** 12 pairs with every kind of special value, and ties. */
const SPECIAL_A = [NAN, INF, -INF, 0, 1, -1, 2, 2, -3, 0.5, INF, 7];
const SPECIAL_B = [1, 2, INF, 0, NAN, -1, INF, 2, 3, -INF, INF, NAN];

type ShapePair = readonly [readonly number[], readonly number[]];
/** Equal, scalar, row, column, both repeated, odd sizes, six axes, empty. */
const SHAPES: readonly ShapePair[] = [
  [
    [2, 3, 4],
    [2, 3, 4],
  ],
  [[13], [13]],
  [[], []],
  [[5, 7], [1]],
  [[1], [3, 8]],
  [[3, 5, 8], [8]],
  [
    [2, 5, 8],
    [2, 5, 1],
  ],
  [
    [4, 1],
    [1, 12],
  ],
  [[5, 1], [7]],
  [
    [3, 1, 2, 1, 3],
    [2, 1, 5, 1],
  ],
  [
    [2, 1, 3, 1, 2, 4],
    [1, 2, 1, 2, 1, 4],
  ],
  [[0, 4], [4]],
  [[3, 0], [1]],
];
/** Broadcast along other axes than the innermost, of whole runs of four vectors, or along it. */
const RUN_SHAPES: readonly ShapePair[] = [
  [
    [2, 3, 16],
    [2, 1, 16],
  ],
  [
    [3, 32],
    [3, 1],
  ],
  [
    [1, 5, 1],
    [2, 1, 16],
  ],
  [
    [2, 1, 2, 1, 16],
    [1, 2, 1, 2, 16],
  ],
];
const FEW_SHAPES = SHAPES.filter((_, i) => [0, 5, 9].includes(i));

/** `op` on tensors: inputs by value range, compared as it stands. */
function pair([name, op, formula]: Rule, a: Input, b: Input, extra: Partial<OpCase> = {}): OpCase {
  return opCase<'a' | 'b'>({
    name: `${name} of ${a.dtype} [${a.shape}] and [${b.shape}]`,
    inputs: { a, b },
    op: (x) => op(x.a, x.b),
    reference: (x) => broadcast(formula, x.a, x.b),
    ...extra,
  } as OpCase<'a' | 'b'>);
}

function withNumber([name, op, formula]: Rule, number: number): OpCase[] {
  const smooth = { secondOrder: true };
  return [
    opCase<'x'>({
      name: `${name} of a tensor and ${number}`,
      inputs: { x: uniform([3, 5], 0.5, 2) },
      op: ({ x }) => op(x, number),
      reference: ({ x }) => broadcast(formula, x, number),
      ...smooth,
    }),
    opCase<'x'>({
      name: `${name} of ${number} and a tensor`,
      inputs: { x: uniform([8], 0.5, 2) },
      op: ({ x }) => op(number, x),
      reference: ({ x }) => broadcast(formula, number, x),
      ...smooth,
    }),
  ];
}

/** All shapes, numbers on both sides, special values. Inputs are where the op is smooth. */
function smoothCases(rule: Rule, shapes: readonly ShapePair[]): OpCase[] {
  const special = [values([12], SPECIAL_A), values([12], SPECIAL_B)] as const;
  return [
    ...shapes.map(([a, b]) => pair(rule, uniform(a, 0.5, 2), uniform(b, 0.5, 2), { secondOrder: true })),
    ...[0.5, 3].flatMap((number) => withNumber(rule, number)),
    { ...pair(rule, ...special, { gradients: [] }), name: `${rule[0]} of special values` },
  ];
}

const u32 = (value: number) => value >>> 0;

/** i32 with negative values and u32 that wraps. */
function integerCases([name, op, formula]: Rule): OpCase[] {
  const wrapped: Rule = [name, op, (a, b) => u32(formula(a, b))];
  return [
    pair([name, op, formula], integers([3, 7], -50, 50), integers([7], -50, 50)),
    pair(wrapped, integers([4, 8], 0, 9, 'u32'), integers([4, 1], 0, 9, 'u32')),
    opCase<'x'>({
      name: `${name} of i32 and a number past 2^24`,
      inputs: { x: integers([9], -5, 5) },
      op: ({ x }) => op(x, 100000001),
      reference: ({ x }) => broadcast((a, b) => Math.imul(1, formula(a, b)), x, 100000001),
    }),
  ];
}

/** Values that cross, ties (each side gets half of the gradient), special values, numbers. */
function extremeCases(rule: Rule): OpCase[] {
  const [name, op, formula] = rule;
  const a = values([4, 6], [0.1, 0.9, -0.4, 0.7, 0.2]);
  return [
    pair(rule, a, values([4, 6], [0.3, 0.8, 0.5])),
    pair(rule, a, values([6], [0.3, 0.8, 0.2])),
    { ...pair(rule, values([5], [1, 2, 3]), values([5], [1, 3, 2])), name: `${name} with ties` },
    {
      ...pair(rule, values([12], SPECIAL_A), values([12], SPECIAL_B), { gradients: [] }),
      name: `${name} of special values`,
    },
    opCase<'x'>({
      name: `${name} of a tensor and a number`,
      inputs: { x: a },
      op: ({ x }) => op(op(x, 0.5), -0.25),
      reference: ({ x }) => broadcast((v) => formula(formula(v, 0.5), -0.25), x),
    }),
  ];
}

const comparisons: readonly (readonly [string, Op, (a: number, b: number) => boolean])[] = [
  ['equal', equal, (a, b) => a === b],
  ['notEqual', notEqual, (a, b) => a !== b],
  ['less', less, (a, b) => a < b],
  ['lessEqual', lessEqual, (a, b) => a <= b],
  ['greater', greater, (a, b) => a > b],
  ['greaterEqual', greaterEqual, (a, b) => a >= b],
];

function comparisonCases([name, op, holds]: (typeof comparisons)[number]): OpCase[] {
  const rule: Rule = [name, op, (a, b) => (holds(a, b) ? 1 : 0)];
  return [
    {
      ...pair(rule, values([12], SPECIAL_A), values([12], SPECIAL_B), { gradients: [] }),
      name: `${name} of special values`,
    },
    pair(rule, integers([5, 7], -3, 3), integers([7], -3, 3)),
    pair(rule, integers([3, 8], 0, 3, 'u32'), integers([3, 1], 0, 3, 'u32')),
    opCase<'x'>({
      name: `${name} with a number on either side`,
      inputs: { x: values([13], [0, 1, 2, NAN]) },
      op: ({ x }) => [op(x, 1), op(1, x)],
      reference: ({ x }) => [broadcast(rule[2], x, 1), broadcast(rule[2], 1, x)],
      gradients: [],
    }),
  ];
}

const whereCases: readonly OpCase[] = [
  [
    [2, 3, 4],
    [2, 3, 4],
    [2, 3, 4],
  ],
  [[7], [7], [7]],
  [[2, 1, 8], [3, 8], [1]],
  [[3, 1], [3], [2, 1, 1]],
  [[], [5], [5]],
  [
    [2, 1, 2, 1, 4],
    [2, 1, 2, 1],
    [2, 1, 1, 1, 1],
  ],
  [[0, 3], [3], []],
].map(([condition = [], a = [], b = []]) =>
  opCase<'condition' | 'a' | 'b'>({
    name: `where [${condition}] of [${a}] and [${b}]`,
    inputs: { condition: integers(condition, 0, 3, 'u32'), a: normal(a), b: normal(b) },
    op: (x) => where(x.condition, x.a, x.b),
    reference: (x) => broadcast((c, p, q) => (c !== 0 ? p : q), x.condition, x.a, x.b),
    secondOrder: true,
  }),
);

const moreCases: readonly OpCase[] = [
  opCase<'condition' | 'x'>({
    name: 'where with numbers',
    inputs: { condition: integers([3, 5], 0, 2, 'u32'), x: normal([5]) },
    op: ({ condition, x }) => [where(condition, x, -1), where(condition, 2, x), where(condition, 1, 0)],
    reference: ({ condition, x }) => [
      broadcast((c, v) => (c !== 0 ? v : -1), condition, x),
      broadcast((c, v) => (c !== 0 ? 2 : v), condition, x),
      broadcast((c) => c, condition),
    ],
  }),
  opCase<'condition' | 'x'>({
    name: 'where of integers keeps NaN and bits',
    inputs: { condition: values([6], [1, 0, 2], 'u32'), x: integers([6], -9, 9) },
    op: ({ condition, x }) => where(condition, x, -7),
    reference: ({ condition, x }) => broadcast((c, v) => (c !== 0 ? v : -7), condition, x),
  }),
  opCase<'a' | 'b'>({
    name: 'add in 65,600 workgroups',
    inputs: { a: values([2099200, 2], [1, 2, 3, 4, 5]), b: values([2], [10, 20]) },
    op: ({ a, b }) => add(a, b),
    reference: ({ a, b }) =>
      nd(
        a.shape,
        a.data.map((v, i) => v + (b.data[i % 2] ?? 0)),
      ),
    gradients: [],
  }),
  opCase<'a' | 'b'>({
    name: 'mul [256, 1024] and [1024]',
    inputs: { a: normal([256, 1024]), b: normal([1024]) },
    op: ({ a, b }) => mul(a, b),
    reference: ({ a, b }) =>
      nd(
        a.shape,
        a.data.map((v, i) => v * (b.data[i % 1024] ?? 0)),
      ),
    gradients: [],
    flops: 256 * 1024,
    bytes: 8 * 256 * 1024,
  }),
  opCase<'x'>({
    name: 'pow of negative bases and zeros',
    inputs: { x: values([7], [-2, -1.5, 0, 3, -0.25]) },
    op: ({ x }) => [pow(x, 3), pow(x, 2), pow(x, 1), pow(x, 0)],
    reference: ({ x }) => [3, 2, 1, 0].map((n) => broadcast((v) => v ** n, x)),
    secondOrder: true,
  }),
  opCase<'x'>({
    name: 'pow of negative bases to other exponents',
    inputs: { x: values([5], [-2, -1.5, 0, 3, NAN]) },
    op: ({ x }) => [pow(x, 0.5), pow(x, -3), pow(x, -2), pow(0, x), pow(-2, x)],
    reference: ({ x }) => [
      ...[0.5, -3, -2].map((n) => broadcast((v) => v ** n, x)),
      ...[0, -2].map((base) => broadcast((v) => base ** v, x)),
    ],
    gradients: [],
  }),
];

const addRule: Rule = ['add', add, (a, b) => a + b];
const subRule: Rule = ['sub', sub, (a, b) => a - b];
const mulRule: Rule = ['mul', mul, (a, b) => a * b];
const maximumRule: Rule = ['maximum', maximum, (a, b) => Math.max(a, b)];
const minimumRule: Rule = ['minimum', minimum, (a, b) => Math.min(a, b)];

/** JavaScript's pow differs from C's at 1 to the power of NaN or ∞. */
const power: Formula = (a, b) => (Math.abs(a) === 1 && Math.abs(b) === INF ? 1 : a ** b);

export const binaryCases: readonly OpCase[] = [
  ...smoothCases(addRule, SHAPES),
  ...smoothCases(mulRule, SHAPES),
  ...smoothCases(subRule, [...FEW_SHAPES, ...RUN_SHAPES]),
  ...RUN_SHAPES.map(([a, b]) => pair(addRule, integers(a, -9, 9), integers(b, -9, 9), { gradients: [] })),
  ...smoothCases(['div', div, (a, b) => a / b], FEW_SHAPES),
  ...smoothCases(['pow', pow, power], FEW_SHAPES),
  ...[addRule, subRule, mulRule, maximumRule, minimumRule].flatMap(integerCases),
  ...[maximumRule, minimumRule].flatMap(extremeCases),
  ...comparisons.flatMap(comparisonCases),
  ...whereCases,
  ...moreCases,
];
