import type { ActionNetwork } from '../src/amr/action-network.ts';
import { Rng } from '../src/data/rng.ts';
import { FormatError } from '../src/errors.ts';
import { decodeSafetensors } from '../src/formats/safetensors.ts';
import { decodeState, encodeState } from '../src/nn/state.ts';
import { type BatchStatus, evaluateAttack, evaluateClean } from '../src/train/evaluate.ts';
import { Trainer } from '../src/train/trainer.ts';
import type { Job } from './job.ts';
import { methodFor, trainingAttack, unitsPerTraining } from './methods.ts';
import { buildNetwork } from './networks.ts';
import { MODELS, type ModelName, TRAININGS } from './options.ts';
import { type Plan, phaseOf, sourcesOf } from './plans.ts';
import type { TrainingSizes } from './presets.ts';
import type { EpochRecord, TrainingCurve } from './results.ts';

/** `amr-pgd`. */
export function idOf({ model, train }: Plan): string {
  return `${model}-${train}`;
}

export const unitsPerValidation = (sizes: TrainingSizes): number => 1 + 2 * sizes.attackSteps;

export const validations = (sizes: TrainingSizes): number => Math.ceil(sizes.epochs / sizes.validateEvery);

/** A trained network: fresh, resumed, or as an earlier run left it. */
export interface Trained {
  readonly network: ActionNetwork;
  readonly curve: TrainingCurve;
}

/** How far a training is: kept in its checkpoint. */
interface Progressed {
  epochs: EpochRecord[];
  best: number;
  bestScore: number;
}

/**
 * Trains one network, keeping after every epoch all it takes to go on, and at the end the weights of the epoch that did
 * best on the validation subjects, or of the last one where these are trained on too. Equal seeds give equal weights, interrupted or not.
 */
export async function trainModel(job: Job, plan: Plan): Promise<Trained> {
  const id = idOf(plan);
  const seed = new Rng(job.options.seed, MODELS.indexOf(plan.model), TRAININGS.indexOf(plan.train)).uint32();
  const network = buildNetwork(job.device, plan.model, job.dataset, job.preset.network, seed);
  const curve = await job.folder.readJson<TrainingCurve>(`checkpoints/${id}.json`);
  if (curve && !Array.isArray(curve.epochs))
    throw new FormatError(`checkpoints/${id}.json`, 'is no training curve; delete it and resume again');
  const kept = curve && (await job.folder.read(`checkpoints/${id}.safetensors`));
  if (!kept) return { network, curve: await train(job, plan, network, seed) };
  decodeState(network.namedState(), kept, `checkpoints/${id}.safetensors`);
  if (!job.trained.has(id)) job.progress.skip(job.trainingUnits(plan));
  job.trained.add(id);
  return { network, curve };
}

/** Copies the weights a network starts from, which are trained first if they have not been. */
async function startFromSources(job: Job, plan: Plan, network: ActionNetwork): Promise<void> {
  for (const source of sourcesOf(plan)) {
    const { network: trained } = await trainModel(job, source);
    await copyWeights(trained, source.model, network);
    trained.dispose();
  }
}

/** Starts a network from a trained one called `model`: equal names, and the backbone of a stream as its stream. */
export async function copyWeights(
  trained: ActionNetwork,
  model: ModelName,
  network: ActionNetwork,
): Promise<void> {
  const own = network.namedState();
  for (const [name, tensor] of trained.namedState()) {
    const target = own.get(name.replace('classifier.backbone', model)) ?? own.get(name);
    if (target) target.device.write(target, await tensor.read());
  }
}

async function train(job: Job, plan: Plan, network: ActionNetwork, seed: number): Promise<TrainingCurve> {
  const id = idOf(plan);
  const sizes = job.preset.training[phaseOf(plan)];
  const { device, dataset, folder, progress, trainingSamples } = job;
  const method = methodFor(plan.train, sizes);
  const trainer = new Trainer(device, network, dataset, trainingSamples, { ...sizes, method, seed });
  const state = await restore(job, plan, trainer);
  if (trainer.epochs === 0) await startFromSources(job, plan, network);
  try {
    while (trainer.epochs < sizes.epochs) {
      progress.phase(`train ${id} ${trainer.epochs + 1}/${sizes.epochs}`);
      const units = unitsPerTraining(plan.train, sizes);
      const metrics = await trainer.epoch((step) => progress.advance(step.samples, units, step));
      await recordEpoch(job, plan, network, trainer.epochs, metrics, state);
      const metadata = { progress: JSON.stringify(state) };
      await folder.write(`state/${id}.safetensors`, await encodeState(trainer.namedState(), metadata));
    }
  } finally {
    trainer.dispose();
  }
  job.trained.add(id);
  return finish(job, id, network, state);
}

