import type { Input, OpCase } from './case.ts';

/** Rounding to f16 is off by 2⁻¹¹ of a number; 2e-3 of the largest is four times as much. */
const TOLERANCE = 2e-3;
/** A gradient goes through several roundings. */
const GRADIENT_TOLERANCE = 1e-2;

const isF32 = ({ dtype }: Input) => dtype === 'f32';

/** The case with f16 for each f32 input except those in `kept`: the reference sees the rounded numbers. */
function half(opCase: OpCase, kept: readonly string[] = []): OpCase {
  const { secondOrder: _, linear: __, property: ___, ...rest } = opCase;
  const inputs = Object.entries(opCase.inputs).map(([name, input]) => [
    name,
    isF32(input) && !kept.includes(name) ? { ...input, dtype: 'f16' as const } : input,
  ]);
  return {
    ...rest,
    name: `f16: ${opCase.name}`,
    inputs: Object.fromEntries(inputs),
    tolerance: Math.max(opCase.tolerance ?? 0, TOLERANCE),
    gradientTolerance: Math.max(opCase.gradientTolerance ?? 0, GRADIENT_TOLERANCE),
  };
}

/** What is checked of a family in f16. */
interface Halves {
  /** The cases: one for each kernel rather than for each shape. */
  readonly cases: RegExp;
  /** Inputs that stay f32. */
  readonly kept?: readonly string[];
}

/** The families that take f16. */
export const HALVES: Readonly<Record<string, Halves>> = {
  elementwise: {
    cases:
      /^(?!equal|less|greater|notEqual).*\[3,5,8\] and \[8\]|of f32 \[2,3,16\]|add of f32|maximum|^less .*special|where|cast|^(relu|sign|exp|log|gelu|tanh|softplus|clamp|sqrt|abs).*\[3,7\]/,
  },
  layout: { cases: /./ },
  loss: { cases: /^(?!.*(-Infinity|zero prob|up to))/ },
  norm: {
    cases: /^(?!.*\[\d{4,}|.*far from zero)/,
    kept: ['gamma', 'beta', 'mean', 'variance'],
  },
  attention: { cases: /./ },
  'channel-matmul': { cases: /./ },
  conv: { cases: /^(?!.*workgroups)/ },
  'graph-conv': { cases: /^(?!A\[)/ }, // whose weights are f32 whatever x is
  matmul: { cases: /^(?!.*(workgroups|range))/ },
  pool: { cases: /^(?!.*workgroups)/ },
  random: { cases: /dropout/ },
  resize: { cases: /bilinear/ },
  softmax: {
    cases: /^(softmax|logSoftmax) (\[(3,4|5,7|3,5,4)\]|of masked)|^softmax \[(37,130|2,5001)\]|^masked/,
  },
  reduce: { cases: /^(?!.*(million|workgroups|large numbers))/ },
};

/** The cases of a family with f16 in place of f32. */
export function halfCases(family: string, cases: readonly OpCase[]): readonly OpCase[] {
  const rule = HALVES[family];
  if (!rule) return [];
  const fit = cases.filter(
    ({ name, inputs, large }) => !large && rule.cases.test(name) && Object.values(inputs).some(isF32),
  );
  return fit.map((opCase) => half(opCase, rule.kept));
}
