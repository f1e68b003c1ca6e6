// Tables and files of measured lines.
import { writeFileSync } from 'node:fs';
import Table from 'cli-table3';
import { ratioOf } from './earlier.ts';
import type { Line, WrongPick } from './ops.ts';
import type { Bounds, MeasuredRoof } from './roof.ts';
import { geometricMean, type Timing } from './stats.ts';

/** What `--json` writes. Times are in ms. */
export interface ResultFile {
  readonly adapter: string;
  /** When, as an ISO date. */
  readonly measured: string;
  readonly rounds: number;
  /** The roof in the rounds in which the cases were measured. */
  readonly bounds: Bounds;
  readonly cases: readonly Line[];
}

export function writeResults(file: string, results: object): void {
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
}

const HEAD = ['workload', 'variant', 'wall ms', '(min…max)', 'GPU ms', 'GFLOP/s', 'GB/s', 'of roof'];

/** One row a line; with earlier results a last column: how many times as fast as then. */
export function formatLines(lines: readonly Line[], earlier?: ResultFile): string {
  const ratios = earlier && new Map(lines.map((line) => [line, ratioOf(line, earlier)]));
  const table = newTable(ratios ? [...HEAD, '× earlier'] : HEAD, 2);
  for (const line of lines) {
    const ratio = ratios?.get(line);
    table.push(ratios ? [...rowOf(line), number(ratio, 2)] : rowOf(line));
  }
  const known = [...(ratios?.values() ?? [])].filter((ratio) => ratio !== undefined);
  const mean = known.length > 0 ? `\ngeometric mean: ${geometricMean(known).toFixed(2)} × earlier` : '';
  return `${table.toString()}${mean}\n`;
}

export function formatWrongPicks(wrong: readonly WrongPick[]): string {
  return wrong
    .map(
      ({ name, picked, better, factor }) =>
        `wrong pick: ${name}: ${better} is ${factor.toFixed(2)} × as fast as ${picked}\n`,
    )
    .join('');
}

/** The roof in these rounds, beside the best known one: much less means that the machine had other work. */
export function formatBounds({ multiplyAdd, copy }: Bounds, known: MeasuredRoof | undefined): string {
  const best = known
    ? `; best seen here ${number(known.roof.multiplyAdd)} GFLOP/s and ${number(known.roof.copy)} GB/s`
    : '';
  return `roof in these rounds: C = ${number(multiplyAdd)} GFLOP/s, M = ${number(copy)} GB/s${best}\n`;
}

/** A table without colours: the first `left` columns to the left, numbers to the right. */
export function newTable(head: readonly string[], left: number) {
  const colAligns = head.map((_, i) => (i < left ? 'left' : 'right') as 'left' | 'right');
  return new Table({ head: [...head], colAligns, style: { head: [], border: [], compact: true } });
}

/** Three or more digits that matter; `–` for what is not known. */
export function number(value: number | undefined, digits?: number): string {
  if (value === undefined) return '–';
  return value.toFixed(digits ?? (value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3));
}

export function formatSpread({ min, max }: Timing): string {
  return `(${number(min)}…${number(max)})`;
}

/** `62 % C` or `81 % M`: of the multiply-add rate or of the copy bandwidth. */
export function formatShare(share: number | undefined, bound: Line['bound']): string {
  return share === undefined ? '–' : `${(100 * share).toFixed(0)} % ${bound === 'compute' ? 'C' : 'M'}`;
}

function rowOf(line: Line): string[] {
  const variant = line.variant === undefined ? '' : `${line.picked ? '* ' : '  '}${line.variant}`;
  return [
    line.name,
    variant,
    number(line.wall.median),
    formatSpread(line.wall),
    number(line.gpu?.median),
    number(line.gflops),
    number(line.gbs),
    formatShare(line.share, line.bound),
  ];
}
