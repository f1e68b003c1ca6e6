import { check, need, shown } from '../errors.ts';
import { gather } from '../kernels/layout.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { Attack } from './attack.ts';
import { finishRun, fitted, runSeed, runSteps, stepSeed, widened } from './loop.ts';
import { crossEntropyObjective } from './losses.ts';
import type { AttackInputs, AttackModel } from './model.ts';
import type { Norm } from './norms.ts';
import { checkCount, checkValues, indicesOf, makeProblem, type Problem, subset } from './problem.ts';
import { type Active, type AttackOutcome, Progress } from './progress.ts';
import { checkAttackNames } from './recipe.ts';
import { Stepper, type StepSeed } from './stepper.ts';
import { evaluate, type Track } from './track.ts';
import { mapTensors } from './tree.ts';

export interface AttackerOptions {
  /** Whether steps are captured (the default); the bits are the same. */
  readonly captured?: boolean;
  /** Whether fooled samples leave the batch between runs and phases (the default). */
  readonly compact?: boolean;
}

export interface AttackOptions {
  /** The true classes, i32 [N]. */
  readonly labels: Tensor;
  /** The classes that the model shall choose, i32 [N]: a targeted attack. Leave the key out for an untargeted one. */
  readonly targets?: Tensor;
  /** A whole number below 2³²; 0 when left out. Seeds 2²⁶ apart draw alike. */
  readonly seed?: number;
  /** Whether the loss at each step is returned. */
  readonly losses?: boolean;
}

/** One run of one attack. */
interface Run {
  readonly attack: Attack;
  readonly number: number;
  readonly seed: StepSeed;
}

/**
 * Runs attacks on a model, batch after batch; each attack of the list works on what those before it left robust. Values are
 * read between runs (restarts, targets) and phases only: one small tensor, to take fooled samples out of the batch; never
 * between the steps of a phase.
 */
export class Attacker {
  readonly #model: AttackModel;
  readonly #attacks: readonly Attack[];
  readonly #stepper: Stepper;
  readonly #compact: boolean;

