import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { exitWith, UserError } from '../exit.ts';
import { type Measured, measure } from './measure.ts';
import { type Options, readOptions, select } from './options.ts';
import { LibraryProcess } from './process.ts';
import type { LibraryName } from './protocol.ts';
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

async function measureOne(field: Field, workload: Workload, options: Options): Promise<Measured> {
  const [ours, ...peers] = await Promise.all([
    field.get('ours'),
    ...options.peers.map((name) => field.get(name)),
  ]);
  for (const { name, kind } of peers) {
    if (kind !== ours.kind) throw new Error(`${name} runs on ${kind}, not on ${ours.kind}`);
  }
  const measured = await measure(workload, ours, peers, options.rounds);
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

/** Measures what the file to go on with lacks, and saves after each line. */
async function measureAll(field: Field, options: Options, workloads: readonly Workload[], kind: string) {
  const known = options.resume && options.json ? savedCases(options.json, kind) : [];
  const cases: Case[] = [];
  const doubtful: string[] = [];
  for (const workload of workloads) {
    const saved = known.find(({ name }) => name === workload.name);
    const measured = saved ? undefined : await measureOne(field, workload, options);
    cases.push(saved ?? (measured as Measured).line);
    if (measured && isDoubtful(measured)) doubtful.push(workload.name);
    if (options.json) await saveJson(options.json, compare(kind, cases));
  }
  return { cases, doubtful };
}

async function run(options: Options, workloads: readonly Workload[]): Promise<void> {
  const field = new Field(options.adapter);
  stopOnExit(field);
  try {
    const { kind, description } = await field.get('ours');
    console.error(description);
    const { cases, doubtful } = await measureAll(field, options, workloads, kind);
    const comparison = compare(kind, cases);
    if (options.write) await writeResults(comparison, here('../results'), here('../../docs/benchmarks.md'));
    console.log(`${screenTable(comparison)}\n${summary(comparison)}`);
    if (doubtful.length === 0) return;
    console.error(`error: no peer agrees with our result: ${doubtful.join('; ')}`);
    process.exitCode = 1;
  } finally {
    field.stop();
  }
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  const workloads = select(WORKLOADS, options.only);
  if (!existsSync(here('node_modules')))
    throw new UserError('the peers are not installed: npm ci --prefix bench/peers');
  await run(options, workloads);
}

await exitWith(main);
