import { batchNorm, batchNormInference, layerNorm } from '../kernels/norm.ts';
import { emaUpdate } from '../kernels/update.ts';
import { sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Initialiser } from './initialisers.ts';
import { Layer, type Mode } from './module.ts';
import { type TorchCounter, type TorchEntry, torchTensor } from './torch-state.ts';

export interface BatchNormOptions {
  readonly epsilon?: number;
  readonly momentum?: number;
  /** What γ starts at; 1 when left out. */
  readonly gamma?: number;
}

/**
 * `γ (x − mean) / √(variance + ε) + β` over all axes but the last: [..., C] → [..., C]. Training uses the batch's
 * statistics and moves the running ones by `momentum`; evaluation uses the running ones. The batch is normalised by its
 * biased variance, and the running average is of the unbiased one (`m / (m − 1)` times it, m elements a channel), as in
 * Ioffe and Szegedy 2015, algorithms 1 and 2, and in PyTorch. Throws `ShapeError` unless x has C channels.
 */
export class BatchNorm extends Layer {
  readonly gamma: Tensor;
  readonly beta: Tensor;
  readonly mean: Tensor;
  readonly variance: Tensor;
  /** PyTorch's `num_batches_tracked`, kept for `saveTorch`: batches seen here are not counted. */
  readonly batchesTracked: TorchCounter['counter'] = { value: 0n };
  readonly #epsilon: number;
  readonly #momentum: number;

  constructor(init: Initialiser, channels: number, options: BatchNormOptions = {}) {
    super();
    this.gamma =
      options.gamma === undefined
        ? init.ones([channels])
        : init.values(new Float32Array(channels).fill(options.gamma), [channels]);
    this.beta = init.zeros([channels]);
    this.mean = init.zeros([channels]);
    this.variance = init.ones([channels]);
    this.#epsilon = options.epsilon ?? 1e-5;
    this.#momentum = options.momentum ?? 0.1;
  }

  forward(x: Tensor, mode: Mode): Tensor {
    const epsilon = this.#epsilon;
    if (!mode.training)
      return batchNormInference(x, this.mean, this.variance, this.gamma, this.beta, { epsilon });
    const { y, mean, variance } = batchNorm(x, this.gamma, this.beta, { epsilon });
    this.#track(mean, variance, sizeOf(x.shape.slice(0, -1)));
    return y;
  }

  #track(mean: Tensor, variance: Tensor, count: number): void {
    const momentum = this.#momentum;
    emaUpdate(this.mean, mean, { momentum });
    emaUpdate(this.variance, variance, { momentum, scale: count / Math.max(count - 1, 1) });
  }

  protected override bufferNames(): readonly string[] {
    return ['mean', 'variance'];
  }

  override torchState(): TorchEntry[] {
    return [
      torchTensor('weight', this.gamma),
      torchTensor('bias', this.beta),
      torchTensor('running_mean', this.mean),
      torchTensor('running_var', this.variance),
      { name: 'num_batches_tracked', counter: this.batchesTracked },
    ];
  }
}

/** `γ (x − mean) / √(variance + ε) + β` over the last axis: [..., C] → [..., C] (Ba et al. 2016). */
export class LayerNorm extends Layer {
  readonly gamma: Tensor;
  readonly beta: Tensor;
  readonly #epsilon: number;

  constructor(init: Initialiser, channels: number, options: { epsilon?: number } = {}) {
    super();
    this.gamma = init.ones([channels]);
    this.beta = init.zeros([channels]);
    this.#epsilon = options.epsilon ?? 1e-5;
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.gamma, this.beta, { epsilon: this.#epsilon });
  }

  override torchState(): TorchEntry[] {
    return [torchTensor('weight', this.gamma), torchTensor('bias', this.beta)];
  }
}
