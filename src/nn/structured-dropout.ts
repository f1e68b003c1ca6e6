import { mul } from '../kernels/elementwise.ts';
import { ones } from '../kernels/fill.ts';
import { dropout } from '../kernels/random.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Layer, type Mode } from './module.ts';

/**
 * Dropout of whole parts: in training multiplies x by one draw for each `channel` of each sample (Tompson et al. 2015;
 * PyTorch's `Dropout2d`), or by one for each `sample` (stochastic depth, Huang et al. 2016), which is 0 with probability
 * `rate` and 1 / (1 − rate) otherwise: [N, …, C] → the same.
 */
export class StructuredDropout extends Layer {
  readonly rate: number;
  readonly #part: 'channel' | 'sample';
  readonly #stream: number;

  /** Layers of one network need different streams, or they drop the same parts. */
  constructor(part: 'channel' | 'sample', rate: number, stream: number) {
    super();
    this.rate = rate;
    this.#part = part;
    this.#stream = stream;
  }

  forward(x: Tensor, mode: Mode): Tensor {
    if (!mode.training || this.rate === 0) return x;
    const last = x.shape.length - 1;
    const kept = x.shape.map((size, axis) =>
      axis === 0 || (axis === last && this.#part === 'channel') ? size : 1,
    );
    const draws = { rate: this.rate, seed: mode.seed, stream: this.#stream };
    return mul(x, dropout(ones(x.device, kept, x.dtype), draws));
  }
}
