import type { ActionNetwork, Modality } from '../amr/action-network.ts';
import { batches } from '../data/batches.ts';
import type { ActionDataset } from '../data/dataset.ts';
import { Rng } from '../data/rng.ts';
import { checkNames } from '../errors.ts';
import { abs, neg, sub } from '../kernels/elementwise.ts';
import { crossEntropy } from '../kernels/loss.ts';
import { argmax, max } from '../kernels/reduce.ts';
import { EVALUATION } from '../nn/module.ts';
import type { Device } from '../tensor/device.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type NetworkAttack, NetworkAttacker } from './attack-network.ts';
import { AttackWatch, type Watched } from './attack-watch.ts';
import { uploadBatch } from './batch.ts';
import { checkLogits, checkSubjects } from './checks.ts';

export interface EvaluateOptions {
  readonly batchSize: number;
  /** Called after each batch with its number of samples and how they did; may throw to stop. */
  readonly onBatch?: ((samples: number, found: BatchStatus) => void | Promise<void>) | undefined;
}

/** Mean loss and share of right predictions (at all iterates, under an attack) in a batch. */
export interface BatchStatus {
  readonly loss: number;
  readonly accuracy: number;
}

/** How a network does on clean samples, in the order of the indices. */
export interface CleanResult {
  /** The prediction is the label, and the loss a number. */
  readonly correct: readonly boolean[];
  readonly losses: readonly number[];
  readonly predictions: readonly number[];
  /** Modality weights of each reweighted stage, [stage][sample] = [rgb, skeleton]. */
  readonly weights: readonly (readonly (readonly [number, number])[])[];
}

/** How a network does under one attack, in the order of the indices. */
export interface AttackResult {
  /** No iterate fooled the network, the clean sample included, and every loss and gradient was a number. */
  readonly robust: readonly boolean[];
  /** Per-sample loss at the final iterate. */
  readonly losses: readonly number[];
  /** Mean loss at each iterate, the start first. */
  readonly lossByStep: readonly number[];
  /** Share of the samples whose input gradient was exactly zero, or no number, at the start. */
  readonly zeroGradients: number;
  /** Largest distance from the clean input, by attacked modality, in the units of its ε. */
  readonly distance: Readonly<Partial<Record<Modality, number>>>;
  /** Smallest and largest attacked pixel; undefined when pixels were not attacked. */
  readonly pixelRange: readonly [number, number] | undefined;
  /** Mean modality weights (RGB, skeleton) of each reweighted stage at the final iterate. */
  readonly weights: readonly (readonly [number, number])[];
}

/** Runs a network on clean samples in evaluation mode. */
export async function evaluateClean(
  device: Device,
  network: ActionNetwork,
  dataset: ActionDataset,
  indices: readonly number[],
  options: EvaluateOptions,
): Promise<CleanResult> {
  checkSubjects('evaluateClean', device, network, dataset, indices);
  checkNames('evaluateClean', options, ['batchSize', 'onBatch']);
  const found = {
    correct: [] as boolean[],
    losses: [] as number[],
    predictions: [] as number[],
    weights: [] as [number, number][][],
  };
  for (const part of inOrder(indices, options.batchSize)) {
    await device.scope(async () => {
      const { inputs, labels } = uploadBatch(device, dataset, part, network.modalities);
      const output = network.forward(inputs, EVALUATION);
      checkLogits('evaluateClean', output.logits, dataset.classes.length);
      const predictions = await argmax(output.logits, { axes: -1 }).read();
      found.predictions.push(...predictions);
      const losses = await crossEntropy(output.logits, labels, { reduction: 'none' }).read();
      // The largest of logits that are no numbers is the first one, which may happen to be the label.
      const right = (sample: number, i: number) =>
        predictions[i] === dataset.labels[sample] && Number.isFinite(losses[i]);
      found.correct.push(...part.map(right));
      found.losses.push(...losses);
      for (const [stage, weights] of output.weights.entries()) {
        const data = await weights.read();
        found.weights[stage] ??= [];
        found.weights[stage].push(
          ...part.map((_, i): [number, number] => [data[2 * i] ?? 0, data[2 * i + 1] ?? 0]),
        );
      }
    });
    await options.onBatch?.(part.length, statusOf(found.losses, found.correct, part.length));
  }
  return found;
}

