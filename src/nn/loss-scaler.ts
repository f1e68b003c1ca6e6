import { check } from '../errors.ts';
import { add, div, equal, greaterEqual, minimum, mul, where } from '../kernels/elementwise.ts';
import { sum } from '../kernels/reduce.ts';
import { accumulateUpdate } from '../kernels/update.ts';
import type { Device } from '../tensor/device.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { NamedTensors } from './module.ts';

/** Scales beyond this are of no use, and would one day overflow themselves. */
const LARGEST = 2 ** 24;

export interface LossScalerOptions {
  /** The first scale; 2¹⁶ when left out. */
  readonly initial?: number;
  /** Factor of the scale after `interval` good steps in a row; 2 when left out, 1 keeps it. */
  readonly growth?: number;
  /** Factor of the scale after a step whose gradients overflowed; 0.5 when left out. */
  readonly backoff?: number;
  /** 2000 when left out. */
  readonly interval?: number;
}

/**
 * Dynamic loss scaling (Micikevicius et al. 2018, section 3.2): gradients are taken of `s · loss`, so that small ones do not vanish
 * in a narrow format, and divided by s before the update. Where one of them is infinite or NaN the step is skipped and
 * `s ← backoff · s`; after `interval` good steps in a row `s ← min(growth · s, 2²⁴)`. All of it stays on the GPU: gradients of
 * a step to skip are NaN throughout, which optimisers with `skipNaN` leave out.
 */
export class LossScaler {
  /** s, of shape []. */
  readonly value: Tensor;
  readonly #good: Tensor;
  readonly #options: Required<LossScalerOptions>;

  /** Throws `ShapeError` unless initial > 0, growth ≥ 1, 0 < backoff < 1 and the interval is a positive integer. */
  constructor(device: Device, options: LossScalerOptions = {}) {
    this.#options = { initial: 2 ** 16, growth: 2, backoff: 0.5, interval: 2000, ...options };
    const { initial, growth, backoff, interval } = this.#options;
    const sound = initial > 0 && initial <= LARGEST && growth >= 1 && backoff > 0 && backoff < 1;
    check(
      sound && Number.isInteger(interval) && interval > 0,
      'LossScaler',
      () =>
        `needs 0 < initial ≤ 2^24, growth ≥ 1, 0 < backoff < 1 and an interval of at least 1 step; got ${initial}, ${growth}, ${backoff}, ${interval}`,
    );
    this.value = device.keep(device.tensor([initial], []));
    this.#good = device.keep(device.tensor([0], []));
  }

  /** `s · loss`: a scalar → a scalar. */
  scale(loss: Tensor): Tensor {
    return mul(loss, this.value);
  }

  /**
   * The gradients of the loss from those of `scale(loss)`, or NaN throughout where one element of one of them is not finite;
   * then adapts s. Throws `ShapeError` without any.
   */
  unscale(grads: readonly Tensor[]): Tensor[] {
    check(grads.length > 0, 'LossScaler', () => 'needs at least one gradient');
    // 0 · g is 0 where g is finite, else NaN.
    const probe = grads.map((grad) => sum(mul(grad, 0))).reduce((a, b) => add(a, b));
    const finite = equal(probe, 0);
    const factor = where(finite, div(1, this.value), Number.NaN);
    const unscaled = grads.map((grad) => mul(grad, factor));
    this.#adapt(finite);
    return unscaled;
  }

  /** What a checkpoint must hold. */
  namedState(): NamedTensors {
    return new Map([
      ['lossScale', this.value],
      ['lossScale.good', this.#good],
    ]);
  }

  /** Frees the state. */
  dispose(): void {
    for (const tensor of this.namedState().values()) tensor.dispose();
  }

  #adapt(finite: Tensor): void {
    const { growth, backoff, interval } = this.#options;
    const good = add(this.#good, 1);
    const due = greaterEqual(good, interval);
    const grown = where(due, minimum(mul(this.value, growth), LARGEST), this.value);
    const next = where(finite, grown, mul(this.value, backoff));
    const count = where(finite, where(due, 0, good), 0);
    accumulateUpdate(this.value, next, { fresh: 1 });
    accumulateUpdate(this.#good, count, { fresh: 1 });
  }
}
