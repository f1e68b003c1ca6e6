import { ShapeError } from '../errors.ts';
import { attention } from '../kernels/attention.ts';
import { conv1d, conv2d, conv3d } from '../kernels/conv.ts';
import { mul, relu } from '../kernels/elementwise.ts';
import { graphConv } from '../kernels/graph-conv.ts';
import { reshape } from '../kernels/layout.ts';
import { matmul } from '../kernels/matmul.ts';
import { dropout } from '../kernels/random.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Initialiser } from './initialisers.ts';
import { Layer, type Mode } from './module.ts';
import { inTypeOf } from './precision.ts';
import { type TorchEntry, torchTensor, underPath } from './torch-state.ts';

/** `y = x W + b`: [..., in] → [..., out]. Throws `ShapeError` for another number of channels. */
export class Linear extends Layer {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;

  /** `zero` starts weight and bias at 0 instead of Xavier-uniform and 0. */
  constructor(init: Initialiser, size: { in: number; out: number; bias?: boolean; zero?: boolean }) {
    super();
    const shape = [size.in, size.out];
    this.weight = size.zero ? init.zeros(shape) : init.xavierUniform(shape, size.in, size.out);
    this.bias = size.bias === false ? undefined : init.zeros([size.out]);
  }

  forward(x: Tensor): Tensor {
    return matmul(x, inTypeOf(x, this.weight), { bias: inTypeOf(x, this.bias) });
  }

  /** `nn.Linear`: the weight is [out, in]. */
  override torchState(): TorchEntry[] {
    return withBias(torchTensor('weight', this.weight, [1, 0]), this.bias);
  }
}

/** Channels and geometry of a convolution layer; lists have one entry per spatial axis. */
export interface ConvSize {
  readonly in: number;
  readonly out: number;
  /** One entry per spatial axis. */
  readonly kernel: readonly number[];
  readonly stride?: readonly number[];
  /** Zeros on both sides of each axis; half the dilated kernel (same size at stride 1, odd kernels) when left out. */
  readonly padding?: readonly number[];
  readonly dilation?: readonly number[];
  readonly groups?: number;
  readonly bias?: boolean;
}

/** Convolution over 1, 2 or 3 spatial axes: [N, …, in] → [N, …, out]; weights [K…, in / groups, out]. */
class Conv extends Layer {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
  readonly #size: ConvSize;

  constructor(init: Initialiser, rank: number, size: ConvSize) {
    super();
    if (size.kernel.length !== rank)
      throw new ShapeError(`Conv${rank}d`, `kernel needs ${rank} sizes; got [${size.kernel}]`);
    const channels = size.in / (size.groups ?? 1);
    const fanIn = size.kernel.reduce((a, b) => a * b, channels);
    this.weight = init.kaimingNormal([...size.kernel, channels, size.out], fanIn);
    this.bias = size.bias ? init.zeros([size.out]) : undefined;
    this.#size = size;
  }

  forward(x: Tensor): Tensor {
    const { kernel, stride, padding, dilation, groups } = this.#size;
    const conv = [conv1d, conv2d, conv3d][kernel.length - 1] ?? conv3d;
    return conv(x, inTypeOf(x, this.weight), {
      stride: stride ?? 1,
      padding: padding ?? kernel.map((k, axis) => ((k - 1) * (dilation?.[axis] ?? 1)) >> 1),
      dilation: dilation ?? 1,
      groups: groups ?? 1,
      bias: inTypeOf(x, this.bias),
    });
  }

  /** `nn.Conv…d`: the weight is [out, in / groups, K…]. */
  override torchState(): TorchEntry[] {
    const spatial = this.#size.kernel.map((_, axis) => axis + 2);
    return withBias(torchTensor('weight', this.weight, [...spatial, 1, 0]), this.bias);
  }
}

/** What `nn.Linear` and `nn.Conv…d` save. */
function withBias(weight: TorchEntry, bias: Tensor | undefined): TorchEntry[] {
  return bias ? [weight, torchTensor('bias', bias)] : [weight];
}

/** [N, L, in] → [N, L', out]. */
export class Conv1d extends Conv {
  constructor(init: Initialiser, size: ConvSize) {
    super(init, 1, size);
  }
}

/** [N, H, W, in] → [N, H', W', out]. */
export class Conv2d extends Conv {
  constructor(init: Initialiser, size: ConvSize) {
    super(init, 2, size);
  }
}

/** [N, T, H, W, in] → [N, T', H', W', out]. */
export class Conv3d extends Conv {
  constructor(init: Initialiser, size: ConvSize) {
    super(init, 3, size);
  }
}

/**
 * Spatial graph convolution with learnable edge importance: `y[v] = Σ_p Σ_u (A ⊙ M)[p, u, v] x[u] W[p] + b`,
 * [N, T, V, in] → [N, T, V, out]. The adjacency A [P, V, V] is fixed, so no edge can appear; the mask M starts at 1
 * (Yan et al. 2018, section 3.4). Throws `ShapeError` when `adjacency` is not as many V×V matrices.
 */
