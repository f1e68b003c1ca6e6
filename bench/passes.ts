// What is measured of a network: its forward pass, the gradient of its input, and a training step.
import type { ActionInputs, ActionNetwork } from '../src/amr/action-network.ts';
import { actionLoss } from '../src/amr/loss.ts';
import { grad, valueAndGrad } from '../src/autograd/grad.ts';
import { crossEntropy } from '../src/kernels/loss.ts';
import { EVALUATION } from '../src/nn/module.ts';
import type { AdamW } from '../src/nn/optimisers.ts';
import type { Tensor } from '../src/tensor/tensor.ts';

export type Pass = 'forward' | 'input gradient' | 'training step';

/** Labels, then inputs in the order of the network's modalities. */
export type Step = (...inputs: readonly [Tensor, ...Tensor[]]) => Tensor | readonly Tensor[];

/** A pass, and what must be done before each call of it. */
export interface PassRun {
  readonly pass: Pass;
  readonly step: Step;
  readonly before: () => void;
  /** Of a training step: what it differentiates. */
  readonly loss?: (...inputs: readonly [Tensor, ...Tensor[]]) => Tensor;
}

export function passesOf(network: ActionNetwork, optimiser: AdamW): PassRun[] {
  const named = (inputs: readonly Tensor[]): ActionInputs =>
    Object.fromEntries(network.modalities.map((modality, i) => [modality, inputs[i]]));
  const none = () => {};
  const forward: Step = (_, ...inputs) => network.forward(named(inputs), EVALUATION).logits;
  const inputGradient: Step = (truth, ...inputs) =>
    grad(() => crossEntropy(network.forward(named(inputs), EVALUATION).logits, truth), inputs);
  const weights = { auxiliaryWeight: 1, labelSmoothing: 0 };
  const loss = (truth: Tensor, ...inputs: readonly Tensor[]) =>
    actionLoss(network.forward(named(inputs), { training: true, seed: 1 }), truth, weights);
  const train: Step = (...all) => {
    const { value, grads } = valueAndGrad(() => loss(...all), network.parameters());
    optimiser.apply(grads);
    return value;
  };
  return [
    { pass: 'forward', step: forward, before: none },
    { pass: 'input gradient', step: inputGradient, before: none },
    { pass: 'training step', step: train, before: () => optimiser.prepare(1e-5), loss },
  ];
}
