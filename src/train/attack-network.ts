import {
  type ActionInputs,
  type ActionNetwork,
  type ActionOutput,
  inputOf,
  type Modality,
} from '../amr/action-network.ts';
import { checkBall, finiteBudget } from '../attacks/norms.ts';
import { type Iterate, PgdAttack } from '../attacks/pgd-attack.ts';
import { check, checkNames, need } from '../errors.ts';
import { add, mul } from '../kernels/elementwise.ts';
import { crossEntropy } from '../kernels/loss.ts';
import { randomNormal } from '../kernels/random.ts';
import { sum } from '../kernels/reduce.ts';
import { EVALUATION } from '../nn/module.ts';
import { type Captured, canCapture } from '../tensor/capture.ts';
import { captureShapes } from '../tensor/capture-shapes.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkNetwork, checkWeight } from './checks.ts';
import { predictionDivergence } from './robust-losses.ts';
import { type Target, targetLoss, targetOf, targetTensors } from './target.ts';

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
  /** What is maximised: the cross-entropy (when left out), or the divergence from the clean prediction, KL(p(x) ‖ p(x')). */
  readonly objective?: 'crossEntropy' | 'divergence' | undefined;
  /** Starts at x + σ N(0, 1) instead of a uniform draw from the ball; in the units of the input. */
  readonly startNoise?: number | undefined;
}

/** What an attack on a network computes at each iterate. */
export interface AttackValue extends ActionOutput {
  /** What is maximised. A sum over the samples, so that a sample's gradient does not depend on its batch. */
  readonly loss: Tensor;
  /** Of the fused head, [N]: the cross-entropy, or the divergence. */
  readonly losses: Tensor;
}

export const RANGES = { rgb: [0, 1], skeleton: undefined } as const;

const NAMES = [
  ...(['epsilons', 'steps', 'relativeStep', 'randomStart'] as const),
  ...(['adaptive', 'objective', 'startNoise'] as const),
];

type Observer = (iterate: Iterate<AttackValue>, modalities: readonly Modality[]) => void;

/**
 * PGD on a network's cross-entropy in evaluation mode, through everything it computes (AMR's weights included), in the
 * input space of the modalities that have an ε above 0. Returns the inputs with those modalities replaced. `observe` sees
 * every iterate; with nothing to attack, only the inputs themselves. Throws `ShapeError` for ε < 0 or beyond the range, λ < 0, and
 * where the network lacks what has an ε.
 */
