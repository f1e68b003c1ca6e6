import { check } from '../errors.ts';
import { add, mul, sigmoid } from '../kernels/elementwise.ts';
import { concat as join } from '../kernels/layout.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Dropout, Linear } from '../nn/layers.ts';
import type { Mode } from '../nn/module.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Modality } from './action-network.ts';
import {
  type Fused,
  type Fusion,
  FusionHead,
  type FusionSizes,
  type Pair,
  type StreamEnd,
} from './fusion.ts';

/** Random stream of the dropout before a fused head. */
const DROPOUT = 2000;

/** `W [f_r; f_s] + b`: linear on concatenated features, after dropout. */
export class ConcatHead extends FusionHead {
  readonly linear: Linear;
  readonly #dropout: Dropout;

  constructor(init: Initialiser, { channels, classes, dropout }: Omit<FusionSizes, 'classifies'>) {
    super();
    this.linear = new Linear(init, { in: channels.rgb + channels.skeleton, out: classes });
    this.#dropout = new Dropout(dropout, DROPOUT);
  }

  forward({ rgb, skeleton }: Pair<StreamEnd>, mode: Mode): Fused {
    const features = join([rgb.features, skeleton.features], { axis: -1 });
    return { logits: this.linear.forward(this.#dropout.forward(features, mode)) };
  }
}

/** Mean of both streams' logits; a stream without a head of its own gets one. Throws `ShapeError` for one of other classes. */
export class LateHead extends FusionHead {
  readonly rgb: Linear | undefined;
  readonly skeleton: Linear | undefined;
  readonly #dropout: Pair<Dropout>;
  readonly #classes: number;

  constructor(init: Initialiser, { channels, classes, classifies, dropout }: FusionSizes) {
    super();
    this.#classes = classes;
    const own = (modality: Modality) =>
      classifies[modality] ? undefined : new Linear(init, { in: channels[modality], out: classes });
    this.rgb = own('rgb');
    this.skeleton = own('skeleton');
    this.#dropout = { rgb: new Dropout(dropout, DROPOUT), skeleton: new Dropout(dropout, DROPOUT + 1) };
  }

  forward(streams: Pair<StreamEnd>, mode: Mode): Fused {
    const logits = (modality: Modality): Tensor => {
      const { features, logits: own } = streams[modality];
      const head = this[modality];
      const found = head
        ? head.forward(this.#dropout[modality].forward(features, mode))
        : (own as () => Tensor)();
      const classes = found.shape[1];
      const fits = classes === this.#classes;
      check(fits, 'late', () => `the ${modality} backbone has ${classes} classes of ${this.#classes}`);
      return found;
    };
    return { logits: mul(add(logits('rgb'), logits('skeleton')), 0.5) };
  }
}

/** `W [g_r f_r; g_s f_s] + b` with a learned scalar gate `g_m = 2 sigmoid(a_m)` for each modality; a starts at 0. */
export class GatedHead extends FusionHead {
  readonly rgbGate: Tensor;
  readonly skeletonGate: Tensor;
  readonly concat: ConcatHead;

  constructor(init: Initialiser, sizes: FusionSizes) {
    super();
    this.rgbGate = init.zeros([1]);
    this.skeletonGate = init.zeros([1]);
    this.concat = new ConcatHead(init, sizes);
  }

  forward({ rgb, skeleton }: Pair<StreamEnd>, mode: Mode): Fused {
    const gated = ({ features }: StreamEnd, gate: Tensor) => ({
      features: mul(features, mul(sigmoid(gate), 2)),
    });
    const streams = { rgb: gated(rgb, this.rgbGate), skeleton: gated(skeleton, this.skeletonGate) };
    return this.concat.forward(streams, mode);
  }
}

/** Which head a fusion between stages ends in. */
export type HeadKind = 'concat' | 'late';

/** The head by its name. */
export function headOf(kind: HeadKind): Fusion['head'] {
  return (init, sizes) => (kind === 'concat' ? new ConcatHead(init, sizes) : new LateHead(init, sizes));
}

/** Late fusion: the mean of the two networks' logits. */
export function late(): Fusion {
  return { head: headOf('late') };
}

/** Fusion by a linear layer on the concatenated final features. */
export function concatenation(): Fusion {
  return { head: headOf('concat') };
}

/** Concatenation with a learned scalar gate for each modality. */
export function gated(): Fusion {
  return { head: (init, sizes) => new GatedHead(init, sizes) };
}