export class GraphConv extends Layer {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly adjacency: Tensor;
  readonly mask: Tensor;

  constructor(
    init: Initialiser,
    size: { in: number; out: number; adjacency: Float32Array<ArrayBuffer>; joints: number },
  ) {
    super();
    const partitions = size.adjacency.length / size.joints ** 2;
    this.weight = init.kaimingNormal([partitions, size.in, size.out], size.in * partitions);
    this.bias = init.zeros([size.out]);
    const shape = [partitions, size.joints, size.joints];
    this.adjacency = init.values(size.adjacency, shape);
    this.mask = init.ones(shape);
  }

  forward(x: Tensor): Tensor {
    const edges = inTypeOf(x, mul(this.adjacency, this.mask));
    return graphConv(x, inTypeOf(x, this.weight), edges, { bias: inTypeOf(x, this.bias) });
  }

  /** Weights of all partitions are those of one 1×1 convolution, [P·out, in, 1, 1], as in public ST-GCN code. */
  override torchState(): TorchEntry[] {
    const [partitions = 0, from = 0, to = 0] = this.weight.shape;
    const shape = [partitions * to, from, 1, 1];
    const view = [partitions, to, from];
    return [
      { name: 'conv.weight', shape, view, order: [0, 2, 1], parts: [this.weight] },
      torchTensor('bias', this.bias),
      torchTensor('mask', this.mask),
      torchTensor('adjacency', this.adjacency),
    ];
  }

  protected override bufferNames(): readonly string[] {
    return ['adjacency'];
  }
}

/**
 * Self-attention with h heads: `concat_h(softmax(q_h k_hᵀ / √(width / h)) v_h) W_o + b_o` with q, k, v linear in x,
 * [N, L, width] → [N, L, width] (Vaswani et al. 2017, section 3.2.2). Throws `ShapeError` unless h divides the width.
 */
export class MultiHeadAttention extends Layer {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly out: Linear;
  readonly #heads: number;

  constructor(init: Initialiser, size: { width: number; heads: number }) {
    super();
    if (size.width % size.heads !== 0) {
      throw new ShapeError(
        'MultiHeadAttention',
        `width ${size.width} must be a multiple of heads ${size.heads}`,
      );
    }
    const square = { in: size.width, out: size.width };
    this.query = new Linear(init, square);
    this.key = new Linear(init, square);
    this.value = new Linear(init, square);
    this.out = new Linear(init, square);
    this.#heads = size.heads;
  }

  forward(x: Tensor): Tensor {
    const [n = 0, length = 0, width = 0] = x.shape;
    const split = (y: Tensor) => reshape(y, [n, length, this.#heads, width / this.#heads]);
    const heads = attention(
      split(this.query.forward(x)),
      split(this.key.forward(x)),
      split(this.value.forward(x)),
    );
    return this.out.forward(reshape(heads, [n, length, width]));
  }

  /** `nn.MultiheadAttention`: query, key and value are the rows of one weight [3·width, width], then of one bias. */
  override torchState(): TorchEntry[] {
    const projections = [this.query, this.key, this.value];
    const width = this.query.weight.shape[0] ?? 0;
    const weight = { shape: [3 * width, width], view: [3, width, width], order: [0, 2, 1] };
    const bias = { shape: [3 * width], view: [3 * width], order: [0] };
    return [
      { name: 'in_proj_weight', ...weight, parts: projections.map((layer) => layer.weight) },
      { name: 'in_proj_bias', ...bias, parts: projections.flatMap((layer) => layer.bias ?? []) },
      ...underPath('out_proj', this.out.torchState()),
    ];
  }
}

/** Zeroes each element with probability `rate` in training and scales the others by 1 / (1 − rate): any shape → the same. */
export class Dropout extends Layer {
  readonly rate: number;
  readonly #stream: number;

  /** Layers of one network need different streams, or they drop the same positions. */
  constructor(rate: number, stream: number) {
    super();
    this.rate = rate;
    this.#stream = stream;
  }

  forward(x: Tensor, mode: Mode): Tensor {
    if (!mode.training || this.rate === 0) return x;
    return dropout(x, { rate: this.rate, seed: mode.seed, stream: this.#stream });
  }
}

/** max(x, 0). */
export class Relu extends Layer {
  forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/** One layer after another: the output of each is the input of the next; without layers the input itself. */
export class Sequential extends Layer {
  readonly layers: readonly Layer[];

  constructor(...layers: readonly Layer[]) {
    super();
    this.layers = layers;
  }

  forward(x: Tensor, mode: Mode): Tensor {
    return this.layers.reduce((y, layer) => layer.forward(y, mode), x);
  }

  /** `nn.Sequential`: children are named by their place alone. */
  override torchState(): TorchEntry[] {
    return this.layers.flatMap((layer, i) => underPath(`${i}`, layer.torchState()));
  }
}
