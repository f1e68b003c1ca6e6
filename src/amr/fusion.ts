import type { Initialiser } from '../nn/initialisers.ts';
import { type Mode, Module } from '../nn/module.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Modality } from './action-network.ts';

/** One value for each stream. */
export type Pair<T> = Readonly<Record<Modality, T>>;

/** All that a fusion knows of what it fuses. */
export interface FusionSizes {
  readonly classes: number;
  /** Channels of the two feature maps. */
  readonly channels: Pair<number>;
  /** Whether a stream has a head of its own. */
  readonly classifies: Pair<boolean>;
  /** Share of the final features that training drops. */
  readonly dropout: number;
}

/** What comes out of a fused stage: two maps of the same shapes, which go on into their backbones. */
export interface Exchanged extends Pair<Tensor> {
  /** Logits of auxiliary heads. */
  readonly auxiliary?: readonly Tensor[];
  /** Modality weights [N, 2] (RGB, skeleton). */
  readonly weights?: Tensor | undefined;
}

/** Exchange between two feature maps [N, …, Cr] and [N, …, Cs], any axes between. */
export abstract class FusionStage extends Module {
  abstract forward(rgb: Tensor, skeleton: Tensor, mode: Mode): Exchanged;
}

/** The end of one stream. */
export interface StreamEnd {
  /** Pooled final features [N, C], f32. */
  readonly features: Tensor;
  /** Logits [N, classes] of the stream's own head, computed when asked for. */
  readonly logits?: (() => Tensor) | undefined;
}

/** What a fused head gives. */
export interface Fused {
  /** [N, classes]. */
  readonly logits: Tensor;
  /** What training minimises besides the cross-entropy, [N]. */
  readonly penalty?: Tensor | undefined;
}

/** Fused logits from the ends of two streams. */
export abstract class FusionHead extends Module {
  abstract forward(streams: Pair<StreamEnd>, mode: Mode): Fused;
}

/** A way to fuse two streams. It makes its parts for given channels and never sees the backbones. */
export interface Fusion {
  /** The exchange after a stage; left out where streams only meet in the head. */
  readonly stage?: (init: Initialiser, sizes: FusionSizes) => FusionStage;
  readonly head: (init: Initialiser, sizes: FusionSizes) => FusionHead;
}
