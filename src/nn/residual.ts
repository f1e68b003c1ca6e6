import { add, relu } from '../kernels/elementwise.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Layer, type Mode } from './module.ts';

/** `relu(main(x) + shortcut(x))`; without a shortcut layer the input itself is added (He et al. 2016, eq. 1 and 2). */
export class Residual extends Layer {
  readonly main: Layer;
  readonly shortcut: Layer | undefined;

  constructor(main: Layer, shortcut?: Layer) {
    super();
    this.main = main;
    this.shortcut = shortcut;
  }

  forward(x: Tensor, mode: Mode): Tensor {
    const skipped = this.shortcut ? this.shortcut.forward(x, mode) : x;
    return relu(add(this.main.forward(x, mode), skipped));
  }
}
