import { check } from '../errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { gelu, leakyRelu, relu, sigmoid, silu, tanh } from './elementwise.ts';
import { leakyReluSlope, reluSlope, sigmoidSlope, tanhSlope } from './unary-activations.ts';

/** A function applied to the result of a product as it is stored. */
export type Activation = 'none' | 'relu' | 'leakyRelu' | 'sigmoid' | 'tanh' | 'gelu' | 'silu';

interface Kind {
  /** ACTIVATION in matmul.wgsl. */
  readonly code: number;
  apply(x: Tensor, slope: number): Tensor;
  /** g · f′ from y = f(x), where f′ follows from y. */
  readonly gradient?: (y: Tensor, g: Tensor, slope: number) => Tensor;
}

const KINDS: Readonly<Record<Activation, Kind>> = {
  none: { code: 0, apply: (x) => x, gradient: (_, g) => g },
  relu: { code: 1, apply: relu, gradient: (y, g) => reluSlope(y, g) },
  leakyRelu: {
    code: 2,
    apply: leakyRelu,
    gradient: (y, g, slope) => leakyReluSlope(y, g, { p: slope, q: 0 }),
  },
  sigmoid: { code: 3, apply: sigmoid, gradient: (y, g) => sigmoidSlope(y, g) },
  tanh: { code: 4, apply: tanh, gradient: (y, g) => tanhSlope(y, g) },
  gelu: { code: 5, apply: (x) => gelu(x) },
  silu: { code: 6, apply: silu },
};

/** ACTIVATION in matmul.wgsl. */
export function codeOf(activation: Activation): number {
  return KINDS[activation].code;
}

/** The activation as an op of its own. */
export function activate(x: Tensor, activation: Activation, slope: number): Tensor {
  return KINDS[activation].apply(x, slope);
}

/** Whether the derivative can be had from the output alone, so that the activation may be fused under a gradient. */
export function followsFromOutput(activation: Activation, slope: number): boolean {
  if (activation === 'leakyRelu') return slope >= 0; // below, y has not the sign of x
  return KINDS[activation].gradient !== undefined;
}

/** dLoss/dx from y = f(x) and g = dLoss/dy; only for activations whose derivative follows from the output. */
export function activationGradient(activation: Activation, y: Tensor, g: Tensor, slope: number): Tensor {
  return KINDS[activation].gradient?.(y, g, slope) as Tensor;
}

/** Throws `ShapeError` for an activation of another name. */
export function checkActivation(op: string, activation: Activation): void {
  const names = Object.keys(KINDS).join(', ');
  check(activation in KINDS, op, () => `activation must be one of ${names}; got ${activation}`);
}
