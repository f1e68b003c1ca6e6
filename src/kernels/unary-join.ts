import { labelOf, writesOf } from '../tensor/pipelines.ts';
import type { Join, Launch } from '../tensor/recording.ts';
import { normalizedRelu, RELU } from './batch-norm-relu.ts';
import { elementwiseWgsl } from './wgsl.gen.ts';

/** OP of elementwise-binary.wgsl, FIRST of elementwise.wgsl. */
const ADD = 0;
const SUBTRACT = 1;
const MULTIPLY = 2;
/** OP of abs, sign, clamp, relu and leakyRelu in elementwise.wgsl: they add nothing to what they are given. */
const ADDLESS: readonly number[] = [0, 1, 7, 8, 9];

/**
 * Lets a captured step compute a + b, a − b or a · b inside the unary op, or the gradient of one, that is its only use, and
 * relu inside the batch norm before it.
 * The bits stay those of two kernels: a product is joined only where no compiler could make it and a sum one
 * multiply-add, and only f32 is, which is not rounded when it is stored.
 */
export function joinOf(entry: 'joined' | 'joinedGradient', code: number): Join {
  const input = entry === 'joined' ? 0 : 1;
  return {
    input,
    after(first, then) {
      const normalized = entry === 'joined' && code === RELU ? normalizedRelu(first, then) : undefined;
      if (normalized) return normalized;
      if (!isDenseBinary(first) || first.params[0] !== then.params[0]) return undefined;
      const { OP = ADD, NUMBER = 0, ONE = 0 } = first.wanted.specialization.constants ?? {};
      const isExact = OP === MULTIPLY && (entry === 'joinedGradient' || ADDLESS.includes(code));
      if (OP !== ADD && OP !== SUBTRACT && !isExact) return undefined;
      const specialization = { constants: { OP: code, FIRST: OP, NUMBER, ONE } };
      const wanted = { shader: elementwiseWgsl, entry, specialization };
      return {
        ...then,
        ...{ label: labelOf(wanted), wanted, written: writesOf(wanted), join: undefined },
        values: insertOperands(then.values, input, first.values),
        tensors: then.tensors && first.tensors && insertOperands(then.tensors, input, first.tensors),
        params: withNumber(then.params, first.params),
      };
    },
  };
}

/** Of the bindings of two launches those of `joined` or `joinedGradient`: a and b where the result of theirs was read. */
function insertOperands<T>(then: readonly T[], input: number, first: readonly T[]): T[] {
  return [...then.slice(0, input), ...first.slice(0, 2), ...then.slice(-1)];
}

function isDenseBinary({ label, wanted }: Launch): boolean {
  return label === 'elementwise-binary.wgsl:flat' && wanted.specialization.lines?.T !== 'f16';
}

/** The params of elementwise.wgsl with the number, the second param of elementwise-binary.wgsl, behind them. */
function withNumber(params: Uint32Array, [, number = 0]: Uint32Array): Uint32Array {
  const words = params.slice();
  words[words.length - 1] = number;
  return words;
}
