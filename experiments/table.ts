import Table from 'cli-table3';
import {
  type DatasetSummary,
  headlineResult,
  type ModelResult,
  type Results,
  type Target,
  targetName,
} from './results.ts';

/** The table printed at the end of a run. */
export function formatTable(results: Results): string {
  const { headline, levels, dataset } = results;
  const targets: Target[] =
    dataset.modalities.length === 2 ? ['rgb', 'skeleton', 'both'] : [...dataset.modalities];
  const table = new Table({
    head: [
      'network',
      'training',
      'clean',
      ...targets.map((on) => `${headline.attack} ${targetName(on, dataset)}`),
      'RI',
      'balance',
    ],
    style: { head: [], border: [] },
  });
  for (const model of results.models) table.push(row(model, results, targets));
  for (const { on, accuracy, interval } of results.linear) {
    const found = withInterval(accuracy, interval);
    table.push(['linear ridge', targetName(on, dataset), found, ...targets.map(() => ''), '', '']);
  }
  const level = levels[headline.level];
  return [
    table.toString(),
    `attacks at ε: ${describe(level, dataset)}; accuracy in % [95 % interval], on test samples of unseen subjects: n = ${samplesOf(results)}`,
    `RI: against the undefended / the plainly defended concat network, in points; balance: |RA ${targetName('rgb', dataset)} − RA skeleton| in points`,
  ].join('\n');
}

/** `144 clean, 72 of them attacked`. */
function samplesOf({ models: [first] }: Results): string {
  const [clean, attacked] = [first?.n ?? 0, first?.attackedClean.n ?? 0];
  return `${clean} clean, ${attacked === clean ? 'all' : attacked} of them attacked`;
}

function row(model: ModelResult, { dataset, headline }: Results, targets: readonly Target[]): string[] {
  const attacked = targets.map((on) => {
    const found = headlineResult(model, headline, on);
    return found ? withInterval(found.accuracy, found.interval) : '';
  });
  const { ri, balance } = model;
  const improvement = [ri.undefended, ri.defended]
    .map((value) => (value === null ? '–' : points(value)))
    .join(' / ');
  return [
    model.name === 'rgb' ? targetName('rgb', dataset) : model.name,
    model.train,
    withInterval(model.clean, model.interval),
    ...attacked,
    improvement,
    balance ? (100 * balance.difference).toFixed(1) : '–',
  ];
}

function describe(level: Results['levels'][number] | undefined, dataset: DatasetSummary): string {
  const parts = [];
  if (level?.rgb !== undefined && dataset.modalities.includes('rgb'))
    parts.push(`${targetName('rgb', dataset)} ${+(level.rgb * 255).toFixed(2)}/255`);
  if (level?.skeleton !== undefined && dataset.modalities.includes('skeleton'))
    parts.push(`skeleton ${+(level.skeleton * 100).toFixed(2)} cm`);
  return parts.join(', ');
}

function withInterval(value: number, [low, high]: readonly [number, number]): string {
  return `${percent(value)} [${percent(low)}–${percent(high)}]`;
}

function percent(value: number): string {
  return (100 * value).toFixed(1);
}

function points(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(100 * value).toFixed(1)}`;
}
