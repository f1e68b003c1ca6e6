import { Command, InvalidArgumentError } from 'commander';
import { UserError } from '../exit.ts';
import { adapterOption, jsonOption, roundsOption } from '../flags.ts';
import { PEERS, type Peer } from './protocol.ts';
import type { Workload } from './workload.ts';

export interface Options {
  readonly adapter: string;
  /** Parts of names; empty for all. */
  readonly only: readonly string[];
  /** Those that are started. */
  readonly peers: readonly Peer[];
  readonly rounds: number;
  readonly json: string | undefined;
  /** Lines that the JSON file has already are not measured again. */
  readonly resume: boolean;
  readonly write: boolean;
}

interface Flags extends Omit<Options, 'peers' | 'json'> {
  readonly peer: readonly Peer[];
  readonly json?: string;
}

/** Reads the command line. Throws `CommanderError` or `UserError` for what it does not know. */
export function readOptions(args: readonly string[]): Options {
  const { peer, json, ...flags } = command().parse(args, { from: 'user' }).opts<Flags>();
  if (flags.resume && json === undefined)
    throw new UserError('--resume: needs --json FILE, the file to go on with');
  if (flags.write && peer.length < PEERS.length)
    throw new UserError(`--write: needs all peers; got ${peer.join(', ')}`);
  if (flags.write && flags.only.length > 0)
    throw new UserError('--write: needs all workloads, not those of --only');
  return { ...flags, json, peers: peer };
}

function command(): Command {
  return new Command('npm run bench:peers --')
    .description('Workloads of ours and of other libraries, on the same adapter.')
    .exitOverride()
    .addOption(adapterOption())
    .option(
      '--only <names>',
      'only workloads whose name contains one of these, separated by commas',
      partsOf,
      [],
    )
    .option('--peer <names>', `only these of ${PEERS.join(', ')}; may be repeated`, peersOf, PEERS)
    .addOption(roundsOption())
    .addOption(jsonOption())
    .option('--resume', 'go on with what the JSON file lacks, after an interruption', false)
    .option('--write', 'write bench/results/<adapter>.{json,md} and docs/benchmarks.md', false);
}

function partsOf(text: string): string[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.includes('')) throw new InvalidArgumentError('needs names, separated by commas');
  return parts;
}

function peersOf(text: string, before: readonly Peer[]): readonly Peer[] {
  const names: readonly string[] = partsOf(text);
  const unknown = names.find((name) => !PEERS.some((peer) => peer === name));
  if (unknown !== undefined)
    throw new InvalidArgumentError(`'${unknown}' is no peer; there are ${PEERS.join(', ')}`);
  // The default is all of them, and not what one adds to.
  return PEERS.filter((peer) => names.includes(peer) || (before !== PEERS && before.includes(peer)));
}

/** The workloads whose name contains one of `only`; all of them without. Throws `UserError` for a part that is in none. */
export function select<W extends Pick<Workload, 'name'>>(
  workloads: readonly W[],
  only: readonly string[],
): readonly W[] {
  if (only.length === 0) return workloads;
  const fits = (part: string, { name }: W) => name.toLowerCase().includes(part.toLowerCase());
  const idle = only.filter((part) => !workloads.some((workload) => fits(part, workload)));
  if (idle.length > 0) throw new UserError(`--only: no workload is named like ${idle.join(', ')}`);
  return workloads.filter((workload) => only.some((part) => fits(part, workload)));
}
