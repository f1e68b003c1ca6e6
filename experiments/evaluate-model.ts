import type { ActionNetwork, Modality } from '../src/amr/action-network.ts';
import { Rng } from '../src/data/rng.ts';
import type { NetworkAttack } from '../src/train/attack-network.ts';
import {
  type AttackResult,
  type BatchStatus,
  type CleanResult,
  evaluateAttack,
  evaluateClean,
} from '../src/train/evaluate.ts';
import type { Job } from './job.ts';
import type { Plan } from './plans.ts';
import type { Level, Target } from './results.ts';
import { idOf } from './train-model.ts';

/** One attack at one size on one target. */
export interface AttackRun {
  readonly attack: string;
  readonly on: Target;
  /** Index of the level. */
  readonly level: number;
  readonly budget: Level;
  readonly result: AttackResult;
}

/** All that was measured of one network on test samples. */
export interface Evaluation {
  readonly plan: Plan;
  /** On all test samples. */
  readonly clean: CleanResult;
  /** Of the samples that are attacked: what a drop under attack is counted from. */
  readonly attackedClean: CleanResult;
  readonly attacks: readonly AttackRun[];
  /** Accuracy under an attack without practical limit, which should be about zero. */
  readonly unlimited: AttackResult;
}

/** ε that no network can withstand: any pixel value, and a metre. */
const UNLIMITED: Level = { rgb: 1, skeleton: 1 };
const UNLIMITED_SAMPLES = 16;
const UNLIMITED_STEPS = 20;

/** What can be attacked in a network: each of its modalities, and both. */
export function targetsOf(modalities: readonly Modality[]): Target[] {
  return modalities.length === 2 ? [...modalities, 'both'] : [...modalities];
}

/** `fgsm` is one full step from the sample itself; `pgd20` twenty steps of ε/4 from a random start. */
export function attackFor(name: string, epsilons: Level, seed: number): NetworkAttack {
  if (name === 'fgsm') return { epsilons, steps: 1, relativeStep: 1, randomStart: false, seed };
  const steps = Number(name.replace('pgd', ''));
  return {
    epsilons,
    steps,
    relativeStep: Math.max(0.25, Math.min(1, 2.5 / steps)),
    randomStart: true,
    seed,
  };
}

/** Forward passes that evaluating one network takes. */
export function evaluationUnits(job: Job, modalities: readonly Modality[]): number {
  const { attacks, levels } = job.preset.evaluation;
  const perSample = attacks.reduce((sum, name) => sum + 2 * attackFor(name, {}, 0).steps + 2, 0);
  const unlimited = Math.min(UNLIMITED_SAMPLES, job.samples.length) * 2 * UNLIMITED_STEPS;
  const attacked = job.samples.length * perSample * levels.length * targetsOf(modalities).length;
  return job.testSamples.length + attacked + unlimited;
}

/** Runs a network on clean and attacked test samples; finished parts are kept on disk. */
export async function evaluateModel(job: Job, plan: Plan, network: ActionNetwork): Promise<Evaluation> {
  const clean = await cleanResult(job, plan, network);
  const attacks: AttackRun[] = [];
  for (const attack of job.preset.evaluation.attacks) {
    for (const on of targetsOf(network.modalities)) {
      for (const [level, sizes] of job.preset.evaluation.levels.entries()) {
        const budget = restrict(sizes, on);
        const name = `${attack}-${on}-${level}`;
        const result = await attackResult(
          job,
          plan,
          network,
          name,
          job.samples,
          attackFor(attack, budget, seedOf(job, on, level)),
        );
        attacks.push({ attack, on, level, budget, result });
      }
    }
  }
  const few = job.samples.slice(0, UNLIMITED_SAMPLES);
  const limitless = attackFor(`pgd${UNLIMITED_STEPS}`, restrict(UNLIMITED, 'both'), job.options.seed);
  const unlimited = await attackResult(job, plan, network, 'unlimited', few, limitless);
  return { plan, clean, attackedClean: partOf(clean, job.testSamples, job.samples), attacks, unlimited };
}

/** What was found of some of the samples. */
export function partOf(
  { correct, losses, predictions, weights }: CleanResult,
  samples: readonly number[],
  some: readonly number[],
): CleanResult {
  const rows = new Map(samples.map((sample, row) => [sample, row]));
  const pick = <T>(values: readonly T[]) => some.map((sample) => values[rows.get(sample) ?? -1] as T);
  return {
    correct: pick(correct),
    losses: pick(losses),
    predictions: pick(predictions),
    weights: weights.map(pick),
  };
}

function cleanResult(job: Job, plan: Plan, network: ActionNetwork): Promise<CleanResult> {
  const id = idOf(plan);
  return job.once(`state/${id}-clean.json`, job.testSamples.length, () => {
    job.progress.phase(`test ${id} clean`);
    const onBatch = (n: number, found: BatchStatus) => job.progress.advance(n, 1, found);
    return evaluateClean(job.device, network, job.dataset, job.testSamples, {
      batchSize: job.preset.evaluation.batchSize,
      onBatch,
    });
  });
}

function attackResult(
  job: Job,
  plan: Plan,
  network: ActionNetwork,
  name: string,
  samples: readonly number[],
  attack: NetworkAttack,
): Promise<AttackResult> {
  const id = idOf(plan);
  const units = 2 * attack.steps + 2;
  return job.once(`state/${id}-${name}.json`, samples.length * units, () => {
    job.progress.phase(`attack ${id} ${name}`);
    const onBatch = (n: number, found: BatchStatus) => job.progress.advance(n, units, found);
    const options = { batchSize: job.preset.evaluation.batchSize, onBatch };
    return evaluateAttack(job.device, network, job.dataset, samples, attack, options);
  });
}

/** The part of a level that belongs to what is attacked. */
export function restrict(level: Level, on: Target): Level {
  return on === 'both' ? level : { [on]: level[on] ?? 0 };
}

/** Every network meets the same random starts. */
export function seedOf(job: Job, on: Target, level: number): number {
  return new Rng(job.options.seed, ['rgb', 'skeleton', 'both'].indexOf(on), level, 6).uint32();
}
