import { check } from '../errors.ts';
import { concat } from '../kernels/layout.ts';
import type { Backbone } from '../models/backbone.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Dropout, Linear } from '../nn/layers.ts';
import { type Layer, type Mode, Module } from '../nn/module.ts';
import { squeeze } from '../nn/squeeze.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type ActionInputs, ActionNetwork, type ActionOutput, inputOf } from './action-network.ts';
import { AttentionModalityReweighter, type ReweighterOptions } from './reweighter.ts';

export interface TwoStreamOptions {
  readonly classes: number;
  readonly dropout?: number;
  /** Reweight after stages 2, 3 and 4 (AMR); without it the features are only concatenated at the end. */
  readonly amr?: ReweighterOptions | undefined;
}

/** One reweighted stage with its two auxiliary heads. */
class ReweightedStage extends Module {
  readonly reweighter: AttentionModalityReweighter;
  readonly rgbHead: Linear;
  readonly skeletonHead: Linear;

  constructor(
    init: Initialiser,
    channels: { rgb: number; skeleton: number },
    classes: number,
    options: ReweighterOptions,
  ) {
    super();
    this.reweighter = new AttentionModalityReweighter(init, channels, options);
    this.rgbHead = new Linear(init, { in: channels.rgb, out: classes });
    this.skeletonHead = new Linear(init, { in: channels.skeleton, out: classes });
  }
}

/**
 * A video and a skeleton backbone run stage by stage, with a linear head on their concatenated final features. With
 * `amr`, both feature maps are reweighted after every stage but the first and go on into their backbones. Throws
 * `ShapeError` when the backbones have different numbers of stages.
 */
export class TwoStreamNetwork extends ActionNetwork {
  readonly modalities = ['rgb', 'skeleton'] as const;
  readonly rgb: Backbone;
  readonly skeleton: Backbone;
  readonly fusion: readonly ReweightedStage[];
  readonly head: Linear;
  readonly #dropout: Dropout;

  constructor(init: Initialiser, rgb: Backbone, skeleton: Backbone, options: TwoStreamOptions) {
    super();
    const [clips, poses] = [rgb.stages.length, skeleton.stages.length];
    check(
      clips === poses,
      'TwoStreamNetwork',
      () => `backbones need equal depth; got ${clips} and ${poses} stages`,
    );
    this.rgb = rgb;
    this.skeleton = skeleton;
    const { classes, amr } = options;
    const later = rgb.channels
      .map((channels, i) => ({ rgb: channels, skeleton: skeleton.channels[i] ?? 0 }))
      .slice(1);
    this.fusion = amr ? later.map((channels) => new ReweightedStage(init, channels, classes, amr)) : [];
    const features = (rgb.channels.at(-1) ?? 0) + (skeleton.channels.at(-1) ?? 0);
    this.head = new Linear(init, { in: features, out: classes });
    this.#dropout = new Dropout(options.dropout ?? 0, 2000);
  }

  forward(inputs: ActionInputs, mode: Mode): ActionOutput {
    const auxiliary: Tensor[] = [];
    const weights: Tensor[] = [];
    let [r, s] = [inputOf(inputs, 'rgb'), inputOf(inputs, 'skeleton')];
    for (const [i, stage] of this.rgb.stages.entries()) {
      r = stage.forward(r, mode);
      s = (this.skeleton.stages[i] as Layer).forward(s, mode);
      const fusion = this.fusion[i - 1];
      if (!fusion) continue;
      const out = fusion.reweighter.forward(r, s);
      [r, s] = [out.rgb, out.skeleton];
      if (out.weights) weights.push(out.weights);
      auxiliary.push(fusion.rgbHead.forward(squeeze(r)), fusion.skeletonHead.forward(squeeze(s)));
    }
    const features = concat([squeeze(r), squeeze(s)], { axis: -1 });
    return { logits: this.head.forward(this.#dropout.forward(features, mode)), auxiliary, weights };
  }
}
