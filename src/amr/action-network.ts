import { ShapeError } from '../errors.ts';
import type { Backbone } from '../models/backbone.ts';
import { Classifier } from '../models/classifier.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { type Mode, Module } from '../nn/module.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkModality } from './modality.ts';

/** The streams a network may see. `rgb` is the video stream, whatever its channels (a depth video has one). */
export type Modality = 'rgb' | 'skeleton';

/** Clips [N, T, H, W, C] in [0, 1] and skeletons [N, T', V, 3] in metres; all f32 or all f16. */
export type ActionInputs = Readonly<Partial<Record<Modality, Tensor>>>;

/** What an action-recognition network gives: f32, also where its inputs are f16. */
export interface ActionOutput {
  /** [N, classes]. */
  readonly logits: Tensor;
  /** Logits of auxiliary heads, none in a network without deep supervision. */
  readonly auxiliary: readonly Tensor[];
  /** Modality weights [N, 2] (RGB, skeleton) of each reweighted stage. */
  readonly weights: readonly Tensor[];
  /** What the loss adds to the cross-entropy of each sample, [N] (SimMin); undefined in most networks. */
  readonly penalty?: Tensor | undefined;
}

/** A network that recognises actions from one or two modalities. */
export abstract class ActionNetwork extends Module {
  abstract readonly modalities: readonly Modality[];
  /** Throws `ShapeError` when a modality is missing. */
  abstract forward(inputs: ActionInputs, mode: Mode): ActionOutput;
}

/** The input of one modality, or a `ShapeError`. */
export function inputOf(inputs: ActionInputs, modality: Modality): Tensor {
  const x = inputs[modality];
  if (!x)
    throw new ShapeError(
      'ActionNetwork',
      `needs the ${modality} input; got ${Object.keys(inputs).join(', ') || 'none'}`,
    );
  return x;
}

/** One backbone with a linear head. */
export class SingleStreamNetwork extends ActionNetwork {
  readonly modalities: readonly Modality[];
  readonly classifier: Classifier;

  constructor(
    init: Initialiser,
    modality: Modality,
    backbone: Backbone,
    options: { classes: number; dropout?: number },
  ) {
    super();
    checkModality('SingleStreamNetwork', modality);
    this.modalities = [modality];
    this.classifier = new Classifier(init, backbone, options);
  }

  forward(inputs: ActionInputs, mode: Mode): ActionOutput {
    const x = inputOf(inputs, this.modalities[0] ?? 'rgb');
    return { logits: this.classifier.forward(x, mode), auxiliary: [], weights: [] };
  }
}
