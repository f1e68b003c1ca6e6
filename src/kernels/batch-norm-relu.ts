import type { Join, Launch } from '../tensor/recording.ts';

/** OP of relu in elementwise.wgsl. */
export const RELU = 8;
/** Places of x and g among the tensors of scaleGrad4, and of those of relu's gradient. */
const SCALE = { x: 0, g: 3 };
const GRADIENT = { x: 0, g: 1 };

/** relu computed by the batch norm that makes its input; undefined where none does. */
export function normalizedRelu(first: Launch, then: Launch): Launch | undefined {
  if (first.label !== 'batch-norm.wgsl:normalize4' || !isF32(first)) return undefined;
  return { ...withRelu(first), ...replaced(first, then, first.values.length - 1, then.values.length - 1) };
}

/** Lets the gradient of a batch norm with given statistics compute that of the relu behind it. */
export const joinReluGradient: Join = {
  input: SCALE.g,
  after(first, then) {
    const { OP } = first.wanted.specialization.constants ?? {};
    if (first.label !== 'elementwise.wgsl:gradient' || OP !== RELU || !isF32(first)) return undefined;
    const withOutput = { ...then, ...replaced(then, first, SCALE.x, GRADIENT.x) };
    return { ...withRelu(withOutput), ...replaced(withOutput, first, SCALE.g, GRADIENT.g), join: undefined };
  },
};

function isF32({ wanted }: Launch): boolean {
  return wanted.specialization.lines?.T !== 'f16';
}

function withRelu(launch: Launch): Launch {
  const { wanted } = launch;
  const { specialization } = wanted;
  const constants = { ...specialization.constants, RELU: 1 };
  return { ...launch, wanted: { ...wanted, specialization: { ...specialization, constants } } };
}

/** The bindings of a launch, the `at`-th being the `from`-th of another. */
function replaced(
  launch: Launch,
  other: Launch,
  at: number,
  from: number,
): Pick<Launch, 'values' | 'tensors'> {
  const swap = <T>(list: readonly T[], source: readonly T[]) => list.with(at, source[from] as T);
  return {
    values: swap(launch.values, other.values),
    tensors: launch.tensors && other.tensors && swap(launch.tensors, other.tensors),
  };
}
