import { formatProfile } from '../src/tensor/profile-report.ts';
import type { ModelLine } from './models.ts';
import { formatSpread, newTable, number } from './report.ts';

const HEAD = [
  ...['network', 'pass', 'eager ms', '(min…max)', 'captured ms', '(min…max)', 'samples/s', 'launches'],
  ...['peak MB', 'planned MB', 'unplanned MB', 'of roof'],
];

/** A row for each pass of each network. */
export function formatModels(lines: readonly ModelLine[]): string {
  const table = newTable(HEAD, 2);
  for (const line of lines) {
    const { eager, captured, share } = line;
    table.push([
      ...[line.network, line.pass],
      ...[number(eager.wall.median), formatSpread(eager.wall)],
      ...[number(captured.wall.median), formatSpread(captured.wall)],
      ...[number(line.samplesPerSecond), `${eager.dispatches}`],
      ...[line.peakBytes, line.plannedBytes, line.unplannedBytes].map((bytes) => (bytes / 1e6).toFixed(1)),
      share === undefined ? '–' : `${(100 * share).toFixed(0)} %`,
    ]);
  }
  return `${table.toString()}\n`;
}

/** Where the time of each pass goes: its `most` longest kernels. */
export function formatKernels(lines: readonly ModelLine[], most: number): string {
  return lines
    .map((line) => `\n${line.network}, ${line.pass}\n${formatProfile(line.profile, most)}`)
    .join('');
}
