import { check, ShapeError } from '../errors.ts';
import { Layer, type Mode, Module } from '../nn/module.ts';
import { toF32 } from '../nn/precision.ts';
import { squeeze } from '../nn/squeeze.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * A network up to its head, as a chain of stages, so that two backbones can run side by side and exchange information
 * between stages. `stages[0]` takes the raw input.
 */
export abstract class Backbone extends Module {
  abstract readonly stages: readonly Layer[];
  /** Channels after each stage. */
  abstract readonly channels: readonly number[];

  /** Indices of the stages after which fusion modules plug in: all but the first, unless a network says otherwise. */
  get taps(): readonly number[] {
    return this.stages.map((_, i) => i).slice(1);
  }

  /** The feature map after stage `last` (the last one when left out). Throws `ShapeError` for a stage that it has not. */
  features(x: Tensor, mode: Mode, last: number = this.stages.length - 1): Tensor {
    const { stages } = this;
    check(
      stages[last] !== undefined,
      'features',
      () => `there are stages 0 … ${stages.length - 1}; got ${last}`,
    );
    return stages.slice(0, last + 1).reduce((y, stage) => runStage(stage, y, mode), x);
  }

  /** What a head reads of the last feature map: the mean over all axes but the first and last, [N, …, C] → [N, C]. */
  pool(features: Tensor, _mode: Mode): Tensor {
    return squeeze(features);
  }
}

/** The output of a stage; what else it made is freed at its end, unless a gradient needs it or `device.keep` was told to keep it. */
export function runStage(stage: Layer, x: Tensor, mode: Mode): Tensor {
  return x.device.scope(() => stage.forward(x, mode));
}

/** A backbone with a head of its own, under its published names: input → logits [N, classes]. */
export abstract class Network extends Backbone {
  /** The last layer; undefined in a network that was made without classes, a backbone only. */
  abstract readonly head: Layer | undefined;

  /** Pooled features [N, C] → logits [N, classes], which are f32 beside f16 too: the head is. Throws `ShapeError` for a network without a head. */
  classify(pooled: Tensor, mode: Mode): Tensor {
    if (!this.head) throw new ShapeError('Network', 'was made without classes and has no head of its own');
    return this.head.forward(toF32(pooled), mode);
  }

  forward(x: Tensor, mode: Mode): Tensor {
    return this.classify(this.pool(this.features(x, mode), mode), mode);
  }
}

/** A stage that is a function of layers which belong to the network, where they have their published names. */
export class Stage extends Layer {
  readonly #run: (x: Tensor, mode: Mode) => Tensor;

  constructor(run: (x: Tensor, mode: Mode) => Tensor) {
    super();
    this.#run = run;
  }

  forward(x: Tensor, mode: Mode): Tensor {
    return this.#run(x, mode);
  }
}
