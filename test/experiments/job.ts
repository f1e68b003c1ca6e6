import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Job } from '../../experiments/job.ts';
import { modalitiesOf, modelsFor } from '../../experiments/networks.ts';
import { parseCommandLine } from '../../experiments/options.ts';
import { planFor } from '../../experiments/plans.ts';
import { presetFor } from '../../experiments/presets.ts';
import { RunFolder } from '../../experiments/run-folder.ts';
import { nullGpu } from '../../src/node/gpu.ts';
import { openDevice } from '../../src/tensor/device.ts';
import { tinyDataset } from '../train/tiny.ts';
import { TESTED } from './evaluations.ts';

/** A smoke job on 40 tiny samples, half of them to test and 16 of these to attack, on a device that computes nothing. */
export async function makeJob(...args: readonly string[]): Promise<Job> {
  const { run: options } = parseCommandLine(['--preset', 'smoke', '--eps', '0.01:0.005,0.02:0.01', ...args]);
  if (!options) throw new Error('these arguments resume a run');
  const dataset = tinyDataset(2 * TESTED);
  dataset.splits = { train: range(0, TESTED), validation: [], test: range(TESTED, TESTED) };
  const parts = {
    device: await openDevice({ gpu: await nullGpu() }),
    options,
    preset: presetFor(options),
    dataset,
    folder: new RunFolder(join(tmpdir(), 'never-written')),
    plans: planFor(options, modelsFor(modalitiesOf(dataset))),
  };
  return new Job(parts, new AbortController().signal);
}

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}
