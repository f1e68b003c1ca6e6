import { check } from '../errors.ts';
import { slice } from '../kernels/layout.ts';
import { accumulateUpdate, emaUpdate } from '../kernels/update.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Module, NamedTensors } from './module.ts';

/**
 * An exponential moving average of a module's weights: `w̄ ← d·w̄ + (1 − d)·w` after each step, starting at the weights as
 * they are (Polyak and Juditsky 1992; Tarvainen and Valpola 2017, section 2). Buffers, which are running averages themselves or
 * constants, are copied.
 */
export class WeightAverage {
  readonly #module: Module;
  readonly #decay: number;
  readonly #averages: NamedTensors;

  /** Throws `ShapeError` unless 0 ≤ decay < 1. */
  constructor(module: Module, { decay }: { readonly decay: number }) {
    check(decay >= 0 && decay < 1, 'WeightAverage', () => `decay must be in [0, 1); got ${decay}`);
    this.#module = module;
    this.#decay = decay;
    this.#averages = new Map([...module.namedState()].map(([name, tensor]) => [name, kept(tensor)]));
  }

  /** Takes the weights as they are into the average. */
  update(): void {
    for (const [name, weight] of this.#module.namedParameters())
      emaUpdate(this.#of(name), weight, { momentum: 1 - this.#decay });
    for (const [name, buffer] of this.#module.namedBuffers()) put(this.#of(name), buffer);
  }

  /** Exchanges the module's weights and their averages, bit for bit: before and after an evaluation of the averages. */
  swap(): void {
    for (const [name, tensor] of this.#module.namedState()) {
      tensor.device.scope(() => {
        const before = copy(tensor);
        put(tensor, this.#of(name));
        put(this.#of(name), before);
      });
    }
  }

  /** The averages, by the names of the weights with `average.` before them. */
  namedState(): NamedTensors {
    return new Map([...this.#averages].map(([name, tensor]) => [`average.${name}`, tensor]));
  }

  /** Frees the averages, not the module. */
  dispose(): void {
    for (const tensor of this.#averages.values()) tensor.dispose();
  }

  #of(name: string): Tensor {
    return this.#averages.get(name) as Tensor;
  }
}

function copy(tensor: Tensor): Tensor {
  return slice(tensor, { size: tensor.shape });
}

function kept(tensor: Tensor): Tensor {
  return tensor.device.keep(tensor.device.scope(() => copy(tensor)));
}

function put(target: Tensor, value: Tensor): void {
  accumulateUpdate(target, value, { fresh: 1 });
}
