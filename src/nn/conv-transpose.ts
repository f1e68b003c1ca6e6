import { ShapeError } from '../errors.ts';
import { convTranspose1d, convTranspose2d, convTranspose3d } from '../kernels/conv.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Initialiser } from './initialisers.ts';
import type { ConvSize } from './layers.ts';
import { Layer } from './module.ts';
import { inTypeOf } from './precision.ts';
import { type TorchEntry, torchTensor } from './torch-state.ts';

/** As `ConvSize`; padding is 0 when left out, as in PyTorch, and taken away from both ends of the output. */
export interface ConvTransposeSize extends ConvSize {
  /** Added to the end of each axis of the output, below the stride. */
  readonly outputPadding?: readonly number[];
}

/** The adjoint of a convolution: [N, …, in] → [N, …', out]; weights [K…, out / groups, in]. */
class ConvTranspose extends Layer {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
  readonly #size: ConvTransposeSize;

  constructor(init: Initialiser, rank: number, size: ConvTransposeSize) {
    super();
    if (size.kernel.length !== rank)
      throw new ShapeError(`ConvTranspose${rank}d`, `kernel needs ${rank} sizes; got [${size.kernel}]`);
    const groups = size.groups ?? 1;
    const fanIn = size.kernel.reduce((a, b) => a * b, size.in / groups);
    this.weight = init.kaimingNormal([...size.kernel, size.out / groups, size.in], fanIn);
    this.bias = size.bias ? init.zeros([size.out]) : undefined;
    this.#size = size;
  }

  forward(x: Tensor): Tensor {
    const { kernel, stride, padding, dilation, groups, outputPadding } = this.#size;
    const adjoint = [convTranspose1d, convTranspose2d, convTranspose3d][kernel.length - 1] ?? convTranspose3d;
    const geometry = { stride, padding, dilation, groups, outputPadding };
    return adjoint(x, inTypeOf(x, this.weight), { ...geometry, bias: inTypeOf(x, this.bias) });
  }

  /** `nn.ConvTranspose…d`: the weight is [in, out / groups, K…]. */
  override torchState(): TorchEntry[] {
    const spatial = this.#size.kernel.map((_, axis) => axis + 2);
    const weight = torchTensor('weight', this.weight, [...spatial, 1, 0]);
    return this.bias ? [weight, torchTensor('bias', this.bias)] : [weight];
  }
}

/** [N, L, in] → [N, L', out]; see `convTranspose1d`. */
export class ConvTranspose1d extends ConvTranspose {
  constructor(init: Initialiser, size: ConvTransposeSize) {
    super(init, 1, size);
  }
}

/** [N, H, W, in] → [N, H', W', out]; see `convTranspose2d`. */
export class ConvTranspose2d extends ConvTranspose {
  constructor(init: Initialiser, size: ConvTransposeSize) {
    super(init, 2, size);
  }
}

/** [N, T, H, W, in] → [N, T', H', W', out]; see `convTranspose3d`. */
export class ConvTranspose3d extends ConvTranspose {
  constructor(init: Initialiser, size: ConvTransposeSize) {
    super(init, 3, size);
  }
}