export function attackNetwork(
  network: ActionNetwork,
  inputs: ActionInputs,
  labels: Tensor,
  options: NetworkAttack,
  observe?: Observer,
): ActionInputs {
  need(Object(options) === options, 'attackNetwork', 'options', options);
  const { seed, ...attack } = options;
  const attacker = new NetworkAttacker(network, attack, attack.steps > 1);
  try {
    return attacker.attack(inputs, { labels }, seed, observe);
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
  readonly #logits: Captured<readonly Tensor[], Tensor> | undefined;

  /** Throws `ShapeError` as `attackNetwork` does. */
  constructor(network: ActionNetwork, attack: Omit<NetworkAttack, 'seed'>, captured = true) {
    const isRecipe = typeof (attack as { step?: unknown } | undefined)?.step === 'function';
    check(
      !isRecipe,
      'attackNetwork',
      () =>
        `takes { ${NAMES.slice(0, 4).join(', ')}, seed }, not a recipe; attack and attackModel take those`,
    );
    checkNames('attackNetwork', attack, NAMES);
    checkNetwork('attackNetwork', network);
    const { epsilons, relativeStep, adaptive = 0 } = attack;
    checkWeight('attackNetwork', 'adaptive', adaptive);
    checkEpsilons('attackNetwork', epsilons, network.modalities);
    this.#network = network;
    this.#options = attack;
    this.modalities = network.modalities.filter((modality) => (epsilons[modality] ?? 0) > 0);
    const moved = this.modalities.map((modality) => {
      const given = { epsilon: epsilons[modality] ?? 0, range: RANGES[modality] };
      const budget = finiteBudget('attackNetwork', given, 1, `${modality}: `);
      return { ...budget, stepSize: relativeStep * budget.epsilon };
    });
    const loss = (points: readonly Tensor[], fixed: readonly Tensor[]) => this.#value(points, fixed);
    this.#attack = new PgdAttack(loss, moved, { captured });
    const diverging = attack.objective === 'divergence';
    if (captured && diverging)
      this.#logits = captureShapes((...all: readonly Tensor[]) => this.#predict(all));
  }

  /** The inputs with the attacked modalities replaced. */
  attack(inputs: ActionInputs, target: Target, seed: number, observe?: Observer): ActionInputs {
    return target.labels.device.scope(() => this.#run(inputs, target, seed, observe));
  }

  #run(inputs: ActionInputs, target: Target, seed: number, observe?: Observer): ActionInputs {
    const { steps, randomStart } = this.#options;
    const pick = (modalities: readonly Modality[]) => modalities.map((modality) => inputOf(inputs, modality));
    const fixed = [...pick(this.#clean), ...this.#compared(pick(this.#network.modalities), target)];
    if (this.modalities.length === 0) {
      const final = { step: steps, inputs: [], grads: undefined };
      observe?.({ ...final, value: this.#value([], fixed) }, []);
      return inputs;
    }
    const seen = (iterate: Iterate<AttackValue>) => observe?.(iterate, this.modalities);
    const attacked = pick(this.modalities);
    const from = this.#noisy(attacked, seed);
    const run = { steps, randomStart, seed, from, observe: observe && seen };
    return { ...inputs, ...this.#named(this.modalities, this.#attack.run(attacked, fixed, run)) };
  }

  /** Frees the captured steps. */
  dispose(): void {
    this.#attack.dispose();
    this.#logits?.dispose();
  }

  get #clean(): readonly Modality[] {
    return this.#network.modalities.filter((modality) => !this.modalities.includes(modality));
  }

  #named(modalities: readonly Modality[], tensors: readonly Tensor[]): ActionInputs {
    return Object.fromEntries(modalities.map((modality, i) => [modality, tensors[i]] as const));
  }

  /** What outputs are compared with: the logits at the clean inputs, or the target. */
  #compared(inputs: readonly Tensor[], target: Target): Tensor[] {
    if (this.#options.objective !== 'divergence') return targetTensors(target);
    const captured = canCapture(target.labels.device) ? this.#logits : undefined;
    return [captured ? captured(...inputs) : this.#predict(inputs)];
  }

  #predict(inputs: readonly Tensor[]): Tensor {
    return this.#network.forward(this.#named(this.#network.modalities, inputs), EVALUATION).logits;
  }

  #noisy(inputs: readonly Tensor[], seed: number): Tensor[] | undefined {
    const { startNoise: std } = this.#options;
    if (std === undefined) return undefined;
    return inputs.map((x, stream) => add(x, randomNormal(x.device, x.shape, { seed, stream, std })));
  }

  /** What is maximised, at the points of the attacked modalities; `fixed`: the other inputs, then what is compared with. */
  #value(points: readonly Tensor[], fixed: readonly Tensor[]): AttackValue {
    const clean = this.#clean;
    const inputs = { ...this.#named(this.modalities, points), ...this.#named(clean, fixed) };
    const compared = fixed.slice(clean.length);
    const output = this.#network.forward(inputs, EVALUATION);
    if (this.#options.objective === 'divergence') {
      const losses = predictionDivergence(compared[0] as Tensor, output.logits);
      return { ...output, losses, loss: sum(losses) };
    }
    return { ...output, ...adversaryLoss(output, targetOf(compared), this.#options.adaptive) };
  }
}

/** Throws `ShapeError` for ε < 0, beyond the range or NaN, naming the modality, and where it is above 0 for modalities alone that the network lacks. */
export function checkEpsilons(op: string, epsilons: Epsilons, modalities: readonly Modality[]): void {
  need(Object(epsilons) === epsilons, op, 'epsilons by modality', epsilons);
  for (const [modality, epsilon] of Object.entries(epsilons))
    checkBall(op, { epsilon, range: RANGES[modality as Modality] }, `${modality}: `);
  const attacked = Object.entries(epsilons).flatMap(([modality, epsilon]) => (epsilon > 0 ? [modality] : []));
  // One ε for each modality serves networks that see both and those that see one.
  const reached = attacked.length === 0 || modalities.some((modality) => attacked.includes(modality));
  check(reached, op, () => `the network has no ${attacked.join(', ')}; it takes ${modalities.join(', ')}`);
}

function adversaryLoss(
  output: ActionOutput,
  target: Target,
  adaptive = 0,
): Pick<AttackValue, 'loss' | 'losses'> {
  const losses = targetLoss(target, (labels) => crossEntropy(output.logits, labels, { reduction: 'none' }));
  const own = sum(losses);
  if (adaptive === 0) return { losses, loss: own };
  const fused = output.penalty ? add(own, sum(output.penalty)) : own;
  if (output.auxiliary.length === 0) return { losses, loss: fused };
  const heads = output.auxiliary.map((logits) =>
    targetLoss(target, (labels) => crossEntropy(logits, labels, { reduction: 'sum' })),
  );
  const auxiliary = mul(
    heads.reduce((a, b) => add(a, b)),
    adaptive / heads.length,
  );
  return { losses, loss: add(fused, auxiliary) };
}
