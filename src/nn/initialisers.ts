import { ones, zeros } from '../kernels/fill.ts';
import { randomNormal, randomUniform } from '../kernels/random.ts';
import type { Device } from '../tensor/device.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * Makes the weights of a network, reproducible from one seed: each tensor gets a random stream of its own, in the order
 * of construction. The tensors belong to no scope and live until their module is disposed of.
 */
export class Initialiser {
  readonly device: Device;
  readonly #seed: number;
  #stream = 0;

  constructor(device: Device, seed: number) {
    this.device = device;
    this.#seed = seed;
  }

  /** N(0, 2 / fanIn): keeps the variance through ReLU (He et al. 2015, eq. 10). */
  kaimingNormal(shape: Shape, fanIn: number): Tensor {
    return this.normal(shape, Math.sqrt(2 / fanIn));
  }

  /** U(−b, b) with b = √(6 / fanIn) (He et al. 2015). */
  kaimingUniform(shape: Shape, fanIn: number): Tensor {
    return this.uniform(shape, Math.sqrt(6 / fanIn));
  }

  /** N(0, 2 / (fanIn + fanOut)) (Glorot and Bengio 2010). */
  xavierNormal(shape: Shape, fanIn: number, fanOut: number): Tensor {
    return this.normal(shape, Math.sqrt(2 / (fanIn + fanOut)));
  }

  /** U(−b, b) with b = √(6 / (fanIn + fanOut)) (Glorot and Bengio 2010, eq. 16). */
  xavierUniform(shape: Shape, fanIn: number, fanOut: number): Tensor {
    return this.uniform(shape, Math.sqrt(6 / (fanIn + fanOut)));
  }

  /** N(0, std²). */
  normal(shape: Shape, std: number): Tensor {
    return this.#kept(() =>
      randomNormal(this.device, shape, { seed: this.#seed, stream: this.#stream++, mean: 0, std }),
    );
  }

  /** U(−bound, bound). Throws `ShapeError` unless bound > 0. */
  uniform(shape: Shape, bound: number): Tensor {
    const range = { low: -bound, high: bound };
    return this.#kept(() =>
      randomUniform(this.device, shape, { seed: this.#seed, stream: this.#stream++, ...range }),
    );
  }

  /** All 0; takes no random stream. */
  zeros(shape: Shape): Tensor {
    return this.#kept(() => zeros(this.device, shape));
  }

  /** All 1; takes no random stream. */
  ones(shape: Shape): Tensor {
    return this.#kept(() => ones(this.device, shape));
  }

  /** Given values, row-major. Throws `ShapeError` when the shape does not hold as many. */
  values(data: Float32Array<ArrayBuffer>, shape: Shape): Tensor {
    return this.#kept(() => this.device.tensor(data, shape));
  }

  #kept(make: () => Tensor): Tensor {
    return this.device.keep(this.device.scope(make));
  }
}
