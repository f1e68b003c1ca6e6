import { check } from '../errors.ts';
import { accumulateUpdate } from '../kernels/update.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { NamedTensors } from './module.ts';
import { slots } from './optimisers.ts';

/**
 * Gradients added up over the parts of a batch that is too large for one pass: with each part's share of the samples as its
 * weight, `Σ share · ∇ mean loss` is the gradient of the whole batch's mean loss.
 */
export class GradientSum {
  readonly #sums: NamedTensors;
  readonly #share = { value: 1 };
  readonly #fresh = { value: 1 };

  /** One sum of the shape of each parameter. */
  constructor(parameters: NamedTensors) {
    this.#sums = slots(parameters, 'sum');
  }

  /** Sets, for the next `add` and the next replay of a captured one, the weight, and whether it starts anew. */
  prepare(share: number, first: boolean): void {
    this.#share.value = share;
    this.#fresh.value = first ? 1 : 0;
  }

  /** Adds `share · grads`; throws `ShapeError` for another number of gradients. */
  add(grads: readonly Tensor[]): void {
    const sums = this.sums;
    const fits = grads.length === sums.length;
    check(
      fits,
      'GradientSum',
      () => `needs ${sums.length} gradients, one per parameter; got ${grads.length}`,
    );
    for (const [i, total] of sums.entries())
      accumulateUpdate(total, grads[i] as Tensor, { scale: this.#share, fresh: this.#fresh });
  }

  /** The sums, in the order of the parameters. */
  get sums(): Tensor[] {
    return [...this.#sums.values()];
  }

  /** Frees the sums. */
  dispose(): void {
    for (const tensor of this.sums) tensor.dispose();
  }
}
