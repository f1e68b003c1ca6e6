import {
  abs,
  cast,
  clamp,
  exp,
  gelu,
  leakyRelu,
  log,
  neg,
  relu,
  rsqrt,
  sigmoid,
  sign,
  silu,
  softplus,
  sqrt,
  square,
  tanh,
} from '../../src/kernels/elementwise.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { integers, normal, type OpCase, opCase, uniform, values } from './case.ts';
import { binaryCases } from './elementwise-binary.ts';
import { normalCdf } from './elementwise-reference.ts';
import { type Nd, nd } from './nd.ts';

const { NaN: NAN, POSITIVE_INFINITY: INF } = Number;

/** Name, op, formula, where it is smooth, special values to compare. */
type Unary = readonly [
  string,
  (x: Tensor) => Tensor,
  (x: number) => number,
  readonly [number, number],
  readonly number[],
];

const EVERYWHERE = [-3, 3] as const;
const POSITIVE = [0.3, 3] as const;
const EXTREMES = [0, -0, NAN, INF, -INF, 1e30, -1e30, 1e-30, -1e-30, 90, -90, 0.3];
const LIMITS = [0, NAN, INF, 1e30, 1e-30, -1, 90];

const geluTanh = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
const logistic = (x: number) => 1 / (1 + Math.exp(-x));
/** −∞ · 0 is 0, as in the limit. */
const limited = (f: (x: number) => number) => (x: number) => (x < -1e4 ? -0 : f(x));

const smooth: readonly Unary[] = [
  ['neg', neg, (x) => -x, EVERYWHERE, EXTREMES],
  ['square', square, (x) => x * x, EVERYWHERE, [0, NAN, INF, -INF, -3]],
  ['sqrt', sqrt, Math.sqrt, POSITIVE, LIMITS],
  ['rsqrt', rsqrt, (x) => 1 / Math.sqrt(x), POSITIVE, [0, NAN, INF, 4, -1]],
  ['exp', exp, Math.exp, EVERYWHERE, [0, NAN, INF, -INF, -90, 5]],
  ['log', log, Math.log, POSITIVE, LIMITS],
  ['gelu', gelu, limited((x) => x * normalCdf(x)), EVERYWHERE, EXTREMES],
  ['gelu tanh', (x) => gelu(x, { approximate: 'tanh' }), limited(geluTanh), EVERYWHERE, EXTREMES],
  ['silu', silu, limited((x) => x * logistic(x)), EVERYWHERE, EXTREMES],
  ['sigmoid', sigmoid, logistic, EVERYWHERE, EXTREMES],
  ['tanh', tanh, Math.tanh, EVERYWHERE, EXTREMES],
  ['softplus', softplus, (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), EVERYWHERE, EXTREMES],
];

const nan = (x: number, otherwise: number) => (Number.isNaN(x) ? x : otherwise);
const kinked: readonly Unary[] = [
  ['abs', abs, Math.abs, EVERYWHERE, EXTREMES],
  ['sign', sign, Math.sign, EVERYWHERE, EXTREMES],
  ['relu', relu, (x) => nan(x, Math.max(x, 0)), EVERYWHERE, EXTREMES],
  ['leakyRelu', (x) => leakyRelu(x, 0.2), (x) => (x < 0 ? 0.2 * x : x), EVERYWHERE, EXTREMES],
  ['leakyRelu by default', leakyRelu, (x) => (x < 0 ? 0.01 * x : x), EVERYWHERE, []],
  ['clamp', (x) => clamp(x, -1, 2), (x) => nan(x, Math.min(Math.max(x, -1), 2)), EVERYWHERE, EXTREMES],
  ['clamp below', (x) => clamp(x, 0.5, INF), (x) => nan(x, Math.max(x, 0.5)), EVERYWHERE, EXTREMES],
];

const map = (x: Nd, f: (value: number) => number): Nd => nd(x.shape, x.data.map(f));

