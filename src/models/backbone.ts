import { type Layer, type Mode, Module } from '../nn/module.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * A network up to its head, as a chain of stages, so that two backbones can run side by side and exchange information
 * between stages. `stages[0]` takes the raw input.
 */
export abstract class Backbone extends Module {
  abstract readonly stages: readonly Layer[];
  /** Channels after each stage. */
  abstract readonly channels: readonly number[];

  /** The feature map after the last stage, all axes but the first and last averaged by the head. */
  features(x: Tensor, mode: Mode): Tensor {
    return this.stages.reduce((y, stage) => stage.forward(y, mode), x);
  }
}
