import { check, need } from '../errors.ts';
import { div, sub } from '../kernels/elementwise.ts';
import { ofType } from '../kernels/elementwise-cast.ts';
import { reshape } from '../kernels/layout.ts';
import type { Network } from '../models/backbone.ts';
import type { Mode } from '../nn/module.ts';
import { formatShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  type ActionInputs,
  ActionNetwork,
  type ActionOutput,
  inputOf,
  type Modality,
} from './action-network.ts';
import { checkModality } from './modality.ts';

export interface NetworkStreamOptions {
  /** The network is one for images, and clips have one frame. */
  readonly images?: boolean;
  /**
   * Of each channel: the network gets `(x − mean) / deviation`. Here and not in the data, so that ε of an attack stays in
   * units of the input. Left out for a network that takes x as it is or normalises inside (CIFAR ResNet).
   */
  readonly normalise?: { readonly mean: readonly number[]; readonly deviation: readonly number[] };
}

/**
 * A published network with the head of its own as the only stream, so that `Trainer`, the training methods and the metrics take it,
 * with weights of PyTorch or without.
 */
export class NetworkStream extends ActionNetwork {
  readonly modalities: readonly Modality[];
  readonly network: Network;
  readonly #options: NetworkStreamOptions;

  constructor(modality: Modality, network: Network, options: NetworkStreamOptions = {}) {
    super();
    checkModality('NetworkStream', modality);
    need(typeof network?.forward === 'function', 'NetworkStream', 'a network', network);
    this.modalities = [modality];
    this.network = network;
    this.#options = options;
  }

  /**
   * Logits [N, classes] of the network. Throws `ShapeError` for clips of more than one frame with `images`, another number of means or
   * deviations than of channels, a modality that is missing, and a network without a head.
   */
  forward(inputs: ActionInputs, mode: Mode): ActionOutput {
    const given = inputOf(inputs, this.modalities[0] ?? 'rgb');
    const x = this.#options.images ? onlyFrames(given) : given;
    return { logits: this.network.forward(this.#normalised(x), mode), auxiliary: [], weights: [] };
  }

  #normalised(x: Tensor): Tensor {
    const { normalise } = this.#options;
    if (!normalise) return x;
    const { mean, deviation } = normalise;
    const channels = x.shape.at(-1);
    const fits = mean.length === channels && deviation.length === channels;
    check(
      fits,
      'NetworkStream',
      () => `normalise needs ${channels} means and deviations; got ${mean.length} and ${deviation.length}`,
    );
    const [shift, scale] = [mean, deviation].map((list) => ofType(x.device.tensor([...list]), x.dtype));
    return div(sub(x, shift as Tensor), scale as Tensor);
  }
}

/** [N, 1, H, W, C] → [N, H, W, C]. */
function onlyFrames(x: Tensor): Tensor {
  const { shape } = x;
  const fits = shape.length === 5 && shape[1] === 1;
  check(fits, 'NetworkStream', () => `with images it takes [N, 1, H, W, C]; got ${formatShape(shape)}`);
  return reshape(x, [shape[0] ?? 0, ...shape.slice(2)]);
}
