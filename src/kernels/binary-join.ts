import type { Join, Launch } from '../tensor/recording.ts';

/** OP of elementwise-binary.wgsl, NUMBER where b is the number, bit of a in ONE. */
const MULTIPLY = 2;
const RIGHT = 2;
const LEFT_BIT = 1;
/** 1 as f32. */
const ONE_BITS = 0x3f800000;

/**
 * Lets a captured step read the one element itself where a, on the left of a dense op, is nothing but that element times 1
 * repeated: the gradient of a sum.
 */
export const joinRepeated: Join = {
  input: 0,
  after(first, then) {
    const { specialization } = then.wanted;
    if (!isRepeated(first) || specialization.lines?.T !== 'f32') return undefined;
    const { constants = {} } = specialization;
    const withLeft = { ...constants, ONE: (constants.ONE ?? 0) | LEFT_BIT };
    return {
      ...then,
      ...{ wanted: { ...then.wanted, specialization: { ...specialization, constants: withLeft } } },
      values: [...first.values.slice(0, 1), ...then.values.slice(1)],
      tensors: then.tensors && first.tensors && [...first.tensors.slice(0, 1), ...then.tensors.slice(1)],
      join: undefined,
    };
  },
};

function isRepeated({ label, wanted, params }: Launch): boolean {
  const { OP, NUMBER, ONE = 0 } = wanted.specialization.constants ?? {};
  const isOne = params[1] === ONE_BITS && NUMBER === RIGHT && OP === MULTIPLY;
  return label === 'elementwise-binary.wgsl:flat' && isOne && (ONE & LEFT_BIT) !== 0;
}
