import type { Spec } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { convolve, weightGradient } from './conv-launch.ts';
import { type ConvShape, inputShape, outputShape, weightShape } from './conv-shape.ts';
import { type Activation, activationGradient, codeOf } from './matmul-activation.ts';
import { defineOp, like } from './op.ts';
import { sumTo } from './reduce.ts';

/** Attributes of the three ops: the convolution they belong to. */
interface Attrs {
  readonly shape: ConvShape;
}

interface ConvAttrs extends Attrs {
  /** One whose derivative follows from its output, and that conv.wgsl knows: none, relu or leakyRelu. */
  readonly activation: Activation;
  readonly slope: number;
}

interface ConvInputs {
  readonly [name: string]: Tensor | undefined;
  readonly x: Tensor;
  readonly w: Tensor;
  readonly bias: Tensor | undefined;
  readonly residual: Tensor | undefined;
}

// conv, its adjoint in x and its adjoint in w: each is linear in its two tensors, and the gradients of each are the
// other two, so that gradients of any order are made of these three.

const convOp = defineOp<ConvInputs, ConvAttrs, [Spec]>({
  name: 'conv',
  outputs: ({ x }, { shape }) => [like(x, outputShape(shape))],
  forward({ x, w, bias, residual }, [y], { shape, activation, slope }) {
    convolve('forward', { x, w, y }, shape, { bias, residual, activation: codeOf(activation), slope });
  },
  reads: ({ x, w }, [y], { activation }) => (activation === 'none' ? [x, w] : [x, w, y]),
  gradient({ inputs: { x, w, bias, residual }, attrs, outputs: [y], grads: [g] }) {
    // Shared by the thunks, and computed only once one is called.
    let product: Tensor | undefined;
    const incoming = () => {
      product ??= activationGradient(attrs.activation, y, g as Tensor, attrs.slope);
      return product;
    };
    return {
      x: () => convInputGrad(incoming(), w, { shape: attrs.shape }),
      w: () => convWeightGrad(x, incoming(), attrs),
      bias: bias && (() => sumTo(incoming(), bias.shape)),
      residual: residual && incoming,
    };
  },
});

const inputGradOp = defineOp<{ g: Tensor; w: Tensor; bias: Tensor | undefined }, Attrs, [Spec]>({
  name: 'convInputGrad',
  outputs: ({ g }, { shape }) => [like(g, inputShape(shape))],
  forward({ g, w, bias }, [x], { shape }) {
    convolve('inputGrad', { x: g, w, y: x }, shape, { bias, activation: 0, slope: 0 });
  },
  gradient: ({ inputs: { g, w, bias }, attrs, grads: [gx] }) => ({
    g: () => conv(gx as Tensor, w, attrs),
    w: () => convWeightGrad(gx as Tensor, g, attrs),
    bias: bias && (() => sumTo(gx as Tensor, bias.shape)),
  }),
});

const weightGradOp = defineOp<{ x: Tensor; g: Tensor }, Attrs, [Spec]>({
  name: 'convWeightGrad',
  outputs: ({ x }, { shape }) => [like(x, weightShape(shape))],
  forward: ({ x, g }, [w], { shape }) => weightGradient({ x, g, out: w }, shape),
  gradient: ({ inputs: { x, g }, attrs, grads: [gw] }) => ({
    x: () => convInputGrad(g, gw as Tensor, attrs),
    g: () => conv(x, gw as Tensor, attrs),
  }),
});

/** A convolution and what follows it. */
type ConvCall = Attrs &
  Partial<ConvAttrs> & { readonly bias?: Tensor | undefined; readonly residual?: Tensor | undefined };

/** The convolution itself. */
export function conv(x: Tensor, w: Tensor, call: ConvCall): Tensor {
  const { shape, bias, residual, activation = 'none', slope = 0 } = call;
  return convOp({ x, w, bias, residual }, { shape, activation, slope })[0];
}

/** dLoss/dx from g = dLoss/dy, with a bias where it stands for a transposed convolution. */
export function convInputGrad(
  g: Tensor,
  w: Tensor,
  call: Attrs & { readonly bias?: Tensor | undefined },
): Tensor {
  return inputGradOp({ g, w, bias: call.bias }, { shape: call.shape })[0];
}

/** dLoss/dw from x and g = dLoss/dy. */
export function convWeightGrad(x: Tensor, g: Tensor, { shape }: Attrs): Tensor {
  return weightGradOp({ x, g }, { shape })[0];
}
