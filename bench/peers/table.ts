import { PEERS, type Peer } from './protocol.ts';

/** A line of the comparison; times in ms, null where a peer lacks the op or computes something else. */
export interface Case {
  readonly name: string;
  readonly ours: number;
  readonly peers: Readonly<Record<Peer, number | null>>;
  /** Best peer ÷ ours: above 1 we are faster. */
  readonly ratio: number | null;
  /** Largest relative difference between our result and those of the peers with a figure. */
  readonly error: number | null;
}

export interface Comparison {
  readonly adapter: string;
  readonly cases: readonly Case[];
  /** Of the ratios. */
  readonly geomean: number | null;
}

export const TITLES: Readonly<Record<Peer, string>> = {
  jaxjs: 'jax-js',
  tfjs: 'TensorFlow.js',
  ort: 'ONNX Runtime Web',
};

const HEAD = ['workload', 'ours', ...PEERS.map((peer) => TITLES[peer]), 'best peer ÷ ours', 'error'];

/** A line with its ratio. */
export function caseOf(name: string, ours: number, peers: Case['peers'], error: number | null): Case {
  const known = PEERS.flatMap((peer) => peers[peer] ?? []);
  return { name, ours, peers, ratio: known.length > 0 ? Math.min(...known) / ours : null, error };
}

export function compare(adapter: string, cases: readonly Case[]): Comparison {
  const ratios = cases.flatMap(({ ratio }) => ratio ?? []);
  const logs = ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0);
  return { adapter, cases, geomean: ratios.length > 0 ? Math.exp(logs / ratios.length) : null };
}

/** The three lines with the lowest ratio, lowest first. */
export function worst({ cases }: Comparison): Case[] {
  const rated = cases.filter(({ ratio }) => ratio !== null);
  return rated.toSorted((a, b) => a.ratio! - b.ratio!).slice(0, 3);
}

/** The middle of a list, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1]!, sorted[sorted.length >> 1]!];
  return (low + high) / 2;
}

/** For the screen: columns aligned. */
export function screenTable({ cases }: Comparison): string {
  const rows = [HEAD, ...cases.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, i) => align(cell, widths[i]!, i)).join('  ')).join('\n');
}

export function markdownTable({ cases }: Comparison): string {
  const rule = HEAD.map((_, i) => (i === 0 ? '---' : '---:'));
  return [HEAD, rule, ...cases.map(cells)].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** One line, as it is measured. */
export function lineOf(line: Case): string {
  return cells(line)
    .map((cell, i) => `${i === 0 || cell === '–' ? '' : `${HEAD[i]} `}${cell}`)
    .join('  ');
}

export function formatRatio(ratio: number | null): string {
  return ratio === null ? '–' : `${ratio.toFixed(2)}×`;
}

function cells({ name, ours, peers, ratio, error }: Case): string[] {
  const times = [ours, ...PEERS.map((peer) => peers[peer])].map(formatMs);
  return [name, ...times, formatRatio(ratio), error === null ? '–' : error.toExponential(0)];
}

function formatMs(ms: number | null): string {
  if (ms === null) return '–';
  return ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0);
}

function align(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
