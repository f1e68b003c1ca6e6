import type { Initialiser } from '../nn/initialisers.ts';
import { Dropout, Linear } from '../nn/layers.ts';
import { Layer, type Mode } from '../nn/module.ts';
import { toF32 } from '../nn/precision.ts';
import { squeeze } from '../nn/squeeze.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Backbone } from './backbone.ts';

/** A backbone with a linear head, in f32, on its averaged features: input → logits [N, classes]. */
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
    const features = toF32(squeeze(this.backbone.features(x, mode)));
    return this.head.forward(this.#dropout.forward(features, mode));
  }
}
