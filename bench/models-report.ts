import { formatProfile } from '../src/tensor/profile-report.ts';
import type { FirstStep } from './first-step.ts';
import type { ModelLine } from './models.ts';
import { formatBounds, formatSpread, newTable, number } from './report.ts';
import type { MeasuredRoof } from './roof.ts';

const HEAD = [
  ...['network', 'pass', 'eager ms', '(min…max)', 'captured ms', '(min…max)', 'samples/s'],
  ...[
    'launches',
    'captured launches',
    'peak MB',
    '÷ least',
    'captured ÷ least',
    'planned MB',
    'unplanned MB',
    'of roof',
  ],
];

/** A row for each pass of each network, and the roof in the rounds of each. */
export function formatModels(lines: readonly ModelLine[], known: MeasuredRoof | undefined): string {
  const table = newTable(HEAD, 2);
  for (const line of lines) {
    const { eager, captured, share } = line;
    table.push([
      ...[line.network, line.pass],
      ...[number(eager.wall.median), formatSpread(eager.wall)],
      ...[number(captured.wall.median), formatSpread(captured.wall)],
      ...[number(line.samplesPerSecond), `${eager.dispatches}`, `${captured.dispatches}`],
      megabytes(line.peakBytes),
      ...[line.peakBytes, line.capturedBytes].map((bytes) => ratio(bytes, line.leastBytes)),
      ...[line.plannedBytes, line.unplannedBytes].map(megabytes),
      share === undefined ? '–' : `${(100 * share).toFixed(0)} %`,
    ]);
  }
  const roofs = new Map(lines.map(({ network, bounds }) => [network, bounds]));
  const told = [...roofs].map(([network, bounds]) => `${network}: ${formatBounds(bounds, known)}`);
  return `${table.toString()}\n${told.join('')}`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function ratio(bytes: number, least: number | undefined): string {
  return least === undefined ? '–' : (bytes / least).toFixed(2);
}

/** A row for each network. */
export function formatFirstSteps(lines: readonly FirstStep[]): string {
  const table = newTable(
    ['first training step', 'cold ms', 'after warm-up ms', 'warm-up ms', 'pipelines'],
    1,
  );
  for (const { network, cold, warmed, warmUp, pipelines } of lines)
    table.push([network, number(cold), number(warmed), number(warmUp), `${pipelines}`]);
  return `${table.toString()}\n`;
}

/** Where the time of each pass goes: its `most` longest kernels. */
export function formatKernels(lines: readonly ModelLine[], most: number): string {
  return lines
    .map((line) => `\n${line.network}, ${line.pass}\n${formatProfile(line.profile, most)}`)
    .join('');
}
