// How long the first training step of a network takes, with and without a warm-up. Each is measured in a process of its own,
// in which nothing has been compiled, and without the disk cache of lavapipe.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { AdamW } from '../src/nn/optimisers.ts';
import type { AdapterChoice } from '../src/node/gpu.ts';
import { networks, prepare, SIZES, type SizeName } from './networks.ts';
import { openBench } from './open.ts';
import { passesOf } from './passes.ts';

/** Times in ms. */
export interface FirstStep {
  readonly network: string;
  /** From the call of the step until the GPU is done. */
  readonly cold: number;
  /** The same after a warm-up. */
  readonly warmed: number;
  readonly warmUp: number;
  readonly pipelines: number;
}

interface Found {
  readonly step: number;
  readonly warmUp: number;
  readonly pipelines: number;
}

const FILE = fileURLToPath(import.meta.url);

export async function measureFirstStep(
  adapter: AdapterChoice,
  network: string,
  size: SizeName,
): Promise<FirstStep> {
  const cold = await inChild(adapter, network, size, 'cold');
  const { step: warmed, warmUp, pipelines } = await inChild(adapter, network, size, 'warmed');
  return { network, cold: cold.step, warmed, warmUp, pipelines };
}

function inChild(...options: readonly string[]): Promise<Found> {
  const child = fork(FILE, options, {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, MESA_SHADER_CACHE_DISABLE: 'true' },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    child.once('message', (found) => resolve(found as Found));
    child.once('exit', (code) => reject(new Error(`the first step of ${options} ended with code ${code}`)));
  });
}

/** What the child does. */
async function measure(adapter: AdapterChoice, name: string, size: SizeName, how: string): Promise<Found> {
  const { device } = await openBench(adapter);
  const build = networks[name] as (typeof networks)[string];
  const { network, inputs, labels } = prepare(device, build, SIZES[size]);
  const run = passesOf(network, new AdamW(network.namedParameters(), {})).at(-1) as ReturnType<
    typeof passesOf
  >[number];
  run.before();
  const step = () => run.step(labels, ...inputs);
  await device.idle();
  const began = performance.now();
  const pipelines = how === 'warmed' ? await device.warm(step) : 0;
  const ready = performance.now();
  device.scope(() => void step());
  await device.idle();
  return { step: performance.now() - ready, warmUp: ready - began, pipelines };
}

if (process.argv[1] === FILE) {
  const [adapter, name, size, how] = process.argv.slice(2) as [AdapterChoice, string, SizeName, string];
  const found = await measure(adapter, name, size, how);
  process.send?.(found, () => process.exit(0));
}
