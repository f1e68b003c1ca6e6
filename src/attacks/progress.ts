import { cast, sub } from '../kernels/elementwise.ts';
import { concat, gather, stack } from '../kernels/layout.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Attack } from './attack.ts';
import type { AttackInputs } from './model.ts';
import { lengths, type Norm } from './norms.ts';
import { indicesOf, type Problem, throwUnlessFinite } from './problem.ts';
import { NEVER, type Track } from './track.ts';
import { copy } from './tree.ts';

/** What an attack has found, in the order of the batch. */
export interface AttackOutcome {
  /** The inputs with the attacked ones replaced: what fools the model, else where the last run ended. */
  readonly inputs: AttackInputs;
  /** The model is fooled, be it by the clean input. */
  readonly success: readonly boolean[];
  /** The attack that fooled it first, `clean` where none was needed; undefined where the sample is robust. */
  readonly by: readonly (string | undefined)[];
  /**
   * How far each attacked modality was moved, in its norm; Infinity for a sample that attacks which look for the smallest change, and no
   * others, did not fool: there is no such change that they know of.
   */
  readonly norms: Readonly<Record<string, readonly number[]>>;
  /** The attack's objective where each step begins, for each step of all runs a row of the batch; NaN for samples that had left. */
  readonly losses: readonly (readonly number[])[];
}

/** The samples that a run is working on. */
export interface Active {
  readonly problem: Problem;
  /** Samples of the batch, in the order of the problem's rows; further rows are padding. */
  readonly samples: readonly number[];
}

/** What the runs so far have found for the whole batch. */
export class Progress {
  readonly #inputs: AttackInputs;
  readonly #clean: readonly boolean[];
  readonly #success: boolean[];
  readonly #by: (string | undefined)[];
  readonly #sizes: number[];
  readonly #found = new Map<string, Tensor>();
  readonly #losses: { readonly samples: readonly number[]; readonly losses: Tensor }[] = [];
  readonly recording: boolean;

  constructor(inputs: AttackInputs, fooled: readonly boolean[], recording: boolean) {
    this.#inputs = inputs;
    this.#clean = fooled;
    this.#success = [...fooled];
    this.#by = fooled.map((flag) => (flag ? 'clean' : undefined));
    this.#sizes = fooled.map((flag) => (flag ? 0 : NEVER));
    this.recording = recording;
  }

  /** Samples that a run has to work on: those not fooled yet; or all that were not fooled from the beginning. */
  left(everyone: boolean): number[] {
    const out = everyone ? this.#clean : this.#success;
    return out.flatMap((fooled, sample) => (fooled ? [] : [sample]));
  }

  /** Of the smallest changes found for the samples of a run, [n]; `NEVER` where none was. */
  sizes({ problem, samples }: Active): Tensor {
    const { device, size: n } = problem.labels;
    const sampleOf = (row: number) => samples[Math.min(row, samples.length - 1)] as number;
    return device.tensor(Float32Array.from({ length: n }, (_, row) => this.#sizes[sampleOf(row)] ?? NEVER));
  }

  /** Keeps the losses of a step where they are wanted. */
  recorder({ problem, samples }: Active): ((losses: Tensor) => void) | undefined {
    if (!this.recording) return undefined;
    const { device } = problem.labels;
    return (losses) => void this.#losses.push({ samples, losses: device.keep(copy(losses)) });
  }

  /**
   * Takes over what a run has found for its samples. Throws `AttackError` where logits or gradients were no numbers or losses NaN,
   * naming the first step and the share of the samples.
   */
  async take({ problem, samples }: Active, state: Track, { smallest, name }: Attack): Promise<void> {
    const flags = await stack([cast(state.success, 'f32'), state.firstBad, state.size]).read();
    const row = (k: number, i: number) => flags[k * problem.labels.size + i] ?? 0;
    const bad = samples.map((_, i) => row(1, i)).filter((step) => step < NEVER);
    const first = Math.min(...bad);
    const what = Number.isInteger(first) ? 'logits or input gradients are NaN or infinite' : 'losses are NaN';
    throwUnlessFinite(name, what, `step ${Math.floor(first)}`, bad.length, samples.length);
    const batch = this.#success.length;
    const places = Array.from({ length: batch }, (_, sample) => sample);
    for (const [i, sample] of samples.entries()) {
      const [found, size] = [row(0, i) > 0, smallest ? row(2, i) : 0];
      const better = found && (!this.#success[sample] || size < (this.#sizes[sample] as number));
      // The rows of `adversarial` come after those of the batch, those of `points` after them.
      if (better) places[sample] = batch + i;
      else if (!this.#success[sample] && !smallest) places[sample] = batch + problem.labels.size + i;
      if (better) this.#sizes[sample] = size;
      this.#success[sample] ||= found;
      if (found) this.#by[sample] ??= name;
    }
    this.#replace(problem, state, places);
  }

  /** The result, with memory of its own. */
  async result(budgets: Readonly<Record<string, Norm>>, smallest: boolean): Promise<AttackOutcome> {
    const norms: Record<string, number[]> = {};
    for (const [name, norm] of Object.entries(budgets)) {
      const found = this.#found.get(name);
      const moved = found && lengths(sub(found, this.#inputs[name] as Tensor), norm);
      const sizes = moved ? Array.from(await moved.read()) : this.#success.map(() => 0);
      const missed = (i: number) => smallest && moved !== undefined && !this.#success[i];
      norms[name] = sizes.map((size, i) => (missed(i) ? Number.POSITIVE_INFINITY : size));
    }
    const pairs = Object.entries(this.#inputs).map(([name, x]) => [name, copy(this.#found.get(name) ?? x)]);
    const inputs = Object.fromEntries(pairs) as AttackInputs;
    return { inputs, success: this.#success, by: this.#by, norms, losses: await this.#readLosses() };
  }

  dispose(): void {
    for (const tensor of [...this.#found.values(), ...this.#losses.map(({ losses }) => losses)])
      tensor.dispose();
  }

  #replace({ moved }: Problem, { adversarial, points }: Track, places: readonly number[]): void {
    for (const [i, { name }] of moved.entries())
      this.#gather(name, [adversarial[i] as Tensor, points[i] as Tensor], places);
    // The model saw the other modalities as they were given, whatever attacks before this one left of them.
    const batch = this.#success.length;
    const back = places.map((place, sample) => (place === sample ? sample : batch + sample));
    for (const name of this.#found.keys())
      if (moved.every((one) => one.name !== name)) this.#gather(name, [this.#inputs[name] as Tensor], back);
  }

  /** Of what is there, with `others` behind it, the rows at `places`. */
  #gather(name: string, others: readonly Tensor[], places: readonly number[]): void {
    const before = this.#found.get(name) ?? (this.#inputs[name] as Tensor);
    const now = gather(concat([before, ...others], { axis: 0 }), indicesOf(before.device, places));
    this.#found.get(name)?.dispose();
    this.#found.set(name, before.device.keep(now));
  }

  async #readLosses(): Promise<number[][]> {
    const rows = await Promise.all(this.#losses.map(({ losses }) => losses.read()));
    return rows.map((row, k) => {
      const whole = this.#success.map(() => Number.NaN);
      for (const [i, sample] of (this.#losses[k]?.samples ?? []).entries())
        whole[sample] = row[i] ?? Number.NaN;
      return whole;
    });
  }
}
