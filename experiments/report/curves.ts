import { type RobustResult, type Target, targetName } from '../results.ts';
import { drawChart, FRAME, networkScales, ONE_ROW, SHARE_AXIS, type Tick, tickAxis, WIDTH } from './chart.ts';
import { attackName, budgetLines, epsilon, modalitiesOf, percent, short } from './format.ts';
import { type Html, html } from './html.ts';
import { legend } from './legend.ts';
import { axisModality, capitalise, curveOf, type Network, type Study, targetPhrase } from './study.ts';

/** How ε is put on an axis: its position and the lines of its label. */
interface Scale {
  readonly title: (study: Study, on: Target) => string[];
  readonly position: (study: Study, result: RobustResult) => number;
  readonly lines: (study: Study, result: RobustResult) => string[];
  /** The same range in all panels, so that modalities compare. */
  readonly shared: boolean;
}

const COMPARABLE =
  'The budgets of two modalities do not compare in their own units; on this axis, the same in all panels, they do, as shares of how much each modality varies.';

interface Point {
  readonly network: string;
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
}

export const INPUT_UNITS: Scale = {
  title: (study, on) => [`ε on ${bothLines(study, on)}`],
  position: (study, result) => epsOf(study, result) * (axisModality(study, result.on) === 'rgb' ? 255 : 100),
  lines: (_, result) => budgetLines(result.budget),
  shared: false,
};

const DEVIATIONS: Scale = {
  title: (study, on) => [`ε / σ of ${bothLines(study, on)}`],
  position: (study, result) =>
    epsOf(study, result) / (study.results.dataset.deviation[axisModality(study, result.on)] || 1),
  lines: (study, result) => relativeLines(study, result),
  shared: true,
};

/** ε of the modality that the axis shows. */
function epsOf(study: Study, { budget, on }: RobustResult): number {
  return budget[axisModality(study, on)] ?? 0;
}

function bothLines({ results: { dataset } }: Study, on: Target): string {
  if (on !== 'both') return targetName(on, dataset);
  return `${targetName('rgb', dataset)} (below: skeleton)`;
}

function relativeLines(study: Study, { budget }: RobustResult): string[] {
  const { deviation } = study.results.dataset;
  return modalitiesOf(budget).map((m) => short(Number(((budget[m] ?? 0) / (deviation[m] || 1)).toFixed(3))));
}

/** Accuracy against ε: in input units for every attack, then relative to the standard deviation of the modality. */
export async function curvesSection(study: Study): Promise<Html> {
  const headline = study.results.headline.attack;
  const blocks = await inputUnitBlocks(study);
  const relative = await panels(study, [headline], DEVIATIONS);
  return html`<section id="curves">
<h2>Accuracy against perturbation size</h2>
<p>Lines join the ε that were tried, starting at 0 from clean accuracy on the same samples; bands are 95 % intervals; the dotted line is chance. Dashed lines are naturally trained networks, solid lines adversarially trained ones.</p>
${legend(study.networks)}
${blocks}
<h3>${attackName(headline)}, ε relative to the spread of the data</h3>
<p>Here ε is divided by σ, the standard deviation of its modality over the training samples (${deviationText(study)}). ${study.targets.length > 1 ? COMPARABLE : ''}</p>
${relative}
</section>`;
}

function deviationText({ results: { dataset } }: Study): string {
  const texts = modalitiesOf(dataset.deviation).map(
    (m) => `${targetName(m, dataset)} ${epsilon(m, dataset.deviation[m] ?? 0)}`,
  );
  return texts.join(', ');
}

/** A row of panels for each attack; one row for all where only one modality is attacked. */
async function inputUnitBlocks(study: Study): Promise<Html[]> {
  if (study.targets.length === 1) {
    return [html`<h3>ε in input units</h3>${await panels(study, study.attacks, INPUT_UNITS)}`];
  }
  const blocks = [];
  for (const attack of study.attacks) {
    const row = await panels(study, [attack], INPUT_UNITS);
    blocks.push(html`<h3>${attackName(attack)}, ε in input units</h3>${row}`);
  }
  return blocks;
}

