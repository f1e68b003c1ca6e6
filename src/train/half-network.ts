import { type ActionInputs, ActionNetwork, type ActionOutput, type Modality } from '../amr/action-network.ts';
import { scaleGradient } from '../autograd/scale-gradient.ts';
import { cast } from '../kernels/elementwise.ts';
import type { Mode } from '../nn/module.ts';
import type { FloatType } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * What attacks multiply the gradients of their sum of losses by: signs are right down to 10⁻⁹, and one beyond 256, which may be
 * lost, is rare.
 */
const ATTACK_SCALE = 2 ** 8;

/**
 * A network that computes in f16: its inputs are f32 and cast inside, its outputs and parameters are f32. Gradients by inputs come out
 * as they are, but pass through the network times `gradientScale`, so that small ones are not lost; those by parameters would come out
 * times that. One beyond 65504 becomes ±∞, or NaN.
 */
export class HalfNetwork extends ActionNetwork {
  readonly network: ActionNetwork;
  readonly #gradientScale: number;

  constructor(network: ActionNetwork, { gradientScale = 1 }: { gradientScale?: number } = {}) {
    super();
    this.network = network;
    this.#gradientScale = gradientScale;
  }

  get modalities(): readonly Modality[] {
    return this.network.modalities;
  }

  forward(inputs: ActionInputs, mode: Mode): ActionOutput {
    const given = Object.entries(inputs).map(([modality, x]) => [modality, this.#narrowed(x)] as const);
    const output = this.network.forward(Object.fromEntries(given), mode);
    const wide = (y: Tensor) => this.#scaled(y, this.#gradientScale);
    const penalty = output.penalty && wide(output.penalty);
    return { ...output, logits: wide(output.logits), auxiliary: output.auxiliary.map(wide), penalty };
  }

  #narrowed(x: Tensor): Tensor {
    return cast(this.#scaled(x, 1 / this.#gradientScale), 'f16');
  }

  #scaled(x: Tensor, factor: number): Tensor {
    return factor === 1 ? x : scaleGradient(x, factor);
  }
}

/** A network as it is trained and as it is attacked, computing in one type or the other. */
export function inPrecision(
  network: ActionNetwork,
  precision: FloatType = 'f32',
): Record<'trained' | 'attacked', ActionNetwork> {
  if (precision === 'f32') return { trained: network, attacked: network };
  const attacked = new HalfNetwork(network, { gradientScale: ATTACK_SCALE });
  return { trained: new HalfNetwork(network), attacked };
}
