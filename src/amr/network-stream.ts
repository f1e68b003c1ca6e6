import { check } from '../errors.ts';
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

/**
 * A published network with the head of its own as the only stream, so that `Trainer`, the training methods and the metrics take it,
 * with weights of PyTorch or without. `images`: the network is one for images, and clips have one frame.
 */
export class NetworkStream extends ActionNetwork {
  readonly modalities: readonly Modality[];
  readonly network: Network;
  readonly #images: boolean;

  constructor(modality: Modality, network: Network, { images = false }: { readonly images?: boolean } = {}) {
    super();
    this.modalities = [modality];
    this.network = network;
    this.#images = images;
  }

  /** Logits [N, classes] of the network. Throws `ShapeError` for clips of more than one frame with `images`, and where the modality is missing. */
  forward(inputs: ActionInputs, mode: Mode): ActionOutput {
    const x = inputOf(inputs, this.modalities[0] ?? 'rgb');
    const logits = this.network.forward(this.#images ? onlyFrames(x) : x, mode);
    return { logits, auxiliary: [], weights: [] };
  }
}

/** [N, 1, H, W, C] → [N, H, W, C]. */
function onlyFrames(x: Tensor): Tensor {
  const { shape } = x;
  const fits = shape.length === 5 && shape[1] === 1;
  check(fits, 'NetworkStream', () => `with images it takes [N, 1, H, W, C]; got ${formatShape(shape)}`);
  return reshape(x, [shape[0] ?? 0, ...shape.slice(2)]);
}
