import { parseArgs } from 'node:util';
import type { Workload } from './workload.ts';

const ADAPTERS = ['auto', 'gpu', 'lavapipe', 'swiftshader'];

export interface Options {
  readonly adapter: string;
  /** Parts of names; empty for all. */
  readonly only: readonly string[];
  readonly rounds: number;
  readonly json: string | undefined;
  /** Lines that the JSON file has already are not measured again. */
  readonly resume: boolean;
  readonly write: boolean;
}

export const USAGE = `npm run bench:peers -- [options]
  --adapter NAME   auto (default), gpu, lavapipe or swiftshader
  --only NAMES     only workloads whose name contains one of these, separated by commas
  --rounds N       rounds of ours, peer, ours, peer … (5)
  --json FILE      writes the comparison as JSON, after each line
  --resume         goes on with what FILE lacks, after an interruption
  --write          writes bench/results/<adapter>.{json,md} and docs/benchmarks.md`;

/** Reads the command line. Throws for what it does not know. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      adapter: { type: 'string', default: 'auto' },
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: '5' },
      json: { type: 'string' },
      resume: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  if (!ADAPTERS.includes(values.adapter)) throw new Error(`--adapter: expected ${ADAPTERS.join(', ')}`);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds: expected a count; got ${values.rounds}`);
  if (values.resume && values.json === undefined)
    throw new Error('--resume: needs --json FILE, the file to go on with');
  const only = values.only
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  return { ...values, rounds, only, json: values.json };
}

/** The workloads whose name contains one of `only`; all of them without. Throws where that is none. */
export function select<W extends Pick<Workload, 'name'>>(
  workloads: readonly W[],
  only: readonly string[],
): readonly W[] {
  if (only.length === 0) return workloads;
  const parts = only.map((part) => part.toLowerCase());
  const found = workloads.filter(({ name }) => parts.some((part) => name.toLowerCase().includes(part)));
  if (found.length === 0) throw new Error(`--only: no workload is named like ${only.join(', ')}`);
  return found;
}
