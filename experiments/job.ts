import type { ActionDataset } from '../src/data/dataset.ts';
import type { Device } from '../src/tensor/device.ts';
import { evaluationUnits } from './evaluate-model.ts';
import { unitsPerTraining } from './methods.ts';
import { modalitiesOf } from './networks.ts';
import type { RunOptions } from './options.ts';
import { type Plan, phaseOf, withSources } from './plans.ts';
import type { Preset } from './presets.ts';
import { Progress } from './progress.ts';
import type { RunFolder } from './run-folder.ts';
import { unitsPerValidation, validations } from './train-model.ts';

/** Everything a phase of a run needs. */
export class Job {
  readonly device: Device;
  readonly options: RunOptions;
  readonly preset: Preset;
  readonly dataset: ActionDataset;
  readonly folder: RunFolder;
  readonly plans: readonly Plan[];
  /** Samples that networks are trained on. */
  readonly trainingSamples: readonly number[];
  /** Samples that choose the epoch that is kept; none where all are trained on. */
  readonly validationSamples: readonly number[];
  /** Test samples: clean accuracy is on all of them. */
  readonly testSamples: readonly number[];
  /** Those of the test samples that are attacked. */
  readonly samples: readonly number[];
  readonly progress: Progress;
  /** Networks whose training has been counted as progress. */
  readonly trained = new Set<string>();

  constructor(
    parts: Pick<Job, 'device' | 'options' | 'preset' | 'dataset' | 'folder' | 'plans'>,
    signal: AbortSignal,
  ) {
    this.device = parts.device;
    this.options = parts.options;
    this.preset = parts.preset;
    this.dataset = parts.dataset;
    this.folder = parts.folder;
    this.plans = parts.plans;
    const { train, validation, test } = parts.dataset.splits;
    const { holdOut } = parts.preset;
    this.trainingSamples = holdOut ? train : [...train, ...validation];
    this.validationSamples = holdOut ? validation : [];
    this.testSamples = test;
    this.samples = spread(test, parts.dataset.labels, parts.preset.evaluation.samples);
    this.progress = new Progress(this.#units(), signal);
  }

  /** Forward passes that training one network takes. */
  trainingUnits(plan: Plan): number {
    const sizes = this.preset.training[phaseOf(plan)];
    const validating = this.validationSamples.length * unitsPerValidation(sizes) * validations(sizes);
    return this.trainingSamples.length * sizes.epochs * unitsPerTraining(plan.train, sizes) + validating;
  }

  /** A stored result, or a new one; a stored one counts as `units` of finished work. */
  async once<T>(name: string, units: number, make: () => Promise<T>): Promise<T> {
    let made = false;
    const value = await this.folder.once(name, () => {
      made = true;
      return make();
    });
    if (!made) this.progress.skip(units);
    return value;
  }

  #units(): number {
    const training = withSources(this.plans).reduce((sum, plan) => sum + this.trainingUnits(plan), 0);
    return this.plans.reduce((sum, { model }) => {
      const single = model === 'rgb' || model === 'skeleton';
      return sum + evaluationUnits(this, single ? [model] : modalitiesOf(this.dataset));
    }, training);
  }
}

/**
 * At most `count` of the samples: as many of each class (one more or less; all of it where a class has fewer), evenly
 * spread over the order of its samples, and so over the subjects. Each class starts elsewhere.
 */
export function spread(samples: readonly number[], labels: ArrayLike<number>, count: number): number[] {
  const present = [...new Set(samples.map((sample) => labels[sample]))];
  const classes = present.map((label) => samples.filter((sample) => labels[sample] === label));
  const quota = quotas(
    classes.map(({ length }) => length),
    count,
  );
  const chosen = classes.flatMap((members, c) => {
    const n = quota[c] ?? 0;
    const start = (c + 0.5) / classes.length;
    return Array.from(
      { length: n },
      (_, i) => members[Math.floor(((i + start) * members.length) / n)] as number,
    );
  });
  return chosen.sort((a, b) => a - b);
}

/** Parts of `total` as equal as the sizes allow. */
function quotas(sizes: readonly number[], total: number): number[] {
  const parts = sizes.map(() => 0);
  let left = total;
  while (left > 0 && parts.some((part, i) => part < (sizes[i] ?? 0))) {
    for (const [i, size] of sizes.entries()) {
      if (left === 0 || (parts[i] ?? 0) >= size) continue;
      parts[i] = (parts[i] ?? 0) + 1;
      left--;
    }
  }
  return parts;
}
