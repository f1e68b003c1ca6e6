import { check } from '../errors.ts';
import { reshape } from '../kernels/layout.ts';
import { type Layers, runLayers } from '../nn/chain.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Dropout, Linear, Relu } from '../nn/layers.ts';
import type { Layer } from '../nn/module.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Network, Stage } from './backbone.ts';

export interface MlpOptions {
  /** Numbers of a sample. */
  readonly in: number;
  /** Logits of the head; without it the network is a backbone only. */
  readonly classes?: number;
  /** Units of each hidden layer; 512 when left out. */
  readonly width?: number;
  /** Hidden layers; 2 when left out. */
  readonly depth?: number;
  /** After each hidden layer; 0 when left out. */
  readonly dropout?: number;
}

/**
 * A multilayer perceptron, `h_i = relu(W_i h_{i−1} + b_i)`, for samples [N, …] of any shape with `in` numbers each. One
 * hidden layer is one stage. Throws `ShapeError` without a hidden layer and for samples of another size.
 */
export class Mlp extends Network {
  readonly channels: readonly number[];
  readonly layers: readonly Layers[];
  readonly head: Linear | undefined;
  readonly #in: number;

  constructor(init: Initialiser, options: MlpOptions) {
    super();
    const { in: from, classes, width = 512, depth = 2, dropout = 0 } = options;
    check(depth > 0, 'Mlp', () => `needs at least one hidden layer; got depth ${depth}`);
    this.#in = from;
    this.channels = new Array(depth).fill(width);
    this.layers = this.channels.map((to, i) => {
      const linear = new Linear(init, { in: this.channels[i - 1] ?? from, out: to });
      return [linear, new Relu(), new Dropout(dropout, i)];
    });
    this.head = classes ? new Linear(init, { in: width, out: classes }) : undefined;
  }

  get stages(): readonly Layer[] {
    return this.layers.map(
      (layer, i) => new Stage((x, mode) => runLayers(layer, i === 0 ? this.#flat(x) : x, mode)),
    );
  }

  #flat(x: Tensor): Tensor {
    const [n = 0] = x.shape;
    check(x.size === n * this.#in, 'Mlp', () => `needs ${this.#in} numbers a sample; got ${x}`);
    return reshape(x, [n, this.#in]);
  }
}
