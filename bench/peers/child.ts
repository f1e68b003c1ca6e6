// A library in a process of its own: answers the requests of the parent one after the other.
import { DeviceError } from '../../src/errors.ts';
import { openGpu } from '../../src/node/gpu.ts';
import { sample } from './compare.ts';
import { installGpu } from './dawn.ts';
import { hostInputs } from './inputs.ts';
import { openJaxjs } from './jaxjs.ts';
import { openOrt } from './ort.ts';
import { openOurs } from './ours.ts';
import type { LibraryName, Reply, Request } from './protocol.ts';
import { openTfjs } from './tfjs.ts';
import { LacksError, type Library, type Prepared } from './workload.ts';
import { WORKLOADS } from './workloads.ts';

const [name, adapter] = process.argv.slice(2) as [LibraryName, 'auto' | 'gpu' | 'lavapipe' | 'swiftshader'];

interface Opened {
  readonly library: Library;
  readonly kind: string;
  readonly description: string;
  /** Throws what the GPU reported; our library does so itself. */
  readonly check?: () => void;
}

async function open(): Promise<Opened> {
  if (name === 'ours') {
    const opened = await openGpu({ adapter });
    return { ...opened, library: await openOurs(opened) };
  }
  const gpu = await installGpu(adapter);
  const library = await { jaxjs: openJaxjs, tfjs: openTfjs, ort: openOrt }[name](gpu);
  return { ...gpu, library };
}

const reply = (message: Reply) => process.send?.(message);
const { library, kind, description, check } = await open().catch(refuse);
let prepared: Prepared | undefined;
reply({ told: 'ready', kind, description });

/** Without an adapter there is nothing to go on with. */
function refuse(error: unknown): Promise<never> {
  if (!(error instanceof DeviceError)) throw error;
  process.send?.({ told: 'lacks', why: error.message } satisfies Reply, () => process.exit(2));
  return new Promise(() => {});
}

async function time(runs: number): Promise<number> {
  const started = performance.now();
  for (let i = 0; i < runs; i++) await prepared?.run();
  await library.settle();
  check?.();
  return (performance.now() - started) / runs;
}

async function prepare(title: string): Promise<Reply> {
  const workload = WORKLOADS.find((one) => one.name === title);
  if (!workload) throw new Error(`no workload '${title}'`);
  prepared = await library.prepare(workload, hostInputs(workload));
  const samples = sample(await prepared.results());
  await time(1);
  return { told: 'prepared', samples, ms: await time(1) };
}

/** Until the process has used next to no CPU for a second: compilers of wasm go on for a while. */
async function rest(): Promise<Reply> {
  for (let quiet = 0, second = 0; quiet < 2 && second < 240; second++) {
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const used = process.cpuUsage(before);
    quiet = used.user + used.system < 50_000 ? quiet + 1 : 0;
  }
  return { told: 'done' };
}

function drop(): Reply {
  prepared?.dispose();
  prepared = undefined;
  return { told: 'done' };
}

function answer(request: Request): Promise<Reply> | Reply {
  if (request.ask === 'rest') return rest();
  if (request.ask === 'prepare') return prepare(request.workload);
  if (request.ask === 'time') return time(request.runs).then((ms) => ({ told: 'timed', ms }) as const);
  return drop();
}

process.on('message', async (request: Request) => {
  try {
    reply(await answer(request));
  } catch (error) {
    const why = String(error instanceof Error ? error.message : error);
    reply({ told: error instanceof LacksError ? 'lacks' : 'failed', why });
  }
});
// The parent is gone, or done.
process.on('disconnect', () => process.exit());
