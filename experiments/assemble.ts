import {
  mcnemar,
  modalityBalance,
  proportion,
  type Robustness,
  relativeImprovement,
} from '../src/train/metrics.ts';
import { summarize } from './data.ts';
import { type AttackRun, attackFor, type Evaluation, restrict } from './evaluate-model.ts';
import type { Job } from './job.ts';
import type { LinearBaseline } from './linear-baseline.ts';
import {
  type ModelResult,
  type Results,
  type RobustResult,
  SCHEMA,
  type Share,
  type StageWeights,
  type Target,
  type TrainingCurve,
} from './results.ts';
import { findViolations } from './sanity.ts';
import { idOf } from './train-model.ts';

/** One network with all that was found of it. */
export interface Outcome {
  readonly evaluation: Evaluation;
  readonly curve: TrainingCurve;
  readonly parameters: number;
}

/** Puts everything that was measured into `results.json`. */
export function assembleResults(
  job: Job,
  kind: string,
  linear: LinearBaseline,
  outcomes: readonly Outcome[],
): Results {
  const { attacks, levels, headline } = job.preset.evaluation;
  const attack = strongest(attacks);
  const find = (id: string) => outcomes.find(({ evaluation }) => idOf(evaluation.plan) === id);
  const robustness = (outcome: Outcome | undefined) =>
    outcome && robustnessOf(job, outcome.evaluation, attack);
  const references = referencesOf(job).map((id) => ({ id, found: robustness(find(id)) }));
  return {
    schema: SCHEMA,
    dataset: summarize(job.dataset),
    adapter: { kind, description: job.device.traits.description },
    seed: job.options.seed,
    preset: job.options.preset,
    skeletonNetwork: job.preset.network.skeletonNetwork,
    holdOut: job.preset.holdOut,
    levels,
    headline: { attack, level: headline },
    linear: linearRows(job, linear),
    models: outcomes.map((outcome) => modelResult(job, outcome, attack, references)),
    comparisons: compare(job, attack, outcomes),
    sanity: findViolations(outcomes.map(({ evaluation }) => evaluation)),
  };
}

/** The attack of most steps: what the table, RA, RI and balance refer to. */
export function strongest(attacks: readonly string[]): string {
  const steps = (name: string) => attackFor(name, {}, 0).steps;
  return attacks.reduce((best, name) => (steps(name) > steps(best) ? name : best));
}

function linearRows(job: Job, linear: LinearBaseline): Results['linear'] {
  const n = job.dataset.splits.test.length;
  const rows = [
    ['rgb', linear.video],
    ['skeleton', linear.skeleton],
    ['both', linear.both],
  ] as const;
  return rows.flatMap(([on, accuracy]) => {
    if (accuracy === undefined) return [];
    return [{ on, accuracy, interval: proportion(Math.round(accuracy * n), n).interval, n }];
  });
}

function shareOf(right: readonly boolean[]): Share {
  const { value, interval, n } = proportion(right.filter(Boolean).length, right.length);
  return { accuracy: value, interval, n };
}

/** A network that RI is taken against. */
interface Reference {
  readonly id: string;
  readonly found: Robustness | undefined;
}

/** The undefended network and the plainly defended one. */
function referencesOf({ options: { train = 'pgd' } }: Job): string[] {
  return ['concat-natural', `concat-${train === 'natural' ? 'pgd' : train}`];
}

function modelResult(
  job: Job,
  { evaluation, curve, parameters }: Outcome,
  attack: string,
  references: readonly Reference[],
): ModelResult {
  const { plan, clean } = evaluation;
  const { accuracy, interval, n } = shareOf(clean.correct);
  const own = robustnessOf(job, evaluation, attack);
  const [undefended = null, defended = null] = references.map(({ id, found }) =>
    own && found && id !== idOf(plan) ? relativeImprovement(own, found) : null,
  );
  return {
    name: plan.model,
    train: plan.train,
    parameters,
    clean: accuracy,
    interval,
    n,
    loss: mean(clean.losses),
    attackedClean: shareOf(evaluation.attackedClean.correct),
    robust: evaluation.attacks.map(robustResult),
    ra: own?.robust ?? null,
    ri: { undefended, defended },
    balance: own
      ? modalityBalance(
          accuracyAt(job, evaluation, attack, 'rgb'),
          accuracyAt(job, evaluation, attack, 'skeleton'),
        )
      : null,
    ...(clean.weights.length > 0 && { weights: stageWeights(job, evaluation, attack) }),
    training: curve,
  };
}

