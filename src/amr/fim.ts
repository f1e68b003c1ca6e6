import { add, relu, tanh } from '../kernels/elementwise.ts';
import { concat } from '../kernels/layout.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Linear } from '../nn/layers.ts';
import { excite, squeeze } from '../nn/squeeze.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Exchanged, type Fusion, FusionStage, type Pair } from './fusion.ts';
import { type HeadKind, headOf } from './heads.ts';

export interface FimOptions {
  /** Divides the width of the joint vector, `⌊(Cr + Cs) / ratio⌋`; 4 when left out. */
  readonly ratio?: number;
  readonly head?: HeadKind;
}

/**
 * Feature Interaction Module for one stage (a reconstruction; of its source only squeeze, joint representation and
 * recalibration are known): `z = relu(W [squeeze(r); squeeze(s)] + b)`, `m' = m + tanh(G_m z + c_m) ⊙ m`. Two feature
 * maps [N, …, Cr] and [N, …, Cs] of any rank in, the same shapes out. A fresh one changes nothing: G and c start at zero.
 */
export class FeatureInteraction extends FusionStage {
  readonly joint: Linear;
  readonly rgbGate: Linear;
  readonly skeletonGate: Linear;

  constructor(init: Initialiser, channels: Pair<number>, { ratio = 4 }: FimOptions = {}) {
    super();
    const both = channels.rgb + channels.skeleton;
    const width = Math.max(1, Math.floor(both / ratio));
    this.joint = new Linear(init, { in: both, out: width });
    this.rgbGate = new Linear(init, { in: width, out: channels.rgb, zero: true });
    this.skeletonGate = new Linear(init, { in: width, out: channels.skeleton, zero: true });
  }

  forward(rgb: Tensor, skeleton: Tensor): Exchanged {
    const joint = relu(this.joint.forward(concat([squeeze(rgb), squeeze(skeleton)], { axis: -1 })));
    const recalibrate = (map: Tensor, gate: Linear) => add(map, excite(map, tanh(gate.forward(joint))));
    return { rgb: recalibrate(rgb, this.rgbGate), skeleton: recalibrate(skeleton, this.skeletonGate) };
  }
}

/** FIM after each tapped stage. */
export function fim({ head = 'concat', ...options }: FimOptions = {}): Fusion {
  return {
    stage: (init, { channels }) => new FeatureInteraction(init, channels, options),
    head: headOf(head),
  };
}