async function restore(job: Job, plan: Plan, trainer: Trainer): Promise<Progressed> {
  const name = `state/${idOf(plan)}.safetensors`;
  const bytes = await job.folder.read(name);
  if (!bytes) return { epochs: [], best: 0, bestScore: -1 };
  const progressed = parseProgress(decodeSafetensors(bytes, name).metadata.progress, name);
  decodeState(trainer.namedState(), bytes, name);
  trainer.restore(progressed.epochs.length);
  job.progress.skip((job.trainingUnits(plan) * trainer.epochs) / job.preset.training[phaseOf(plan)].epochs);
  return progressed;
}

/** What a checkpoint called `name` says of its training so far. Throws `FormatError` when it does not. */
export function parseProgress(text: string | undefined, name: string): Progressed {
  try {
    const found = JSON.parse(text ?? '') as Partial<Progressed> | null;
    const numbers = [found?.best, found?.bestScore].every((value) => typeof value === 'number');
    if (numbers && Array.isArray(found?.epochs)) return found as Progressed;
  } catch {
    // No JSON is as wrong as JSON of something else.
  }
  throw new FormatError(name, 'does not say how far its training is; delete it and resume again');
}

/** Validates after an epoch, and keeps the weights when they are the best so far; all where nothing is held out. */
async function recordEpoch(
  job: Job,
  plan: Plan,
  network: ActionNetwork,
  epoch: number,
  metrics: { loss: number; accuracy: number },
  state: Progressed,
): Promise<void> {
  const sizes = job.preset.training[phaseOf(plan)];
  const { loss, accuracy } = metrics;
  const held = job.validationSamples.length > 0;
  const due = held && (sizes.epochs - epoch) % sizes.validateEvery === 0;
  const found = due ? await validate(job, plan, network) : { robust: Number.NaN, clean: Number.NaN };
  state.epochs.push({ loss, accuracy, validation: found.robust, validationClean: found.clean });
  const score = held ? found.robust + found.clean : epoch;
  if (!(score >= state.bestScore)) return;
  Object.assign(state, { best: epoch, bestScore: score });
  await job.folder.write(`state/${idOf(plan)}.best.safetensors`, await encodeState(network.namedState()));
}

async function finish(
  job: Job,
  id: string,
  network: ActionNetwork,
  state: Progressed,
): Promise<TrainingCurve> {
  const { folder } = job;
  const best = `state/${id}.best.safetensors`;
  const bytes = await folder.read(best);
  if (!bytes) throw new FormatError(best, 'is gone; delete the run and start again');
  decodeState(network.namedState(), bytes, best);
  const curve = { epochs: state.epochs, best: state.best };
  await folder.write(
    `checkpoints/${id}.safetensors`,
    await encodeState(network.namedState(), { network: id }),
  );
  await folder.writeJson(`checkpoints/${id}.json`, curve);
  await folder.remove(best);
  await folder.remove(`state/${id}.safetensors`);
  return curve;
}

/** Accuracy on the validation subjects, clean and (for adversarial training) under the attack it trains against. */
async function validate(
  job: Job,
  plan: Plan,
  network: ActionNetwork,
): Promise<{ robust: number; clean: number }> {
  const { device, dataset, progress, validationSamples: indices } = job;
  const sizes = job.preset.training[phaseOf(plan)];
  const options = {
    batchSize: job.preset.evaluation.batchSize,
    onBatch: (n: number, found: BatchStatus) => progress.advance(n, 1, found),
  };
  const share = (flags: readonly boolean[]) => flags.filter(Boolean).length / flags.length;
  const clean = share((await evaluateClean(device, network, dataset, indices, options)).correct);
  if (plan.train === 'natural') return { robust: clean, clean };
  const attack = { ...trainingAttack(sizes), seed: job.options.seed };
  const onBatch = (n: number, found: BatchStatus) => progress.advance(n, 2 * sizes.attackSteps, found);
  const { robust } = await evaluateAttack(device, network, dataset, indices, attack, { ...options, onBatch });
  return { robust: share(robust), clean };
}