function robustResult({ attack, on, level, budget, result }: AttackRun): RobustResult {
  const eps = (on === 'skeleton' ? budget.skeleton : budget.rgb) ?? 0;
  const { lossByStep, zeroGradients } = result;
  return {
    attack,
    on,
    level,
    eps,
    budget,
    ...shareOf(result.robust),
    loss: mean(result.losses),
    lossByStep,
    zeroGradients,
  };
}

function headlineRun(job: Job, { attacks }: Evaluation, attack: string, on: Target): AttackRun | undefined {
  const { headline } = job.preset.evaluation;
  return attacks.find((run) => run.attack === attack && run.on === on && run.level === headline);
}

function accuracyAt(job: Job, evaluation: Evaluation, attack: string, on: Target): number {
  return shareOf(headlineRun(job, evaluation, attack, on)?.result.robust ?? []).accuracy;
}

/** A and RA of a two-modality network at the headline; undefined for one of a single modality. */
function robustnessOf(job: Job, evaluation: Evaluation, attack: string): Robustness | undefined {
  const targets = ['rgb', 'skeleton', 'both'] as const;
  if (targets.some((on) => !headlineRun(job, evaluation, attack, on))) return undefined;
  const clean = shareOf(evaluation.clean.correct).accuracy;
  return { clean, robust: mean(targets.map((on) => accuracyAt(job, evaluation, attack, on))) };
}

function stageWeights(job: Job, evaluation: Evaluation, attack: string): StageWeights[] {
  const { clean, attackedClean } = evaluation;
  const labels = job.testSamples.map((sample) => job.dataset.labels[sample] ?? 0);
  return clean.weights.map((rows, stage) => ({
    stage: stage + 2, // reweighting follows stages 2, 3 and 4
    clean: meanPair(attackedClean.weights[stage] ?? []),
    attacked: Object.fromEntries(
      (['rgb', 'skeleton', 'both'] as const).flatMap((on) => {
        const weights = headlineRun(job, evaluation, attack, on)?.result.weights[stage];
        return weights ? [[on, weights] as const] : [];
      }),
    ),
    byClass: job.dataset.classes.map((_, label) => {
      const own = rows.filter((_, i) => labels[i] === label);
      return own.length > 0 ? meanPair(own) : null;
    }),
  }));
}

/** Pairs of two-modality networks on the same samples: which differences are more than chance. */
function compare(job: Job, attack: string, outcomes: readonly Outcome[]): Results['comparisons'] {
  const two = outcomes.filter(({ evaluation }) => robustnessOf(job, evaluation, attack));
  const pairs = two.flatMap((first, i) =>
    two.slice(i + 1).map((second) => [first.evaluation, second.evaluation] as const),
  );
  return pairs.flatMap(([a, b]) =>
    (['clean', 'rgb', 'skeleton', 'both'] as const).map((on) => {
      const [first, second] = [flags(job, a, attack, on), flags(job, b, attack, on)];
      return { first: idOf(a.plan), second: idOf(b.plan), on, n: first.length, p: mcnemar(first, second) };
    }),
  );
}

function flags(job: Job, evaluation: Evaluation, attack: string, on: 'clean' | Target): readonly boolean[] {
  if (on === 'clean') return evaluation.clean.correct;
  return headlineRun(job, evaluation, attack, on)?.result.robust ?? [];
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function meanPair(rows: readonly (readonly [number, number])[]): [number, number] {
  return [mean(rows.map(([rgb]) => rgb)), mean(rows.map(([, skeleton]) => skeleton))];
}

/** The level an attack at the headline has on one target. */
export function headlineBudget(job: Job, on: Target): ReturnType<typeof restrict> {
  return restrict(job.preset.evaluation.levels[job.preset.evaluation.headline] ?? {}, on);
}
