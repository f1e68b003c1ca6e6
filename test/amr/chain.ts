import { tanh } from '../../src/kernels/elementwise.ts';
import { Backbone } from '../../src/models/backbone.ts';
import type { Initialiser } from '../../src/nn/initialisers.ts';
import { Linear } from '../../src/nn/layers.ts';
import { Layer, type Mode } from '../../src/nn/module.ts';
import { BatchNorm } from '../../src/nn/norms.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { numbers } from '../nn/tools.ts';

/** A linear layer over the channels of a map of any rank, normalised, then tanh. */
class Stage extends Layer {
  readonly linear: Linear;
  readonly norm: BatchNorm;
  constructor(init: Initialiser, size: { in: number; out: number }) {
    super();
    this.linear = new Linear(init, size);
    this.norm = new BatchNorm(init, size.out);
  }
  forward(x: Tensor, mode: Mode): Tensor {
    return tanh(this.norm.forward(this.linear.forward(x), mode));
  }
}

/** The least there is to a backbone. */
export class Chain extends Backbone {
  readonly stages: readonly Layer[];
  readonly channels: readonly number[];
  constructor(init: Initialiser, channels: number, widths: readonly number[]) {
    super();
    this.stages = widths.map((out, i) => new Stage(init, { in: widths[i - 1] ?? channels, out }));
    this.channels = widths;
  }
}

/** Random numbers for every tensor, those that start at zero included. */
export function randomise(tensors: ReadonlyMap<string, Tensor>, seed: number): void {
  let stream = seed;
  for (const tensor of tensors.values()) tensor.device.write(tensor, numbers(tensor.size, stream++));
}
