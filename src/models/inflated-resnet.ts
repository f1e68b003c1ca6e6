import { reshape } from '../kernels/layout.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import type { Mode } from '../nn/module.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { ResNet } from './resnet.ts';

export interface InflatedResNetOptions {
  /** Logits of the head; without it the network is a backbone only. */
  readonly classes?: number;
  /** Channels of a frame; 3 when left out. */
  readonly in?: number;
  /** Channels of the stem, 64 as published. */
  readonly width?: number;
  /** Frames that the middle convolution of a bottleneck spans, 3 as published. */
  readonly temporalKernel?: number;
}

/**
 * ResNet-50 inflated to clips [N, T, H, W, 3], the RGB network of MMTM and MFAS (Baradel et al. 2018, after I3D,
 * Carreira and Zisserman 2017): the stem sees one frame at a time, the middle convolution of every bottleneck is 3×3×3,
 * and time is never strided. 8×224² → 8×56² → 8×28² → 8×14² → 8×7², with 256, 512, 1024 and 2048 channels. The names are
 * those of torchvision's ResNet-50, whose weights `inflateWeights` makes fit.
 */
export class InflatedResNet extends ResNet {
  constructor(init: Initialiser, { temporalKernel = 3, ...options }: InflatedResNetOptions = {}) {
    super(init, { ...options, depth: 50 }, temporalKernel);
  }

  /** Frame by frame: [N, T, H, W, C] → [N, T, H/4, W/4, width]. */
  protected override stem(x: Tensor, mode: Mode): Tensor {
    const [n = 0, frames = 0, ...frame] = x.shape;
    const y = super.stem(reshape(x, [n * frames, ...frame]), mode);
    return reshape(y, [n, frames, ...y.shape.slice(1)]);
  }
}

/**
 * A filter of an image network [KH, KW, C, O] as one for clips [frames, KH, KW, C, O]: `centre` puts it into the middle
 * frame and zeros elsewhere, `mean` repeats it, divided by `frames`. On a clip that stands still both give the image
 * network's response, away from the ends of the clip (Carreira and Zisserman 2017, section 2.3).
 */
export function inflateWeights(
  data: Float32Array,
  frames: number,
  how: 'centre' | 'mean' = 'centre',
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(frames * data.length);
  for (let t = 0; t < frames; t++) {
    const share = how === 'mean' ? 1 / frames : Number(t === frames >> 1);
    out.set(
      data.map((value) => value * share),
      t * data.length,
    );
  }
  return out;
}