function unaryCase(
  [name, op, formula]: Unary,
  input: OpCase['inputs'][string],
  extra: Partial<OpCase>,
): OpCase {
  return opCase<'x'>({
    name: `${name} [${input.shape}]`,
    inputs: { x: input },
    op: ({ x }) => op(x),
    reference: ({ x }) => map(x, formula),
    ...extra,
  } as OpCase<'x'>);
}

/** What `compare` cannot see: the relative error of small elements. */
function relative(formula: (x: number) => number): NonNullable<OpCase['property']> {
  return ([y], inputs) => {
    const list = [...(inputs.x?.data ?? [])];
    const wrong = list.findIndex((x, i) => {
      const expected = formula(x);
      return !(Math.abs((y?.data[i] ?? NAN) - expected) <= 1e-5 * Math.abs(expected) + 2e-7);
    });
    return wrong < 0
      ? undefined
      : `f(${list[wrong]}) = ${y?.data[wrong]}, expected ${formula(list[wrong] ?? NAN)}`;
  };
}

function unaryCases(rule: Unary, secondOrder: boolean): OpCase[] {
  const [name, , formula, [low, high], special] = rule;
  const list = special.map(Math.fround);
  return [
    unaryCase(rule, uniform([3, 7], low, high), { secondOrder }),
    unaryCase(rule, uniform([1], low, high), { secondOrder }),
    unaryCase(rule, uniform([0, 5], low, high), {}),
    ...list.map((value) => ({
      ...unaryCase(rule, values([1], [value]), { gradients: [] }),
      name: `${name} of ${value}`,
    })),
    {
      ...unaryCase(rule, uniform([5, 41], low === 0.3 ? 1e-3 : -8, 8), {
        gradients: [],
        property: relative(formula),
      }),
      name: `${name}: relative error`,
    },
  ];
}

/** Cut towards 0, saturated, NaN as 0. */
function toInteger(x: number, low: number, high: number): number {
  return Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(x), low), high);
}

const FLOATS = [0, 1.9, -1.9, NAN, INF, -INF, 3e9, -3e9, 5e9];
const castCases: readonly OpCase[] = [
  opCase<'x'>({
    name: 'cast f32 to the others',
    inputs: { x: values([9], FLOATS) },
    op: ({ x }) => [cast(x, 'f32'), cast(x, 'i32'), cast(x, 'u32')],
    reference: ({ x }) => [
      x,
      // The largest floats below 2^31 and 2^32, and the limits themselves, are both allowed.
      map(x, (v) => toInteger(v, -(2 ** 31), 2 ** 31 - 1)),
      map(x, (v) => toInteger(v, 0, 2 ** 32 - 1)),
    ],
    gradients: [],
  }),
  opCase<'x'>({
    name: 'cast i32 to the others',
    inputs: { x: integers([11], -1000, 1000) },
    op: ({ x }) => [cast(x, 'f32'), cast(x, 'i32'), cast(x, 'u32')],
    reference: ({ x }) => [x, x, map(x, (v) => v >>> 0)],
  }),
  opCase<'x'>({
    name: 'cast u32 to the others',
    inputs: { x: values([5], [0, 1, 16777216, 4294967295], 'u32') },
    op: ({ x }) => [cast(x, 'f32'), cast(x, 'i32'), cast(x, 'u32')],
    reference: ({ x }) => [map(x, Math.fround), map(x, (v) => v | 0), x],
  }),
  opCase<'x'>({
    name: 'cast f32 to f32 has a gradient',
    inputs: { x: normal([7]) },
    op: ({ x }) => cast(x, 'f32'),
    reference: ({ x }) => x,
    linear: ['x'],
  }),
];

const bigCase = opCase<'x'>({
  name: 'relu [4194311]',
  inputs: { x: values([4194311], [-1, 2, -3, 4, 5]) },
  op: ({ x }) => relu(x),
  reference: ({ x }) => map(x, (v) => Math.max(v, 0)),
  gradients: [],
  bytes: 8 * 4194311,
  large: true,
});

export const cases: readonly OpCase[] = [
  ...binaryCases,
  ...smooth.flatMap((rule) => unaryCases(rule, true)),
  ...kinked.flatMap((rule) => unaryCases(rule, false)),
  ...castCases,
  bigCase,
];
