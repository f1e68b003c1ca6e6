import type { Initialiser } from '../nn/initialisers.ts';
import { Linear } from '../nn/layers.ts';
import { toF32 } from '../nn/precision.ts';
import { squeeze } from '../nn/squeeze.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Exchanged, type Fusion, type FusionSizes, FusionStage } from './fusion.ts';
import { type HeadKind, headOf } from './heads.ts';
import { AttentionModalityReweighter, type ReweighterOptions } from './reweighter.ts';

/** One reweighted stage with its two auxiliary heads. */
export class ReweightedStage extends FusionStage {
  readonly reweighter: AttentionModalityReweighter;
  readonly rgbHead: Linear;
  readonly skeletonHead: Linear;

  constructor(
    init: Initialiser,
    { channels, classes }: Pick<FusionSizes, 'channels' | 'classes'>,
    options: ReweighterOptions,
  ) {
    super();
    this.reweighter = new AttentionModalityReweighter(init, channels, options);
    this.rgbHead = new Linear(init, { in: channels.rgb, out: classes });
    this.skeletonHead = new Linear(init, { in: channels.skeleton, out: classes });
  }

  forward(rgb: Tensor, skeleton: Tensor): Exchanged {
    const out = this.reweighter.forward(rgb, skeleton);
    const auxiliary = [
      this.rgbHead.forward(toF32(squeeze(out.rgb))),
      this.skeletonHead.forward(toF32(squeeze(out.skeleton))),
    ];
    return { ...out, auxiliary };
  }
}

/**
 * AMR after each tapped stage, with an auxiliary head for each modality there (a reconstruction from the abstract of
 * arXiv 2407.19981). `head`: linear on the concatenated features (`concat`, the default) or the mean of both streams'
 * logits (`late`). Plugged into a trained network it changes no logit until it is trained itself.
 */
export function amr({ head = 'concat', ...options }: ReweighterOptions & { head?: HeadKind } = {}): Fusion {
  return { stage: (init, sizes) => new ReweightedStage(init, sizes, options), head: headOf(head) };
}
