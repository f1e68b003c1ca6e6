import {
  type ActionInputs,
  type ActionNetwork,
  type ActionOutput,
  inputOf,
  type Modality,
} from '../amr/action-network.ts';
import { checkBudget } from '../attacks/norms.ts';
import { type Iterate, PgdAttack } from '../attacks/pgd-attack.ts';
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
  /**
   * λ of the auxiliary heads in what the adversary maximises, which then is the whole loss, penalty included; 0 when left
   * out: the fused head's cross-entropy alone.
   */
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

type Observer = (iterate: Iterate<AttackValue>, modalities: readonly Modality[]) => void;

/**
 * PGD on a network's cross-entropy in evaluation mode, through everything it computes (AMR's weights included), in the
 * input space of the modalities that have an ε above 0. Returns the inputs with those modalities replaced. `observe` sees
 * every iterate; with nothing to attack, only the inputs themselves. Throws `ShapeError` for ε < 0.
 */
export function attackNetwork(
  network: ActionNetwork,
  inputs: ActionInputs,
  labels: Tensor,
  { seed, ...attack }: NetworkAttack,
  observe?: Observer,
): ActionInputs {
  const attacker = new NetworkAttacker(network, attack, attack.steps > 1);
  try {
    return attacker.attack(inputs, labels, seed, observe);
  } finally {
    attacker.dispose();
  }
}

/** `attackNetwork` for batch after batch: the step is captured at the first batch and replayed at later ones. */
export class NetworkAttacker {
  /** What is attacked. */
  readonly modalities: readonly Modality[];
  readonly #network: ActionNetwork;
  readonly #options: Omit<NetworkAttack, 'seed'>;
  readonly #attack: PgdAttack<AttackValue>;

  /** Throws `ShapeError` for ε < 0. */
  constructor(network: ActionNetwork, attack: Omit<NetworkAttack, 'seed'>, captured = true) {
    const { epsilons, relativeStep, adaptive } = attack;
    for (const epsilon of Object.values(epsilons)) checkBudget('attackNetwork', { epsilon });
    this.#network = network;
    this.#options = attack;
    this.modalities = network.modalities.filter((modality) => (epsilons[modality] ?? 0) > 0);
    const moved = this.modalities.map((modality) => {
      const epsilon = epsilons[modality] ?? 0;
      return { epsilon, stepSize: relativeStep * epsilon, range: RANGES[modality] };
    });
    const loss = (points: readonly Tensor[], [labels, ...clean]: readonly Tensor[]) =>
      attackValue(network, this.#assemble(points, clean), labels as Tensor, adaptive);
    this.#attack = new PgdAttack(loss, moved, { captured });
  }

  attack(inputs: ActionInputs, labels: Tensor, seed: number, observe?: Observer): ActionInputs {
    const { steps, randomStart, adaptive } = this.#options;
    if (this.modalities.length === 0) {
      const value = () => attackValue(this.#network, inputs, labels, adaptive);
      const final = { step: steps, inputs: [], grads: undefined };
      if (observe) labels.device.scope(() => observe({ ...final, value: value() }, []));
      return inputs;
    }
    const pick = (modalities: readonly Modality[]) => modalities.map((modality) => inputOf(inputs, modality));
    const fixed = [labels, ...pick(this.#clean)];
    const seen = (iterate: Iterate<AttackValue>) => observe?.(iterate, this.modalities);
    const run = { steps, randomStart, seed, observe: observe && seen };
    return {
      ...inputs,
      ...this.#assemble(this.#attack.run(pick(this.modalities), fixed, run), pick(this.#clean)),
    };
  }

  /** Frees the captured step. */
  dispose(): void {
    this.#attack.dispose();
  }

  get #clean(): readonly Modality[] {
    return this.#network.modalities.filter((modality) => !this.modalities.includes(modality));
  }

  #assemble(points: readonly Tensor[], clean: readonly Tensor[]): ActionInputs {
    const named = (modalities: readonly Modality[], tensors: readonly Tensor[]) =>
      modalities.map((modality, i) => [modality, tensors[i]] as const);
    return Object.fromEntries([...named(this.modalities, points), ...named(this.#clean, clean)]);
  }
}

function attackValue(
  network: ActionNetwork,
  inputs: ActionInputs,
  labels: Tensor,
  adaptive = 0,
): AttackValue {
  const output = network.forward(inputs, EVALUATION);
  const losses = crossEntropy(output.logits, labels, { reduction: 'none' });
  const own = sum(losses);
  if (adaptive === 0) return { ...output, losses, loss: own };
  const fused = output.penalty ? add(own, sum(output.penalty)) : own;
  if (output.auxiliary.length === 0) return { ...output, losses, loss: fused };
  const heads = output.auxiliary.map((logits) => crossEntropy(logits, labels, { reduction: 'sum' }));
  const auxiliary = mul(
    heads.reduce((a, b) => add(a, b)),
    adaptive / heads.length,
  );
  return { ...output, losses, loss: add(fused, auxiliary) };
}
