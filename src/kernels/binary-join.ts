import type { Device } from '../tensor/device.ts';
import type { Join, Launch } from '../tensor/recording.ts';
import { elementwiseBinaryWgsl } from './wgsl.gen.ts';

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
export function joinRepeated(device: Device): Join {
  return {
    input: 0,
    after(first, then) {
      if (!isRepeated(first) || then.specialization.lines?.T !== 'f32') return undefined;
      const { constants = {} } = then.specialization;
      const specialization = {
        ...then.specialization,
        constants: { ...constants, ONE: (constants.ONE ?? 0) | LEFT_BIT },
      };
      const withElement = <T>(own: readonly T[], made: readonly T[]) => [
        ...made.slice(0, 1),
        ...own.slice(1),
      ];
      return {
        ...then,
        ...{ specialization, join: undefined },
        pipeline: device.pipelines.get(elementwiseBinaryWgsl, 'flat', specialization),
        values: withElement(then.values, first.values),
        tensors: then.tensors && first.tensors && withElement(then.tensors, first.tensors),
      };
    },
  };
}

function isRepeated({ label, specialization, params }: Launch): boolean {
  const { OP, NUMBER, ONE = 0 } = specialization.constants ?? {};
  const isOne = params[1] === ONE_BITS && NUMBER === RIGHT && OP === MULTIPLY;
  return label === 'elementwise-binary.wgsl:flat' && isOne && (ONE & LEFT_BIT) !== 0;
}
