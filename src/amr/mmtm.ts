import { mul, relu, sigmoid } from '../kernels/elementwise.ts';
import { concat } from '../kernels/layout.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Linear } from '../nn/layers.ts';
import { excite, squeeze } from '../nn/squeeze.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Exchanged, type Fusion, FusionStage, type Pair } from './fusion.ts';
import { type HeadKind, headOf } from './heads.ts';

export interface MmtmOptions {
  /** Divides the width of the joint vector, `⌊2 (Cr + Cs) / ratio⌋`; 4 when left out. */
  readonly ratio?: number;
  /** `code`: ReLU on the joint vector, gates `sigmoid`. `paper`: no ReLU, gates `2 sigmoid`. */
  readonly version?: 'code' | 'paper';
  /** The mean of both streams' logits (`late`, as published) or linear on their features. */
  readonly head?: HeadKind;
}

/**
 * Multimodal Transfer Module for one stage (Joze et al. 2020, arXiv:1911.08670, section 3), under the names of
 * haamoon/mmtm: `z = relu(W [squeeze(r); squeeze(s)] + b)`, `m' = sigmoid(G_m z + c_m) ⊙ m`. Two feature maps
 * [N, …, Cr] and [N, …, Cs] of any rank in, the same shapes out.
 */
export class MultimodalTransfer extends FusionStage {
  readonly fc_squeeze: Linear;
  readonly fc_visual: Linear;
  readonly fc_skeleton: Linear;
  readonly #version: 'code' | 'paper';

  constructor(init: Initialiser, channels: Pair<number>, { ratio = 4, version = 'code' }: MmtmOptions = {}) {
    super();
    const both = channels.rgb + channels.skeleton;
    const width = Math.floor((2 * both) / ratio);
    this.fc_squeeze = new Linear(init, { in: both, out: width });
    this.fc_visual = new Linear(init, { in: width, out: channels.rgb });
    this.fc_skeleton = new Linear(init, { in: width, out: channels.skeleton });
    this.#version = version;
  }

  forward(rgb: Tensor, skeleton: Tensor): Exchanged {
    const squeezed = this.fc_squeeze.forward(concat([squeeze(rgb), squeeze(skeleton)], { axis: -1 }));
    const published = this.#version === 'paper';
    const joint = published ? squeezed : relu(squeezed);
    const gates = (layer: Linear) => {
      const open = sigmoid(layer.forward(joint));
      return published ? mul(open, 2) : open;
    };
    return { rgb: excite(rgb, gates(this.fc_visual)), skeleton: excite(skeleton, gates(this.fc_skeleton)) };
  }
}

/** MMTM after each tapped stage. */
export function mmtm({ head = 'late', ...options }: MmtmOptions = {}): Fusion {
  return {
    stage: (init, { channels }) => new MultimodalTransfer(init, channels, options),
    head: headOf(head),
  };
}