async function panels(study: Study, attacks: readonly string[], scale: Scale): Promise<Html> {
  const figures = [];
  for (const attack of attacks) {
    for (const on of study.targets) figures.push(await curvePanel(study, attack, on, scale));
  }
  return html`<div class="panels">${figures}</div>`;
}

async function curvePanel(study: Study, attack: string, on: Target, scale: Scale): Promise<Html> {
  const shown = study.networks.filter((n) => curveOf(n.model, attack, on).length > 0);
  const points = shown.flatMap((n) => curvePoints(study, n, attack, on, scale));
  const range = scale.shared ? farthest(study, attack, scale) : Math.max(0, ...points.map((p) => p.x));
  const svg = await drawChart(
    curveSpec(study, points, ticksOf(study, attack, on, scale), on, scale, range),
    curveLabel(shown, attack, on),
  );
  return html`<figure><figcaption>${attackName(attack)} on ${targetPhrase(on, study.results.dataset)}</figcaption>${svg}</figure>`;
}

/** Where a curve of a network goes, clean accuracy first. */
export function curvePoints(
  study: Study,
  { model, label }: Network,
  attack: string,
  on: Target,
  scale: Scale,
): Point[] {
  const { accuracy, interval } = model.attackedClean;
  const clean = { network: label, x: 0, y: accuracy, low: interval[0], high: interval[1] };
  const attacked = curveOf(model, attack, on).map((r) => ({
    network: label,
    x: scale.position(study, r),
    y: r.accuracy,
    low: r.interval[0],
    high: r.interval[1],
  }));
  // Of levels with the same ε on the axis the later is drawn, which allows more on the other modality.
  const byPosition = new Map([clean, ...attacked].map((point) => [point.x, point]));
  return [...byPosition.values()];
}

/** The largest position of any panel. */
function farthest(study: Study, attack: string, scale: Scale): number {
  const all = study.networks.flatMap((n) => n.model.robust.filter((r) => r.attack === attack));
  return Math.max(0, ...all.map((r) => scale.position(study, r)));
}

function ticksOf(study: Study, attack: string, on: Target, scale: Scale): Tick[] {
  const ticks = new Map<number, Tick>([[0, { value: 0, lines: ['0'] }]]);
  for (const { model } of study.networks) {
    for (const result of curveOf(model, attack, on)) {
      const value = scale.position(study, result);
      ticks.set(value, { value, lines: scale.lines(study, result) });
    }
  }
  return [...ticks.values()].sort((a, b) => a.value - b.value);
}

function curveSpec(study: Study, points: Point[], ticks: Tick[], on: Target, scale: Scale, range: number) {
  const { color, shape, strokeDash } = networkScales(study.networks);
  const x = {
    field: 'x',
    type: 'quantitative' as const,
    scale: { domain: [0, range || 1], nice: false },
    axis: tickAxis(ticks, scale.title(study, on)),
  };
  const y = { field: 'y', ...SHARE_AXIS };
  const chance = 1 / study.results.dataset.classes.length;
  return {
    ...FRAME,
    width: WIDTH,
    height: 210,
    data: { values: points },
    layer: [
      {
        mark: { type: 'area' as const, opacity: 0.13 },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color },
      },
      {
        data: ONE_ROW,
        mark: { type: 'rule' as const, color: 'currentColor', opacity: 0.5, strokeDash: [1, 3] },
        encoding: { y: { datum: chance, ...SHARE_AXIS } },
      },
      { mark: { type: 'line' as const, strokeWidth: 2 }, encoding: { x, y, color, strokeDash } },
      {
        mark: { type: 'point' as const, filled: true, opacity: 1, size: 38 },
        encoding: { x, y, color, shape },
      },
    ],
  };
}

function curveLabel(networks: readonly Network[], attack: string, on: Target): string {
  const curves = networks.map(({ model, label }) => {
    const attacked = curveOf(model, attack, on).map(
      (r) => `${percent(r.accuracy)} at ${budgetLines(r.budget).join(' and ')}`,
    );
    return `${label}: ${percent(model.attackedClean.accuracy)} clean, ${attacked.join(', ')}`;
  });
  return `Accuracy under ${attackName(attack)} on ${on}. ${capitalise(curves.join('; '))}.`;
}
