import type { AttackModel } from '../../src/attacks/model.ts';
import { valueAndGrad } from '../../src/autograd/grad.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Conv2d, Linear, Relu, Sequential } from '../../src/nn/layers.ts';
import { EVALUATION, Layer } from '../../src/nn/module.ts';
import { AdamW } from '../../src/nn/optimisers.ts';
import { squeeze } from '../../src/nn/squeeze.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { numbers } from '../nn/tools.ts';

class Squeeze extends Layer {
  forward(map: Tensor): Tensor {
    return squeeze(map);
  }
}

export interface Trained {
  readonly network: Sequential;
  readonly model: AttackModel;
  readonly x: Tensor;
  readonly labels: Tensor;
}

/** A small network that has learnt 12 random images [5, 5, 2] of 4 classes. */
export function trained(device: Device, n = 12): Trained {
  const init = new Initialiser(device, 1);
  const network = new Sequential(
    new Conv2d(init, { in: 2, out: 8, kernel: [3, 3] }),
    new Relu(),
    new Conv2d(init, { in: 8, out: 8, kernel: [3, 3] }),
    new Relu(),
    new Squeeze(),
    new Linear(init, { in: 8, out: 4 }),
  );
  const x = device.tensor(
    numbers(n * 50, 1).map((value) => (value + 1) / 2),
    [n, 5, 5, 2],
  );
  const labels = device.tensor(Int32Array.from({ length: n }, (_, i) => i % 4));
  const optimiser = new AdamW(network.namedParameters());
  for (let step = 0; step < 80; step++) {
    device.scope(() => {
      const learn = () => crossEntropy(network.forward(x, { training: true, seed: step }), labels);
      optimiser.step(valueAndGrad(learn, network.parameters()).grads, 0.03);
    });
  }
  optimiser.dispose();
  const model: AttackModel = {
    inputs: { x: [0, 1] },
    logits: ({ x: input }) => network.forward(input as Tensor, EVALUATION),
  };
  return { network, model, x, labels };
}
