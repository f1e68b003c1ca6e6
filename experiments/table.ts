import Table from 'cli-table3';
import {
  type DatasetSummary,
  headlineResult,
  type Interval,
  type ModelResult,
  type Results,
  type Target,
  targetName,
} from './results.ts';

/** The table printed at the end of a run; without intervals where it would else be wider than `columns`. */
export function formatTable(results: Results, columns = Number.POSITIVE_INFINITY): string {
  const whole = tableOf(results, withInterval);
  const [rule = ''] = whole.split('\n', 1);
  const fits = rule.length <= columns;
  const { headline, levels, dataset } = results;
  return [
    fits ? whole : tableOf(results, percent),
    `attacks at ε: ${describe(levels[headline.level], dataset)}; accuracy in %${fits ? ' [95 % interval]' : ''}, on test samples of unseen subjects: n = ${samplesOf(results)}`,
    `RI: against the undefended / the plainly defended concat network, in points; balance: |RA ${targetName('rgb', dataset)} − RA skeleton| in points`,
  ].join('\n');
}

type Accuracy = (value: number, interval: Interval) => string;

function tableOf(results: Results, show: Accuracy): string {
  const { headline, dataset } = results;
  const targets: Target[] =
    dataset.modalities.length === 2 ? ['rgb', 'skeleton', 'both'] : [...dataset.modalities];
  const attacked = targets.map((on) => `${headline.attack} ${targetName(on, dataset)}`);
  const table = new Table({
    head: ['network', 'training', 'clean', ...attacked, 'RI', 'balance'],
    style: { head: [], border: [] },
  });
  for (const model of results.models) table.push(row(model, results, targets, show));
  for (const { on, accuracy, interval } of results.linear) {
    const cells = [targetName(on, dataset), show(accuracy, interval), ...targets.map(() => ''), '', ''];
    table.push(['linear ridge', ...cells]);
  }
  return table.toString();
}

/** `144 clean, 72 of them attacked`. */
function samplesOf({ models: [first] }: Results): string {
  const [clean, attacked] = [first?.n ?? 0, first?.attackedClean.n ?? 0];
  return `${clean} clean, ${attacked === clean ? 'all' : attacked} of them attacked`;
}

function row(
  model: ModelResult,
  { dataset, headline }: Results,
  targets: readonly Target[],
  show: Accuracy,
): string[] {
  const attacked = targets.map((on) => {
    const found = headlineResult(model, headline, on);
    return found ? show(found.accuracy, found.interval) : '';
  });
  const { ri, balance } = model;
  const improvement = [ri.undefended, ri.defended]
    .map((value) => (value === null ? '–' : points(value)))
    .join(' / ');
  return [
    model.name === 'rgb' ? targetName('rgb', dataset) : model.name,
    model.train,
    show(model.clean, model.interval),
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

function withInterval(value: number, [low, high]: Interval): string {
  return `${percent(value)} [${percent(low)}–${percent(high)}]`;
}

function percent(value: number): string {
  return (100 * value).toFixed(1);
}

function points(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(100 * value).toFixed(1)}`;
}
