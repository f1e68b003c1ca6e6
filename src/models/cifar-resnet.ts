import { check } from '../errors.ts';
import { add, div, relu, sub } from '../kernels/elementwise.ts';
import { pad, slice } from '../kernels/layout.ts';
import type { Initialiser } from '../nn/initialisers.ts';
import { Conv2d, Linear, Relu, Sequential } from '../nn/layers.ts';
import { Layer, type Mode } from '../nn/module.ts';
import { BatchNorm } from '../nn/norms.ts';
import { inTypeOf } from '../nn/precision.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Network } from './backbone.ts';

/** Mean and standard deviation of ImageNet's pixels, by which the published checkpoints were trained on CIFAR-10. */
const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];

export interface CifarResNetOptions {
  /** Layers with weights, 6n + 2: 20, 32, 44, 56, 110 as published. 20 when left out. */
  readonly depth?: number;
  /** 10 when left out. */
  readonly classes?: number;
  /** Channels of the first stage, 16 as published; the others have 2 and 4 times as many. */
  readonly width?: number;
}

/**
 * The CIFAR ResNet-20, -32, -44, -56 or -110 of He et al. 2016 (arXiv:1512.03385, section 4.2) for images [N, H, W, 3] in
 * [0, 1], normalised inside, under the names of github.com/akamaster/pytorch_resnet_cifar10: a 3×3 convolution, three stages
 * of n blocks, the second and third halving the size, and shortcuts without weights (option A). 32² → 32² → 16² → 8².
 * Throws `ShapeError` for a depth that is not 6n + 2 and a width that is odd.
 */
export class CifarResNet extends Network {
  readonly channels: readonly number[];
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm;
  readonly layer1: readonly CifarBlock[];
  readonly layer2: readonly CifarBlock[];
  readonly layer3: readonly CifarBlock[];
  readonly linear: Linear;

  constructor(init: Initialiser, { depth = 20, classes = 10, width = 16 }: CifarResNetOptions = {}) {
    super();
    const n = (depth - 2) / 6;
    check(Number.isInteger(n) && n > 0, 'CifarResNet', () => `depth must be 6n + 2; got ${depth}`);
    check(width > 0 && width % 2 === 0, 'CifarResNet', () => `width must be even; got ${width}`);
    this.channels = [width, 2 * width, 4 * width];
    const stage = (from: number, to: number) =>
      Array.from({ length: n }, (_, i) => new CifarBlock(init, i === 0 ? from : to, to));
    this.conv1 = new Conv2d(init, { in: 3, out: width, kernel: [3, 3] });
    this.bn1 = new BatchNorm(init, width);
    this.layer1 = stage(width, width);
    this.layer2 = stage(width, 2 * width);
    this.layer3 = stage(2 * width, 4 * width);
    this.linear = new Linear(init, { in: 4 * width, out: classes });
  }

  /** The three stages; the first takes the image. */
  get stages(): readonly Layer[] {
    const stem = [new Normalise(), this.conv1, this.bn1, new Relu()];
    return [
      new Sequential(...stem, ...this.layer1),
      new Sequential(...this.layer2),
      new Sequential(...this.layer3),
    ];
  }

  get head(): Linear {
    return this.linear;
  }
}

/** `(x − mean) / std`, channel by channel: [N, H, W, 3] → the same. */
class Normalise extends Layer {
  forward(x: Tensor): Tensor {
    const [mean, std] = [MEAN, STD].map((values) => inTypeOf(x, x.device.tensor(values))) as [Tensor, Tensor];
    return div(sub(x, mean), std);
  }
}

/** `relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))`. */
export class CifarBlock extends Layer {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm;
  readonly #halves: boolean;

  constructor(init: Initialiser, from: number, to: number) {
    super();
    const stride = from === to ? 1 : 2;
    this.conv1 = new Conv2d(init, { in: from, out: to, kernel: [3, 3], stride: [stride, stride] });
    this.bn1 = new BatchNorm(init, to);
    this.conv2 = new Conv2d(init, { in: to, out: to, kernel: [3, 3] });
    this.bn2 = new BatchNorm(init, to);
    this.#halves = from !== to;
  }

  forward(x: Tensor, mode: Mode): Tensor {
    const y = relu(this.bn1.forward(this.conv1.forward(x), mode));
    const z = this.bn2.forward(this.conv2.forward(y), mode);
    return relu(add(z, this.#halves ? halve(x) : x));
  }
}

/** Option A: every other pixel, with as many zero channels on both sides as double them. [N, H, W, C] → [N, ⌈H/2⌉, ⌈W/2⌉, 2C]. */
function halve(x: Tensor): Tensor {
  const channels = x.shape[3] ?? 0;
  return pad(slice(x, { step: [1, 2, 2, 1] }), [
    [0, 0],
    [0, 0],
    [0, 0],
    [channels / 2, channels / 2],
  ]);
}
