import type { ActionInputs, ActionOutput } from '../amr/action-network.ts';
import { type ActionLossOptions, actionLoss, withAuxiliary } from '../amr/loss.ts';
import { checkNames, need } from '../errors.ts';
import { add, mul } from '../kernels/elementwise.ts';
import { mean } from '../kernels/reduce.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Epsilons, NetworkAttack } from './attack-network.ts';
import { checkWeight } from './checks.ts';
import { martLoss, predictionDivergence } from './robust-losses.ts';
import { type Target, targetLoss } from './target.ts';

/** What a training method makes a loss of. */
export interface MethodBatch {
  /** The network in training mode. */
  forward(inputs: ActionInputs): ActionOutput;
  readonly clean: ActionInputs;
  /** What the method's attack made of them; the clean ones where it has none. */
  readonly adversarial: ActionInputs;
  readonly target: Target;
  readonly options: ActionLossOptions;
}

/** The loss of a batch, a scalar, and the logits whose accuracy is reported. */
export interface MethodLoss {
  readonly loss: Tensor;
  readonly logits: Tensor;
}

export type TrainingAttack = Omit<NetworkAttack, 'seed'>;

/** How a network is trained: against what, and what is minimised. */
export interface TrainingMethod {
  /** Finds the adversarial inputs, in evaluation mode, against the weights as they are. */
  readonly attack?: TrainingAttack | undefined;
  /** Free adversarial training: each batch is used `replays` times, and its perturbation moves with the weights. */
  readonly free?: { readonly epsilons: Epsilons; readonly replays: number } | undefined;
  /** Whether a sample may have two classes (mixup, CutMix). */
  readonly mixes: boolean;
  loss(batch: MethodBatch): MethodLoss;
}

function taskLoss(output: ActionOutput, { target, options }: MethodBatch): Tensor {
  return targetLoss(target, (labels) => actionLoss(output, labels, options));
}

function lossAt(inputs: ActionInputs, batch: MethodBatch): MethodLoss {
  const output = batch.forward(inputs);
  return { loss: taskLoss(output, batch), logits: output.logits };
}

/** Cross-entropy on the samples as they are. */
export function naturalTraining(): TrainingMethod {
  return { mixes: true, loss: (batch) => lossAt(batch.clean, batch) };
}

/**
 * PGD adversarial training: cross-entropy on what PGD makes of the samples (Madry et al. 2018, equation 2.1). 10 steps of ε/4 from a
 * random start when left out.
 */
export function pgdTraining(
  options: Pick<TrainingAttack, 'epsilons'> & Partial<TrainingAttack>,
): TrainingMethod {
  need(Object(options) === options, 'pgdTraining', 'options', options);
  const attack = { steps: 10, relativeStep: 0.25, randomStart: true, ...options };
  return { attack, mixes: true, loss: (batch) => lossAt(batch.adversarial, batch) };
}

export interface FastOptions {
  readonly epsilons: Epsilons;
  /** Step as a share of ε; 1.25 when left out. */
  readonly relativeStep?: number;
}

/** Fast adversarial training: one step of 1.25 ε from a uniform start in the ball (Wong, Rice and Kolter 2020, algorithm 3). */
export function fastTraining(options: FastOptions): TrainingMethod {
  checkNames('fastTraining', options, ['epsilons', 'relativeStep']);
  const { epsilons, relativeStep = 1.25 } = options;
  return pgdTraining({ epsilons, steps: 1, relativeStep });
}

export interface RegularisedOptions {
  readonly epsilons: Epsilons;
  /** Weight of the divergence; 6 when left out. */
  readonly beta?: number;
  /** 10 when left out. */
  readonly steps?: number;
  /** Step as a share of ε: .003 of .031 (TRADES) or .007 of .031 (MART) when left out. */
  readonly relativeStep?: number;
}

/** Both methods start at x + .001 N(0, 1). */
const START = { randomStart: true, startNoise: 0.001 } as const;

/**
 * TRADES: `CE(x) + β KL(p(x) ‖ p(x'))`, where x' ascends the divergence from x + .001 N(0, 1) (Zhang et al. 2019, algorithm 1). Auxiliary
 * heads see the clean samples. Throws `ShapeError` for β < 0.
 */
export function tradesTraining(options: RegularisedOptions): TrainingMethod {
  checkNames('tradesTraining', options, ['epsilons', 'beta', 'steps', 'relativeStep']);
  const { epsilons, beta = 6, ...attack } = options;
  checkWeight('tradesTraining', 'beta', beta);
  const ascent = { steps: 10, relativeStep: 0.003 / 0.031, ...attack, objective: 'divergence' } as const;
  return {
    attack: { ...START, ...ascent, epsilons },
    mixes: true,
    loss(batch) {
      const [clean, adversarial] = [batch.forward(batch.clean), batch.forward(batch.adversarial)];
      const divergence = mean(predictionDivergence(clean.logits, adversarial.logits));
      return { loss: add(taskLoss(clean, batch), mul(divergence, beta)), logits: clean.logits };
    },
  };
}

/**
 * MART: `BCE(x') + β KL(p(x) ‖ p(x')) · (1 − p_y(x))`, where x' ascends the cross-entropy from x + .001 N(0, 1) (Wang et al. 2020).
 * Auxiliary heads see the adversarial samples. Throws `ShapeError` for β < 0.
 */
export function martTraining(options: RegularisedOptions): TrainingMethod {
  checkNames('martTraining', options, ['epsilons', 'beta', 'steps', 'relativeStep']);
  const { epsilons, beta = 6, ...attack } = options;
  checkWeight('martTraining', 'beta', beta);
  return {
    attack: { ...START, steps: 10, relativeStep: 0.007 / 0.031, ...attack, epsilons },
    mixes: false,
    loss(batch) {
      const { target, options } = batch;
      const [clean, adversarial] = [batch.forward(batch.clean), batch.forward(batch.adversarial)];
      const { labelSmoothing } = options;
      const fused = martLoss(clean.logits, adversarial.logits, target.labels, { beta, labelSmoothing });
      const loss = withAuxiliary(fused, adversarial, target.labels, options);
      return { loss, logits: adversarial.logits };
    },
  };
}

export interface FreeOptions {
  readonly epsilons: Epsilons;
  /** How often each batch is used, m; 8 when left out. */
  readonly replays?: number;
}

/**
 * Free adversarial training: each batch is used m times, and one backward pass, in training mode, gives both the update of the weights and
 * a step ε of the perturbation, which lives on from batch to batch (Shafahi et al. 2019, algorithm 1). An epoch costs m natural ones.
 */
export function freeTraining(options: FreeOptions): TrainingMethod {
  checkNames('freeTraining', options, ['epsilons', 'replays']);
  const { epsilons, replays = 8 } = options;
  return { free: { epsilons, replays }, mixes: true, loss: (batch) => lossAt(batch.adversarial, batch) };
}