  constructor(
    model: AttackModel,
    attacks: Attack | readonly Attack[],
    { captured = true, compact = true }: AttackerOptions = {},
  ) {
    this.#model = model;
    this.#attacks = Array.isArray(attacks) ? attacks : [attacks as Attack];
    for (const one of this.#attacks)
      need(typeof one?.step === 'function', 'attack', 'what pgdAttack and the other makers return', one);
    this.#stepper = new Stepper(captured);
    this.#compact = compact;
  }

  /**
   * Attacks one batch. Throws `ShapeError` for arguments that are none, options that are misspelt, a modality that the model lacks,
   * ε < 0, beyond the range or NaN, labels of another shape, too few classes for a loss, attacks of a list in different norms;
   * `AttackError` for inputs out of their range, labels that are no class, a model in training mode, and logits or gradients that are
   * no numbers, or losses that are NaN (naming the step and the share of samples).
   */
  attack(inputs: AttackInputs, options: AttackOptions): Promise<AttackOutcome> {
    checkAttackNames(this.#name, options, ['labels', 'targets', 'seed', 'losses']);
    const { seed = 0, labels } = options;
    need(labels instanceof Tensor, this.#name, 'labels, a Tensor i32 [N]', labels);
    check(
      seed >>> 0 === seed,
      this.#name,
      () => `seed must be a whole number below 2^32; got ${shown(seed)}`,
    );
    check(this.#attacks.length > 0, 'attack', () => 'needs at least one attack');
    const norms = normsOf(this.#attacks);
    return labels.device.scope(() => this.#all(inputs, { ...options, seed }, norms));
  }

  /** Who complains: the attack, where there is only one. */
  get #name(): string {
    const [one, ...others] = this.#attacks;
    return one && others.length === 0 ? one.name : 'attack';
  }

  /** Frees the captured steps. */
  dispose(): void {
    this.#stepper.dispose();
  }

  async #all(
    inputs: AttackInputs,
    options: AttackOptions & { readonly seed: number },
    norms: Readonly<Record<string, Norm>>,
  ): Promise<AttackOutcome> {
    const problems = this.#attacks.map((attack) => problemOf(this.#model, attack, inputs, options));
    const [first] = problems as [(typeof problems)[0]];
    const fooled = await checkValues(this.#name, first.problem, cleanLogitsOf(first));
    const progress = new Progress(inputs, fooled, options.losses ?? false);
    let runs = 0;
    try {
      for (const [i, attack] of this.#attacks.entries()) {
        const { problem } = problems[i] as (typeof problems)[0];
        for (let number = 0; number < runsOf(attack, problem); number++)
          await this.#run({ attack, number, seed: runSeed(options.seed, runs++) }, problem, progress);
        // The recordings of an attack are of no use to the next one.
        if (this.#attacks.length > 1) this.#stepper.dispose();
      }
      return await progress.result(
        norms,
        this.#attacks.every(({ smallest }) => smallest),
      );
    } finally {
      progress.dispose();
    }
  }

  async #run({ attack, number, seed }: Run, whole: Problem, progress: Progress): Promise<void> {
    const samples = progress.left(!this.#compact || isUnbounded(attack));
    if (samples.length === 0) return;
    const phases = this.#compact && !progress.recording;
    const phase = phases ? (attack.phase ?? attack.steps) : attack.steps;
    await whole.labels.device.scope(async () => {
      let active = pickSamples(whole, this.#compact ? samples : progress.left(true));
      const sizes = attack.smallest ? progress.sizes(active) : undefined;
      const first = widened(attack, active.problem, 1);
      let state: Track = attack.start(first, number, stepSeed(seed, 0), sizes);
      for (let from = 0; from < attack.steps; from += phase) {
        const stretch = { from, to: Math.min(from + phase, attack.steps), seed };
        const onLosses = progress.recorder(active);
        state = runSteps(attack, active.problem, state, this.#stepper, { ...stretch, onLosses });
        if (stretch.to < attack.steps) [active, state] = await leave(attack, active, state, progress);
        if (active.samples.length === 0) return;
      }
      await progress.take(active, finishRun(attack, active.problem, state, seed), attack);
    });
  }
}

/** `Attacker` for a single batch. */
export async function attack(
  model: AttackModel,
  attacks: Attack | readonly Attack[],
  inputs: AttackInputs,
  options: AttackOptions & AttackerOptions,
): Promise<AttackOutcome> {
  checkAttackNames('attack', options, ['labels', 'targets', 'seed', 'losses', 'captured', 'compact']);
  const attacker = new Attacker(model, attacks, options);
  try {
    return await attacker.attack(inputs, options);
  } finally {
    attacker.dispose();
  }
}

function problemOf(model: AttackModel, attack: Attack, inputs: AttackInputs, options: AttackOptions) {
  checkCount(attack.name, 'steps', attack.steps);
  const made = makeProblem(model, inputs, options, attack.budgets, attack.name);
  return { ...made, problem: fitted(attack, made.problem) };
}

/** What decides whether a sample is fooled as it is: for a model that draws, the mean of its draws, as everywhere else. */
function cleanLogitsOf({ problem, logits }: ReturnType<typeof makeProblem>): Tensor {
  if ((problem.model.draws ?? 1) === 1) return logits;
  return evaluate(problem, problem.origins, crossEntropyObjective, 0).logits;
}

/** None where nothing may move. */
function runsOf({ runs }: Attack, problem: Problem): number {
  if (problem.moved.length === 0) return 0;
  return typeof runs === 'number' ? runs : runs(problem);
}

/** In which norm each modality is measured. Throws `ShapeError` where attacks of a list differ. */
function normsOf(attacks: readonly Attack[]): Record<string, Norm> {
  const norms: Record<string, Norm> = {};
  for (const [name, { norm = 'linf' }] of attacks.flatMap(({ budgets }) => Object.entries(budgets))) {
    const known = norms[name] ?? norm;
    const differ = () => `one list cannot move ${name} in ${known} and in ${norm}: run two attacks`;
    check(known === norm, 'attack', differ);
    norms[name] = norm;
  }
  return norms;
}

function isUnbounded({ smallest, budgets }: Attack): boolean {
  const epsilons = Object.values(budgets).map(({ epsilon }) => epsilon);
  return smallest === true && epsilons.every((epsilon) => epsilon === Number.POSITIVE_INFINITY);
}

/** How many rows a problem of `count` samples of a batch has: one of eight sizes, so that few shapes are captured. */
function paddedSize(count: number, total: number): number {
  const unit = Math.ceil(total / 8);
  return Math.ceil(count / unit) * unit;
}

/** `rows`, and the last of them again and again up to a size of `paddedSize`. */
function paddedIndices({ labels: { device }, total }: Problem, rows: readonly number[]): Tensor {
  const size = paddedSize(rows.length, total);
  return indicesOf(
    device,
    Array.from({ length: size }, (_, i) => rows[Math.min(i, rows.length - 1)] as number),
  );
}

/** The problem of some samples of the whole batch; of all of them as it is. */
function pickSamples(whole: Problem, samples: readonly number[]): Active {
  if (samples.length === whole.total) return { problem: whole, samples };
  return { problem: subset(whole, paddedIndices(whole, samples)), samples };
}

/** Takes fooled samples out after a phase, once there are enough of them for the batch to get smaller. */
async function leave(
  attack: Attack,
  active: Active,
  state: Track,
  progress: Progress,
): Promise<[Active, Track]> {
  const { problem, samples } = active;
  const fooled = await state.success.read();
  const rows = samples.flatMap((_, row) => (fooled[row] === 0 ? [row] : []));
  if (paddedSize(rows.length, problem.total) >= problem.labels.size) return [active, state];
  await progress.take(active, state, attack);
  if (rows.length === 0) return [{ problem, samples: [] }, state];
  const indices = paddedIndices(problem, rows);
  const kept = { problem: subset(problem, indices), samples: rows.map((row) => samples[row] as number) };
  return [kept, mapTensors(state, (tensor) => gather(tensor, indices))];
}
