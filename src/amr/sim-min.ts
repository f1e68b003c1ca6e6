import { div, maximum, mul, sqrt, square } from '../kernels/elementwise.ts';
import { sum } from '../kernels/reduce.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Linear } from '../nn/layers.ts';
import type { Mode } from '../nn/module.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { FeatureMemory } from './feature-memory.ts';
import {
  type Fused,
  type Fusion,
  FusionHead,
  type FusionSizes,
  type Pair,
  type StreamEnd,
} from './fusion.ts';
import { ConcatHead } from './heads.ts';

/** `a·b / max(‖a‖ ‖b‖, 1e-8)` of each row: two [N, C] → [N]. */
export function cosineSimilarity(a: Tensor, b: Tensor): Tensor {
  const dot = (x: Tensor, y: Tensor) => sum(mul(x, y), { axes: 1 });
  // A floor under each square: the gradient of √ at 0 is infinite.
  const norm = (x: Tensor) => sqrt(maximum(sum(square(x), { axes: 1 }), 1e-12));
  return div(dot(a, b), maximum(mul(norm(a), norm(b)), 1e-8));
}

/**
 * Concatenation whose loss keeps the streams apart (SimMin, Tian and Xu 2021, arXiv:2104.02000): the penalty is
 * `cosine(f_r, f_s)` of each sample. Streams of unequal width are brought to the narrower one by a linear layer each.
 * `remember` puts an external feature memory (ExFMem) before the head.
 */
export class SimMinHead extends FusionHead {
  readonly rgbProject: Linear | undefined;
  readonly skeletonProject: Linear | undefined;
  readonly concat: ConcatHead;
  rgbMemory: FeatureMemory | undefined;
  skeletonMemory: FeatureMemory | undefined;

  constructor(init: Initialiser, sizes: FusionSizes) {
    super();
    const { rgb, skeleton } = sizes.channels;
    const width = Math.min(rgb, skeleton);
    const project = (channels: number) =>
      rgb === skeleton ? undefined : new Linear(init, { in: channels, out: width });
    this.rgbProject = project(rgb);
    this.skeletonProject = project(skeleton);
    this.concat = new ConcatHead(init, { ...sizes, channels: { rgb: width, skeleton: width } });
  }

  /** The features that are kept apart, from pooled ones: [N, C] → [N, width] for each stream. */
  project({ rgb, skeleton }: Pair<Tensor>): Pair<Tensor> {
    return {
      rgb: this.rgbProject?.forward(rgb) ?? rgb,
      skeleton: this.skeletonProject?.forward(skeleton) ?? skeleton,
    };
  }

  /** From now on the head sees what these make of the features of `project`. */
  remember(memories: Pair<FeatureMemory>): void {
    this.rgbMemory = memories.rgb;
    this.skeletonMemory = memories.skeleton;
  }

  forward(streams: Pair<StreamEnd>, mode: Mode): Fused {
    const own = this.project({ rgb: streams.rgb.features, skeleton: streams.skeleton.features });
    const rgb = this.rgbMemory?.forward(own.rgb) ?? own.rgb;
    const skeleton = this.skeletonMemory?.forward(own.skeleton) ?? own.skeleton;
    const fused = this.concat.forward({ rgb: { features: rgb }, skeleton: { features: skeleton } }, mode);
    return { ...fused, penalty: cosineSimilarity(rgb, skeleton) };
  }
}

/** SimMin: concatenation with the mean cosine of both features in the loss; ExFMem by `SimMinHead.remember`. */
export function simMin(): Fusion {
  return { head: (init, sizes) => new SimMinHead(init, sizes) };
}