/** Of the last `n` samples. */
function statusOf(losses: readonly number[], right: readonly boolean[], n: number): BatchStatus {
  const loss = losses.slice(-n).reduce((a, b) => a + b, 0) / n;
  return { loss, accuracy: right.slice(-n).filter(Boolean).length / n };
}

/** Runs one attack on a network over samples, batch by batch. */
export async function evaluateAttack(
  device: Device,
  network: ActionNetwork,
  dataset: ActionDataset,
  indices: readonly number[],
  attack: NetworkAttack,
  options: EvaluateOptions,
): Promise<AttackResult> {
  checkSubjects('evaluateAttack', device, network, dataset, indices);
  checkNames('evaluateAttack', options, ['batchSize', 'onBatch']);
  const parts: BatchResult[] = [];
  const attacker = new NetworkAttacker(network, attack);
  try {
    for (const [b, part] of inOrder(indices, options.batchSize).entries()) {
      const seed = new Rng(attack.seed, b, 5).uint32();
      const found = await device.scope(() =>
        attackBatch(device, network, dataset, part, { ...attack, seed }, attacker),
      );
      parts.push(found);
      await options.onBatch?.(part.length, statusOf(found.losses, found.robust, part.length));
    }
  } finally {
    attacker.dispose();
  }
  return combine(parts, indices.length);
}

interface BatchResult extends Watched, Movement {
  readonly size: number;
}

async function attackBatch(
  device: Device,
  network: ActionNetwork,
  dataset: ActionDataset,
  indices: readonly number[],
  attack: NetworkAttack,
  attacker: NetworkAttacker,
): Promise<BatchResult> {
  const { inputs, labels, size } = uploadBatch(device, dataset, indices, network.modalities);
  const watch = new AttackWatch(device, network.forward(inputs, EVALUATION).logits, labels);
  const attacked = attacker.attack(inputs, { labels }, attack.seed, (iterate) => watch.see(iterate));
  const watched = await watch.read();
  return { size, ...watched, ...(await movement(inputs, attacked, attack)) };
}

type Movement = Pick<AttackResult, 'distance' | 'pixelRange'>;

async function movement(before: Batchwise, after: Batchwise, attack: NetworkAttack): Promise<Movement> {
  const distance: Partial<Record<Modality, number>> = {};
  for (const modality of ['rgb', 'skeleton'] as const) {
    const [x, y] = [before[modality], after[modality]];
    if (x && y && (attack.epsilons[modality] ?? 0) > 0) distance[modality] = await max(abs(sub(y, x))).item();
  }
  if (!after.rgb || !(attack.epsilons.rgb ?? 0)) return { distance, pixelRange: undefined };
  const [most, least] = await Promise.all([max(after.rgb).item(), max(neg(after.rgb)).item()]);
  return { distance, pixelRange: [-least, most] };
}

type Batchwise = Readonly<Partial<Record<Modality, Tensor>>>;

function combine(parts: readonly BatchResult[], n: number): AttackResult {
  const steps = parts[0]?.lossByStep.length ?? 0;
  const ranges = parts.flatMap(({ pixelRange }) => (pixelRange ? [pixelRange] : []));
  const distances = (modality: Modality) => parts.flatMap(({ distance }) => distance[modality] ?? []);
  const distance = Object.fromEntries(
    (['rgb', 'skeleton'] as const).flatMap((m) =>
      distances(m).length > 0 ? [[m, Math.max(...distances(m))]] : [],
    ),
  );
  return {
    robust: parts.flatMap(({ robust }) => robust),
    losses: parts.flatMap(({ losses }) => losses),
    lossByStep: Array.from(
      { length: steps },
      (_, s) => parts.reduce((sum, part) => sum + (part.lossByStep[s] ?? 0), 0) / n,
    ),
    zeroGradients: parts.reduce((sum, part) => sum + part.zeroGradients, 0) / n,
    distance,
    weights: (parts[0]?.weights ?? []).map(
      (_, stage) => [weigh(parts, stage, 0, n), weigh(parts, stage, 1, n)] as const,
    ),
    pixelRange:
      ranges.length > 0
        ? [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))]
        : undefined,
  };
}

function inOrder(indices: readonly number[], batchSize: number): number[][] {
  return batches(indices, batchSize, { seed: 0, epoch: 0, shuffle: false });
}

function weigh(parts: readonly BatchResult[], stage: number, modality: 0 | 1, n: number): number {
  return parts.reduce((sum, { weights, size }) => sum + (weights[stage]?.[modality] ?? 0) * size, 0) / n;
}
