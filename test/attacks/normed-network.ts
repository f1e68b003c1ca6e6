import { valueAndGrad } from '../../src/autograd/grad.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Conv2d, Linear, Relu, Sequential } from '../../src/nn/layers.ts';
import { EVALUATION, Layer } from '../../src/nn/module.ts';
import { BatchNorm } from '../../src/nn/norms.ts';
import { AdamW } from '../../src/nn/optimisers.ts';
import { squeeze } from '../../src/nn/squeeze.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { numbers, values } from '../nn/tools.ts';

export const SHAPE = [6, 5, 5, 2];
export const SIZE = 6 * 5 * 5 * 2;

class Squeeze extends Layer {
  forward(map: Tensor): Tensor {
    return squeeze(map);
  }
}

/** A trained network with what it has learnt, and its loss. */
export interface Normed {
  readonly network: Sequential;
  readonly x: Tensor;
  /** Sum of the losses of `input` for the labels of x, or others. */
  readonly loss: (input: Tensor, labels?: Tensor) => Tensor;
}

/** A small network with a norm that has learnt 6 random images [5, 5, 2] of 3 classes. */
export function normed(device: Device): Normed {
  const init = new Initialiser(device, 1);
  const network = new Sequential(
    new Conv2d(init, { in: 2, out: 4, kernel: [3, 3] }),
    new BatchNorm(init, 4),
    new Relu(),
    new Conv2d(init, { in: 4, out: 4, kernel: [3, 3] }),
    new Squeeze(),
    new Linear(init, { in: 4, out: 3 }),
  );
  const x = device.tensor(
    numbers(SIZE, 1).map((value) => (value + 1) / 2),
    SHAPE,
  );
  const own = device.tensor(Int32Array.of(0, 1, 2, 0, 1, 2));
  const optimiser = new AdamW(network.namedParameters());
  for (let step = 0; step < 60; step++) {
    device.scope(() => {
      const learn = () => crossEntropy(network.forward(x, { training: true, seed: step }), own);
      optimiser.step(valueAndGrad(learn, network.parameters()).grads, 0.05);
    });
  }
  const loss = (input: Tensor, labels = own) =>
    sum(crossEntropy(network.forward(input, EVALUATION), labels, { reduction: 'none' }));
  return { network, x, loss };
}

/** Largest distance from `from`, smallest and largest value. */
export async function extent(moved: Tensor, from: Tensor) {
  const [a, b] = [await values(moved), await values(from)];
  return {
    distance: Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? Number.NaN)))),
    low: Math.min(...a),
    high: Math.max(...a),
  };
}
