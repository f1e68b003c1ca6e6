// How cost grows: the time of a training step with the batch, and of PGD with its steps. Both should grow linearly.

import { AdamW } from '../src/nn/optimisers.ts';
import { capture } from '../src/tensor/capture.ts';
import type { Device } from '../src/tensor/device.ts';
import type { Tensor } from '../src/tensor/tensor.ts';
import { NetworkAttacker } from '../src/train/attack-network.ts';
import { type Job, type Measured, type MeasureOptions, measure } from './measure.ts';
import { named } from './names.ts';
import { dispose, networks, type Prepared, prepare, SIZES, type SizeName } from './networks.ts';
import { passesOf } from './passes.ts';
import { newTable, number } from './report.ts';

export interface ScalingOptions extends MeasureOptions {
  readonly size: SizeName;
  readonly batches: readonly number[];
  readonly steps: readonly number[];
}

export interface ScalingLine {
  readonly network: string;
  /** What grows: `batch` or `steps`; `gradient` is the captured input gradient that steps are relative to. */
  readonly axis: 'batch' | 'gradient' | 'steps';
  readonly value: number;
  readonly measured: Measured;
  /** Time in ms of a sample, or of a step. */
  readonly each: number;
  /** `each` over its median for all batches; over the time of the input gradient. */
  readonly relative: number;
}

/** Training steps at each batch, and PGD with each number of steps, in interleaved rounds. */
export async function measureScaling(
  device: Device,
  name: string,
  options: ScalingOptions,
): Promise<ScalingLine[]> {
  const build = named(networks, name, 'network');
  const sized = (batch: number) => prepare(device, build, { ...SIZES[options.size], batch });
  const trained = options.batches.map((batch) => ({ batch, ...trainingJob(sized(batch)) }));
  const attacked = attackJobs(sized(SIZES[options.size].batch), options.steps);
  const jobs = [...trained.map(({ job }) => job), attacked.single, ...attacked.jobs];
  try {
    const measured = await measure(device, jobs, options);
    return linesOf(name, options, measured);
  } finally {
    for (const { free } of [...trained, attacked]) free();
    device.pool.clear();
  }
}

function linesOf(network: string, { batches, steps }: ScalingOptions, measured: readonly Measured[]) {
  const lineOf = (axis: ScalingLine['axis'], value: number, i: number) => {
    const found = measured[i] as Measured;
    return { network, axis, value, measured: found, each: found.wall.median / value };
  };
  const trained = batches.map((batch, i) => lineOf('batch', batch, i));
  const single = lineOf('gradient', 1, batches.length);
  const attacked = steps.map((count, i) => lineOf('steps', count, batches.length + 1 + i));
  const sorted = trained.map(({ each }) => each).sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  return [
    ...trained.map((line): ScalingLine => ({ ...line, relative: line.each / middle })),
    ...[single, ...attacked].map((line): ScalingLine => ({ ...line, relative: line.each / single.each })),
  ];
}

function trainingJob(prepared: Prepared): { readonly job: Job; readonly free: () => void } {
  const optimiser = new AdamW(prepared.network.namedParameters(), {});
  const run = passesOf(prepared.network, optimiser).find(({ pass }) => pass === 'training step');
  if (!run) throw new Error('no pass is a training step');
  const step = capture(run.step);
  const all: readonly [Tensor, ...Tensor[]] = [prepared.labels, ...prepared.inputs];
  const job = {
    run: () => {
      run.before();
      step(...all);
    },
  };
  const free = () => {
    step.dispose();
    optimiser.dispose();
    dispose(prepared);
  };
  return { job, free };
}

/** One forward pass with its input gradient, and PGD with each number of steps on all modalities. */
function attackJobs(prepared: Prepared, steps: readonly number[]) {
  const { network, labels } = prepared;
  const optimiser = new AdamW(network.namedParameters(), {});
  const run = passesOf(network, optimiser).find(({ pass }) => pass === 'input gradient');
  if (!run) throw new Error('no pass is an input gradient');
  const gradient = capture(run.step);
  const inputs = Object.fromEntries(network.modalities.map((modality, i) => [modality, prepared.inputs[i]]));
  const epsilons = { rgb: 8 / 255, skeleton: 0.02 };
  const attackers = steps.map(
    (count) =>
      new NetworkAttacker(network, { epsilons, steps: count, relativeStep: 0.25, randomStart: false }),
  );
  return {
    single: { run: () => gradient(labels, ...prepared.inputs) },
    jobs: attackers.map((attacker): Job => ({ run: () => attacker.attack(inputs, { labels }, 1) })),
    free: () => {
      for (const each of [gradient, ...attackers, optimiser]) each.dispose();
      dispose(prepared);
    },
  };
}

/** A row for each batch, for the input gradient, and for each number of steps. */
export function formatScaling(lines: readonly ScalingLine[]): string {
  const table = newTable(['network', 'what grows', 'wall ms', 'per sample or step', 'relative'], 2);
  for (const line of lines) {
    const { network, measured, each, relative } = line;
    table.push([network, titleOf(line), number(measured.wall.median), number(each), relative.toFixed(3)]);
  }
  return `${table.toString()}\n`;
}

function titleOf({ axis, value }: ScalingLine): string {
  if (axis === 'gradient') return 'input gradient, captured';
  return axis === 'batch' ? `training step, batch ${value}` : `PGD-${value}`;
}
