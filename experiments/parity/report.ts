import Table from 'cli-table3';
import type { Parity } from './measure.ts';
import type { AttackRun } from './runs.ts';

/** The figures as text, for people. */
export function formatParity(parity: Parity): string {
  const { clean1000, foolbox20, logits, loss, inputGradNorm, robust } = parity;
  const lines = [
    `clean: ${percent(clean1000)} of the 1000 re-encoded images, ${percent(foolbox20)} of the 20 lossless ones`,
    `loss of the first ${logits.length} of the 1000: ${loss.toFixed(6)}; norm of its gradient by them: ${inputGradNorm.toFixed(6)}`,
    `their logits:\n${logits.map((row) => row.map((z) => z.toFixed(4).padStart(9)).join('')).join('\n')}`,
  ];
  const measured = Object.entries(robust);
  if (measured.length > 0) lines.push('robust accuracy of the first 200 of the 1000:', table(measured));
  return `${lines.join('\n')}\n`;
}

/** Says which attacks were not run, and how to run them. */
export function formatLeftOut(runs: readonly AttackRun[]): string {
  const names = runs.map(({ name }) => name).join(',');
  return names === ''
    ? ''
    : `not run: ${names} (--attacks all runs every attack, --attacks ${names} these)\n`;
}

function table(measured: [string, Readonly<Record<string, number>>][]): string {
  const columns = [...new Set(measured.flatMap(([, figures]) => Object.keys(figures)))];
  const made = new Table({ head: ['attack', ...columns], style: { head: [], border: [] } });
  for (const [name, figures] of measured)
    made.push([name, ...columns.map((column) => shown(column, figures[column]))]);
  return made.toString();
}

/** Norms as they are, shares as percentages. */
function shown(column: string, figure: number | undefined): string {
  if (figure !== undefined && column.startsWith('mean ')) return figure.toFixed(4);
  return percent(figure);
}

function percent(share: number | undefined): string {
  return share === undefined ? '' : `${(100 * share).toFixed(1)} %`;
}
