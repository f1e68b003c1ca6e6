import { existsSync } from 'node:fs';
import { basename, isAbsolute, join, resolve } from 'node:path';
import type { ActionDataset } from '../src/data/dataset.ts';
import { openGpu } from '../src/node/gpu.ts';
import { openDevice } from '../src/tensor/device.ts';
import { assembleResults, type Outcome } from './assemble.ts';
import { type Config, checkConfig } from './config.ts';
import { fingerprint, loadData } from './data.ts';
import { UsageError } from './errors.ts';
import { evaluateModel } from './evaluate-model.ts';
import { makeExhibit } from './exhibit.ts';
import { Job } from './job.ts';
import { type LinearBaseline, linearBaseline } from './linear-baseline.ts';
import { modalitiesOf, modelsFor } from './networks.ts';
import type { CommandLine, RunOptions } from './options.ts';
import { planFor } from './plans.ts';
import { presetFor } from './presets.ts';
import { renderReport } from './report/report.ts';
import { type Exhibit, type Results, SCHEMA } from './results.ts';
import { RunFolder } from './run-folder.ts';
import { trainModel } from './train-model.ts';

/** A run that is new, or that `config` says how it began. */
interface Run {
  readonly folder: RunFolder;
  readonly options: RunOptions;
  readonly config?: Config;
}

export interface FinishedRun {
  readonly results: Results;
  readonly folder: RunFolder;
  readonly seconds: number;
}

const say = (line: string) => process.stderr.write(`${line}\n`);

/** The main job: train, attack, compare, report. `onFolder` learns where results go, for a message on interruption. */
export async function runJob(
  line: CommandLine,
  signal: AbortSignal,
  onFolder: (folder: RunFolder) => void,
): Promise<FinishedRun> {
  const start = performance.now();
  const run = await openRun(line);
  const { folder, options, config } = run;
  const work = await prepare(run);
  const opened = await openGpu({ adapter: config?.adapter ?? options.adapter });
  say(`adapter: ${opened.kind} (${opened.description})`);
  say(sizesOf(work.dataset));
  const device = await openDevice(opened);
  try {
    const { fingerprint } = work;
    await folder.writeJson('config.json', {
      options,
      adapter: opened.kind,
      fingerprint,
      schema: SCHEMA,
    } satisfies Config);
    onFolder(folder);
    const results = await runPhases(new Job({ ...work, device, options, folder }, signal), opened.kind);
    const seconds = (performance.now() - start) / 1000;
    const parts = (await folder.readJson<{ parts: number[] }>('times.json'))?.parts ?? [];
    await folder.writeJson('times.json', { parts: [...parts, seconds] });
    return { results, folder, seconds };
  } finally {
    device.dispose();
  }
}

/** What the run is made of. Throws `UsageError` where it cannot be run, or gone on with. */
async function prepare({ folder, options, config }: Run) {
  const preset = presetFor(options);
  const dataset = await loadData(options.data, preset, options.seed);
  const found = fingerprint(dataset);
  if (config && config.fingerprint !== found)
    throw new UsageError(`the data have changed since ${folder.name} began; start a new run`);
  const plans = planFor(options, modelsFor(modalitiesOf(dataset)));
  return { preset, dataset, plans, fingerprint: found };
}

function sizesOf({ title, splits: { train, validation, test } }: ActionDataset): string {
  return `data: ${title}; ${train.length} training, ${validation.length} validation, ${test.length} test samples`;
}

async function runPhases(job: Job, kind: string): Promise<Results> {
  try {
    job.progress.phase('linear ridge');
    const linear = await job.folder.once<LinearBaseline>('state/linear.json', () =>
      linearBaseline(job.dataset, () => job.progress.advance(0, 0)),
    );
    const outcomes: Outcome[] = [];
    const exhibits: Exhibit[] = [];
    for (const plan of job.plans) {
      const { network, curve } = await trainModel(job, plan);
      outcomes.push({
        curve,
        parameters: network.parameterCount(),
        evaluation: await evaluateModel(job, plan, network),
      });
      exhibits.push(await makeExhibit(job, plan, network));
      network.dispose();
    }
    job.progress.phase('report');
    const results = assembleResults(job, kind, linear, outcomes);
    await job.folder.writeJson('results.json', results);
    await job.folder.write('report.html', await renderReport(results, exhibits));
    return results;
  } finally {
    job.progress.stop();
  }
}

async function openRun({ run, resume, out }: CommandLine): Promise<Run> {
  if (run) return { folder: new RunFolder(newFolder(run, out)), options: run };
  const name = resume ?? '';
  const path = [resolve(name), join('runs', name)].find((path) => existsSync(join(path, 'config.json')));
  if (!path)
    throw new UsageError(
      `no run '${name}' to resume: neither ${join(name, 'config.json')} nor ${join('runs', name, 'config.json')} is there`,
    );
  const folder = new RunFolder(path);
  const config = checkConfig(await folder.readJson<unknown>('config.json'), join(path, 'config.json'));
  return { folder, options: config.options, config };
}

/** `--out`, which must not hold a run yet, or a free name under `runs/`. */
function newFolder(run: RunOptions, out: string | undefined): string {
  if (out) {
    if (!existsSync(join(out, 'config.json'))) return isAbsolute(out) ? out : resolve(out);
    throw new UsageError(
      `${out} already holds a run; continue it with --resume '${out}', or choose another folder`,
    );
  }
  const data = run.data ? basename(resolve(run.data)) : 'figures';
  const base = join('runs', `${data}-${run.preset}-seed${run.seed}`);
  for (let i = 1; ; i++) {
    const path = i === 1 ? base : `${base}-${i}`;
    if (!existsSync(path)) return path;
  }
}
