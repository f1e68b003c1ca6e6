import { relativeError } from './compare.ts';
import type { LibraryProcess } from './process.ts';
import { PEERS, type Peer, type Reply, type Samples } from './protocol.ts';
import { type Case, caseOf, median } from './table.ts';
import type { Workload } from './workload.ts';

/** What a peer that has no figure is reported with. */
export interface Note {
  readonly workload: string;
  readonly peer: Peer;
  readonly why: string;
}

export interface Measured {
  readonly line: Case;
  readonly notes: readonly Note[];
}

type Ready = Extract<Reply, { told: 'prepared' }>;

/** A library that is ready to run a workload, and the times it took so far. */
interface Runner {
  readonly process: LibraryProcess;
  readonly runs: number;
  readonly error: number;
  readonly times: number[];
  /** Why it can go on no longer. */
  failure: string | undefined;
}

const ENOUGH_MS = 60;
const MOST_RUNS = 16;
/** After so long only the second round is still run. */
const PATIENCE_MS = 60_000;
const LEAST_ROUNDS = 2;

/** Measures one workload: results first, then rounds of ours, peer, ours, peer … */
export async function measure(
  workload: Workload,
  ours: LibraryProcess,
  peers: readonly LibraryProcess[],
  rounds: number,
): Promise<Measured> {
  const request = { ask: 'prepare', workload: workload.name } as const;
  const expected = await ours.ask(request);
  if (expected.told !== 'prepared')
    throw new Error(`${workload.name}: ours failed: ${JSON.stringify(expected)}`);
  const notes: Note[] = [];
  const runners: Runner[] = [];
  for (const process of peers) {
    const found = await ask(process, request);
    const why = whyNot(found, expected.samples, workload);
    if (why === undefined) runners.push(runnerOf(process, found as Ready, expected.samples));
    else notes.push(noteOf(workload, process, why));
  }
  const own = runnerOf(ours, expected, expected.samples);
  await runRounds(own, runners, rounds);
  for (const process of [ours, ...peers]) await ask(process, { ask: 'drop' });
  const failed = runners.flatMap(({ process, failure }) =>
    failure ? [noteOf(workload, process, failure)] : [],
  );
  const lasting = runners.filter(({ failure }) => failure === undefined);
  return { line: lineOf(workload.name, own, lasting), notes: [...notes, ...failed] };
}

function noteOf({ name }: Workload, process: LibraryProcess, why: string): Note {
  return { workload: name, peer: process.name as Peer, why };
}

/** Takes the end of a peer's process as an answer. */
async function ask(process: LibraryProcess, request: Parameters<LibraryProcess['ask']>[0]): Promise<Reply> {
  return process.ask(request).catch((error) => ({ told: 'failed', why: String(error.message) }));
}

function whyNot(reply: Reply, expected: Samples, { tolerance }: Workload): string | undefined {
  if (reply.told === 'lacks' || reply.told === 'failed') return `${reply.told}: ${reply.why}`;
  if (reply.told !== 'prepared') return `failed: ${reply.told}`;
  const error = relativeError(reply.samples, expected);
  return error <= tolerance ? undefined : `wrong: its result is off by ${error.toExponential(1)}`;
}

function runnerOf(process: LibraryProcess, { samples, ms }: Ready, expected: Samples): Runner {
  const runs = Math.min(Math.max(Math.ceil(ENOUGH_MS / ms), 1), MOST_RUNS);
  return { process, runs, error: relativeError(samples, expected), times: [], failure: undefined };
}

async function runRounds(ours: Runner, peers: readonly Runner[], rounds: number): Promise<void> {
  const started = performance.now();
  for (let round = 0; round < rounds; round++) {
    if (round >= LEAST_ROUNDS && performance.now() - started > PATIENCE_MS) return;
    const running = peers.filter(({ failure }) => failure === undefined);
    if (running.length === 0) await time(ours);
    for (const peer of running) {
      await time(ours);
      await time(peer);
    }
    if (ours.failure) throw new Error(`ours ${ours.failure}`);
  }
}

async function time(runner: Runner): Promise<void> {
  const reply = await ask(runner.process, { ask: 'time', runs: runner.runs });
  if (reply.told === 'timed') runner.times.push(reply.ms);
  else runner.failure = `failed: ${'why' in reply ? reply.why : reply.told}`;
}

function lineOf(name: string, ours: Runner, runners: readonly Runner[]): Case {
  const figure = (peer: Peer) => runners.find(({ process }) => process.name === peer);
  const times = PEERS.map((peer) => [peer, figure(peer) ? median(figure(peer)!.times) : null]);
  const error = runners.length > 0 ? Math.max(...runners.map((runner) => runner.error)) : null;
  return caseOf(name, median(ours.times), Object.fromEntries(times) as Case['peers'], error);
}
