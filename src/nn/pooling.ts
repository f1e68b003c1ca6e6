import { maxPool1d, maxPool2d, maxPool3d } from '../kernels/pool.ts';
import type { PoolOptions } from '../kernels/pool-geometry.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Layer } from './module.ts';

/**
 * The largest element of each window, [N, …, C] → [N, …', C] over one, two or three axes; see `maxPool1d` for sizes and
 * for what it throws.
 */
export class MaxPool extends Layer {
  readonly #options: PoolOptions;

  constructor(options: PoolOptions) {
    super();
    this.#options = options;
  }

  forward(x: Tensor): Tensor {
    const pool = [maxPool1d, maxPool2d, maxPool3d][x.shape.length - 3] ?? maxPool3d;
    return pool(x, this.#options);
  }
}
