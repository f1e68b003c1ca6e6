import { relu } from '../kernels/elementwise.ts';
import { type Layers, runLayers } from '../nn/chain.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Conv2d, Linear } from '../nn/layers.ts';
import type { Layer, Mode } from '../nn/module.ts';
import { BatchNorm } from '../nn/norms.ts';
import { MaxPool } from '../nn/pooling.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Network, Stage } from './backbone.ts';
import { checkKnown, checkWidth } from './checks.ts';
import { type BlockKind, EXPANSION, residualLayer } from './residual-block.ts';

/** Blocks in each of the four layers (He et al. 2016, table 1). */
const DEPTHS = {
  18: { kind: 'basic', blocks: [2, 2, 2, 2] },
  34: { kind: 'basic', blocks: [3, 4, 6, 3] },
  50: { kind: 'bottleneck', blocks: [3, 4, 6, 3] },
} as const satisfies Record<number, { kind: BlockKind; blocks: readonly number[] }>;

export interface ResNetOptions {
  /** 18 when left out. */
  readonly depth?: keyof typeof DEPTHS;
  /** Logits of the head; without it the network is a backbone only. */
  readonly classes?: number;
  /** Channels of an image; 3 when left out. */
  readonly in?: number;
  /** Channels of the stem, 64 as published; layers have 1, 2, 4 and 8 times as many. */
  readonly width?: number;
}

/**
 * ResNet-18, -34 or -50 for images [N, H, W, 3] (He et al. 2016, arXiv:1512.03385), under torchvision's names. A 7×7
 * convolution of stride 2, a 3×3 pool of stride 2, then four layers of residual blocks, each but the first halving the
 * size: 224² → 56² → 28² → 14² → 7². Stage i is layer i; the stem belongs to the first. In a bottleneck the 3×3
 * convolution has the stride, as in torchvision. Pixels are taken as they are: normalise them before. Throws `ShapeError` for another
 * depth, and a width that is no count.
 */
export class ResNet extends Network {
  readonly channels: readonly number[];
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm;
  readonly layer1: Layers;
  readonly layer2: Layers;
  readonly layer3: Layers;
  readonly layer4: Layers;
  readonly fc: Linear | undefined;
  readonly #maxPool = new MaxPool({ size: 3, stride: 2, padding: 1 });

  /** `frames`: what a k×k convolution of a network for clips spans, see `InflatedResNet`. */
  constructor(init: Initialiser, options: ResNetOptions = {}, frames?: number) {
    super();
    const { depth = 18, classes, in: from = 3, width = 64 } = options;
    checkKnown('ResNet', 'depth', depth, DEPTHS);
    checkWidth('ResNet', width);
    const { kind, blocks } = DEPTHS[depth];
    this.channels = [1, 2, 4, 8].map((times) => times * width * EXPANSION[kind]);
    const layer = (i: 0 | 1 | 2 | 3) => {
      const ends = { in: this.channels[i - 1] ?? width, planes: width * 2 ** i };
      return residualLayer(init, { kind, ...ends, stride: i === 0 ? 1 : 2, frames }, blocks[i]);
    };
    this.conv1 = new Conv2d(init, { in: from, out: width, kernel: [7, 7], stride: [2, 2] });
    this.bn1 = new BatchNorm(init, width);
    [this.layer1, this.layer2, this.layer3, this.layer4] = [layer(0), layer(1), layer(2), layer(3)];
    this.fc = classes ? new Linear(init, { in: this.channels[3] ?? 0, out: classes }) : undefined;
  }

  get stages(): readonly Layer[] {
    return [
      new Stage((x, mode) => runLayers(this.layer1, this.stem(x, mode), mode)),
      ...[this.layer2, this.layer3, this.layer4].map(
        (layer) => new Stage((x, mode) => runLayers(layer, x, mode)),
      ),
    ];
  }

  get head(): Linear | undefined {
    return this.fc;
  }

  /** [N, H, W, C] → [N, H/4, W/4, width]. */
  protected stem(x: Tensor, mode: Mode): Tensor {
    return this.#maxPool.forward(relu(this.bn1.forward(this.conv1.forward(x), mode)));
  }
}
