import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Measured, measure } from './measure.ts';
import { type Options, readOptions, select, USAGE } from './options.ts';
import { LibraryProcess } from './process.ts';
import { type LibraryName, PEERS } from './protocol.ts';
import { savedCases, saveJson, summary, writeResults } from './results.ts';
import { type Case, compare, lineOf, screenTable } from './table.ts';
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

/** Measures what is not in `known` yet, and saves after each line. */
async function measureAll(field: Field, options: Options, kind: string, doubtful: string[]): Promise<Case[]> {
  const known = options.resume && options.json ? await savedCases(options.json, kind) : [];
  const cases: Case[] = [];
  for (const workload of select(WORKLOADS, options.only)) {
    const saved = known.find(({ name }) => name === workload.name);
    const measured = saved ? undefined : await measureOne(field, workload, options.rounds);
    cases.push(saved ?? (measured as Measured).line);
    if (measured && isDoubtful(measured)) doubtful.push(workload.name);
    if (options.json) await saveJson(options.json, compare(kind, cases));
  }
  return cases;
}

async function run(options: Options): Promise<void> {
  const field = new Field(options.adapter);
  stopOnExit(field);
  const doubtful: string[] = [];
  try {
    const { kind, description } = await field.get('ours');
    console.error(description);
    const comparison = compare(kind, await measureAll(field, options, kind, doubtful));
    if (options.write) await writeResults(comparison, here('../results'), here('../../docs/benchmarks.md'));
    console.log(`${screenTable(comparison)}\n${summary(comparison)}`);
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
