import type { ActionInputs, ActionNetwork, ActionOutput, Modality } from '../amr/action-network.ts';
import { checkBudget } from '../attacks/norms.ts';
import { type Attacked, type Iterate, pgdJoint } from '../attacks/pgd.ts';
import { add, mul } from '../kernels/elementwise.ts';
import { crossEntropy } from '../kernels/loss.ts';
import { sum } from '../kernels/reduce.ts';
import { EVALUATION } from '../nn/module.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** ε of each attacked modality: a share of the pixel range, and metres. A modality left out stays clean. */
export type Epsilons = Readonly<Partial<Record<Modality, number>>>;

export interface NetworkAttack {
  readonly epsilons: Epsilons;
  readonly steps: number;
  /** Step size as a share of ε. */
  readonly relativeStep: number;
  readonly randomStart: boolean;
  readonly seed: number;
  /** λ of the auxiliary heads in what the adversary maximises; 0 when left out: the fused head alone. */
  readonly adaptive?: number | undefined;
}

/** What an attack on a network computes at each iterate. */
export interface AttackValue extends ActionOutput {
  /** What is maximised. A sum over the samples, so that a sample's gradient does not depend on its batch. */
  readonly loss: Tensor;
  /** Cross-entropy of the fused head, [N]. */
  readonly losses: Tensor;
}

const RANGES = { rgb: [0, 1], skeleton: undefined } as const;

/**
 * PGD on a network's cross-entropy in evaluation mode, through everything it computes (AMR's weights included), in the
 * input space of the modalities that have an ε above 0. Returns the inputs with those modalities replaced. `observe` sees
 * every iterate; with nothing to attack, only the inputs themselves. Throws `ShapeError` for ε < 0.
 */
export function attackNetwork(
  network: ActionNetwork,
  inputs: ActionInputs,
  labels: Tensor,
  attack: NetworkAttack,
  observe?: (iterate: Iterate<AttackValue>, modalities: readonly Modality[]) => void,
): ActionInputs {
  for (const epsilon of Object.values(attack.epsilons)) checkBudget('attackNetwork', { epsilon });
  const modalities = network.modalities.filter((modality) => (attack.epsilons[modality] ?? 0) > 0);
  if (modalities.length === 0) {
    const value = () => attackValue(network, inputs, labels, attack.adaptive);
    const final = { step: attack.steps, inputs: [], grads: undefined };
    if (observe) labels.device.scope(() => observe({ ...final, value: value() }, []));
    return inputs;
  }
  const attacked = modalities.map((modality): Attacked => {
    const epsilon = attack.epsilons[modality] ?? 0;
    const stepSize = attack.relativeStep * epsilon;
    return { x: inputs[modality] as Tensor, epsilon, stepSize, range: RANGES[modality] };
  });
  const assemble = (moved: readonly Tensor[]): ActionInputs => ({
    ...inputs,
    ...Object.fromEntries(modalities.map((modality, i) => [modality, moved[i]])),
  });
  const loss = (moved: readonly Tensor[]) => attackValue(network, assemble(moved), labels, attack.adaptive);
  const { steps, randomStart, seed } = attack;
  const found = pgdJoint(loss, attacked, {
    steps,
    randomStart,
    seed,
    ...(observe && { observe: (it) => observe(it, modalities) }),
  });
  return assemble(found);
}

function attackValue(
  network: ActionNetwork,
  inputs: ActionInputs,
  labels: Tensor,
  adaptive = 0,
): AttackValue {
  const output = network.forward(inputs, EVALUATION);
  const losses = crossEntropy(output.logits, labels, { reduction: 'none' });
  const fused = sum(losses);
  if (adaptive === 0 || output.auxiliary.length === 0) return { ...output, losses, loss: fused };
  const heads = output.auxiliary.map((logits) => crossEntropy(logits, labels, { reduction: 'sum' }));
  const auxiliary = mul(
    heads.reduce((a, b) => add(a, b)),
    adaptive / heads.length,
  );
  return { ...output, losses, loss: add(fused, auxiliary) };
}
