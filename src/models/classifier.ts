import { mean } from '../kernels/reduce.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Dropout, Linear } from '../nn/layers.ts';
import { Layer, type Mode } from '../nn/module.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Backbone } from './backbone.ts';

/** Mean over all axes but the first and last: [N, …, C] → [N, C]. */
export function squeeze(x: Tensor): Tensor {
  if (x.shape.length === 2) return x;
  return mean(x, { axes: Array.from({ length: x.shape.length - 2 }, (_, i) => i + 1) });
}

/** A backbone with a linear head on its averaged features: input → logits [N, classes]. */
export class Classifier extends Layer {
  readonly backbone: Backbone;
  readonly head: Linear;
  readonly #dropout: Dropout;

  constructor(init: Initialiser, backbone: Backbone, options: { classes: number; dropout?: number }) {
    super();
    this.backbone = backbone;
    this.head = new Linear(init, { in: backbone.channels.at(-1) ?? 0, out: options.classes });
    this.#dropout = new Dropout(options.dropout ?? 0, 1000);
  }

  forward(x: Tensor, mode: Mode): Tensor {
    const features = squeeze(this.backbone.features(x, mode));
    return this.head.forward(this.#dropout.forward(features, mode));
  }
}
