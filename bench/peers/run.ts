import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Measured, measure } from './measure.ts';
import { type Options, readOptions, select, USAGE } from './options.ts';
import { LibraryProcess } from './process.ts';
import { type LibraryName, PEERS } from './protocol.ts';
import { summary, toJson, writeResults } from './results.ts';
import { compare, lineOf, screenTable } from './table.ts';
import type { Workload } from './workload.ts';
import { WORKLOADS } from './workloads.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The processes of all libraries, started again where one has ended. */
class Field {
  readonly #adapter: string;
  readonly #running = new Map<LibraryName, LibraryProcess>();

  constructor(adapter: string) {
    this.#adapter = adapter;
  }

  async get(name: LibraryName): Promise<LibraryProcess> {
    const known = this.#running.get(name);
    if (known && !known.ended) return known;
    console.error(`starting ${name} …`);
    const started = await LibraryProcess.start(name, this.#adapter);
    this.#running.set(name, started);
    return started;
  }

  stop(): void {
    for (const process of this.#running.values()) process.stop();
  }
}

async function measureOne(field: Field, workload: Workload, rounds: number): Promise<Measured> {
  const [ours, ...peers] = await Promise.all([field.get('ours'), ...PEERS.map((name) => field.get(name))]);
  for (const { name, kind } of peers) {
    if (kind !== ours.kind) throw new Error(`${name} runs on ${kind}, not on ${ours.kind}`);
  }
  const measured = await measure(workload, ours, peers, rounds);
  console.error(lineOf(measured.line));
  for (const { peer, why } of measured.notes) console.error(`  ${peer} ${why.split('\n', 1)[0]}`);
  return measured;
}

/** A process that stands still does not notice that its parent was interrupted. */
function stopOnExit(field: Field): void {
  process.once('exit', () => field.stop());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
}

/** Some peer computed it, and none what we did. */
function isDoubtful({ line, notes }: Measured): boolean {
  return line.error === null && notes.some(({ why }) => why.startsWith('wrong'));
}

async function run(options: Options): Promise<void> {
  const field = new Field(options.adapter);
  stopOnExit(field);
  const measured: Measured[] = [];
  try {
    const { kind, description } = await field.get('ours');
    console.error(description);
    for (const workload of select(WORKLOADS, options.only)) {
      measured.push(await measureOne(field, workload, options.rounds));
    }
    const comparison = compare(
      kind,
      measured.map(({ line }) => line),
    );
    if (options.json) await writeFile(options.json, toJson(comparison));
    if (options.write) await writeResults(comparison, here('../results'), here('../../docs/benchmarks.md'));
    console.log(`${screenTable(comparison)}\n${summary(comparison)}`);
    const doubtful = measured.filter(isDoubtful).map(({ line }) => line.name);
    if (doubtful.length > 0) throw new Error(`no peer agrees with our result: ${doubtful.join('; ')}`);
  } finally {
    field.stop();
  }
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) console.log(USAGE);
  else await run(readOptions(args));
}

if (!existsSync(here('node_modules'))) {
  console.error('The peers are not installed: npm ci --prefix bench/peers');
  process.exitCode = 1;
} else {
  await main().catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
}
