import { type StageWeights, targetName } from '../results.ts';
import { drawChart, FRAME, ONE_ROW, WIDTH } from './chart.ts';
import { type Html, html, NOTHING } from './html.ts';
import { marker } from './legend.ts';
import { capitalise, headlineAttack, type Network, SHAPES, type Study } from './study.ts';

/** Classes beside each other in one panel; more go on in the next. */
const CLASSES_PER_PANEL = 15;

/** The modality weights each AMR network learned, by attack and by class. */
export async function weightsSection(study: Study): Promise<Html> {
  const reweighted = study.networks.filter((n) => (n.model.weights?.length ?? 0) > 0);
  if (reweighted.length === 0) return NOTHING;
  const blocks = [];
  for (const network of reweighted) blocks.push(await networkBlock(study, network));
  return html`<section id="weights">
<h2>Modality weights AMR learned</h2>
<p>AMR multiplies the features of each modality by a weight at every stage it stands at. The two weights add up to 2, so 1 is neutral. Bars show the mean over the test samples that were attacked, to the right where the skeleton weighs more and to the left where ${targetName('rgb', study.results.dataset)} does; the number is the weight of the heavier one.</p>
${blocks}
</section>`;
}

async function networkBlock(study: Study, network: Network): Promise<Html> {
  const stages = network.model.weights ?? [];
  const reach = reachOf(
    stages.flatMap((s) => [s.clean, ...Object.values(s.attacked)]).filter((w) => w.every(Number.isFinite)),
  );
  const panels = [];
  for (const stage of stages) panels.push(await stagePanel(study, stage, reach));
  return html`<h3>${network.label}: clean and under ${headlineAttack(study)}</h3><div class="panels">${panels}</div>
<h3>${network.label}: by class, all clean test samples</h3>
<p>Classes in the order of their mean skeleton weight. Right of 1 the skeleton weighs more.</p>
<ul class="legend">${stages.map((s, i) => html`<li>${marker(SHAPES[i % SHAPES.length]!, network.color)}Stage ${s.stage}</li>`)}</ul>
<div class="panels">${await classPanels(study, network)}</div>`;
}

/** Half the width of an axis around 1 that holds all these weights. */
function reachOf(weights: readonly (readonly [number, number])[]): number {
  const far = Math.max(0.05, ...weights.map(([, skeleton]) => Math.abs(skeleton - 1)));
  return Math.min(1, Math.ceil(far * 1.1 * 20) / 20);
}

async function stagePanel(study: Study, stage: StageWeights, reach: number): Promise<Html> {
  const values = stageRows(study, stage);
  const label = `Stage ${stage.stage}. ${values.map((v) => `${v.condition}: ${v.text}`).join('; ')}.`;
  const svg = await drawChart(stageSpec(values, reach), label);
  return html`<figure><figcaption>Stage ${stage.stage}</figcaption>${svg}</figure>`;
}

function stageRows(study: Study, stage: StageWeights) {
  const attacked = study.targets.flatMap((on) => {
    const weights = stage.attacked[on];
    return weights?.every(Number.isFinite)
      ? [stageRow(study, `${capitalise(targetName(on, study.results.dataset))} attacked`, weights)]
      : [];
  });
  return [stageRow(study, 'Clean', stage.clean), ...attacked];
}

function stageRow(study: Study, condition: string, [rgb, skeleton]: readonly [number, number]) {
  const heavier = skeleton >= rgb ? 'skeleton' : 'rgb';
  const name = targetName(heavier, study.results.dataset);
  return {
    condition,
    skeleton,
    heavier,
    text: `${name} ${Math.max(rgb, skeleton).toFixed(2)}`,
  };
}

function weightAxis(reach: number, title: string | null) {
  return {
    field: 'skeleton',
    type: 'quantitative' as const,
    scale: { domain: [1 - reach, 1 + reach], nice: false, zero: false },
    axis: { title, format: '.2~f', tickCount: 5 },
  };
}

/** One row per value of a field, in the order of the data. */
function rowAxis(field: string, axis: object) {
  const plain = { title: null, domain: false, ticks: false, labelPadding: 6, ...axis };
  return { field, type: 'nominal' as const, sort: null, axis: plain };
}

const NEUTRAL = {
  data: ONE_ROW,
  mark: { type: 'rule' as const, color: 'currentColor', opacity: 0.6 },
  encoding: { x: { datum: 1 } },
};

function stageSpec(values: ReturnType<typeof stageRows>, reach: number) {
  const width = WIDTH - 122;
  const y = rowAxis('condition', { labelLimit: 200 });
  const x = weightAxis(reach, 'skeleton weight');
  const color = {
    field: 'heavier',
    type: 'nominal' as const,
    legend: null,
    scale: { domain: ['rgb', 'skeleton'], range: ['var(--rgb)', 'var(--skeleton)'] },
  };
  const bars = { mark: { type: 'bar' as const, height: 13 }, encoding: { x, x2: { datum: 1 }, y, color } };
  const text = {
    mark: { type: 'text' as const, align: 'left' as const, fontSize: 11, color: 'currentColor' },
    encoding: { x: { value: width + 10 }, y, text: { field: 'text', type: 'nominal' as const } },
  };
  const padding = { left: 106, right: 82, top: 4, bottom: 44 };
  return { ...FRAME, padding, width, height: { step: 25 }, data: { values }, layer: [bars, NEUTRAL, text] };
}

async function classPanels(study: Study, network: Network): Promise<Html[]> {
  const stages = network.model.weights ?? [];
  const order = classOrder(study, stages);
  const reach = reachOf(stages.flatMap((s) => s.byClass.flatMap((pair) => (pair ? [pair] : []))));
  const panels = Math.ceil(order.length / CLASSES_PER_PANEL);
  const size = Math.ceil(order.length / panels);
  const figures = [];
  for (let start = 0; start < order.length; start += size) {
    const part = order.slice(start, start + size);
    const label = `Skeleton weight by class. ${part.map((i) => classText(study, stages, i)).join('; ')}.`;
    figures.push(html`<figure>${await drawChart(classSpec(study, network, part, reach), label)}</figure>`);
  }
  return figures;
}

/** Indices of the classes that were tested, heaviest skeleton first. */
function classOrder(study: Study, stages: readonly StageWeights[]): number[] {
  const mean = (i: number) => stages.reduce((sum, s) => sum + (s.byClass[i]?.[1] ?? 1), 0);
  const tested = study.results.dataset.classes.flatMap((_, i) => (stages[0]?.byClass[i] ? [i] : []));
  return tested.sort((a, b) => mean(b) - mean(a) || a - b);
}

function classText(study: Study, stages: readonly StageWeights[], i: number): string {
  const weights = stages.map((s) => (s.byClass[i]?.[1] ?? 1).toFixed(2));
  return `${study.results.dataset.classes[i]}: ${weights.join(', ')}`;
}

function classSpec(study: Study, network: Network, part: readonly number[], reach: number) {
  const stages = network.model.weights ?? [];
  const values = part.flatMap((i) =>
    stages.map((s) => ({ row: String(i), stage: String(s.stage), skeleton: s.byClass[i]?.[1] ?? 1 })),
  );
  const names = JSON.stringify(study.results.dataset.classes.map(capitalise));
  const y = rowAxis('row', { grid: true, labelExpr: `${names}[toNumber(datum.value)]`, labelLimit: 235 });
  const shape = {
    field: 'stage',
    type: 'nominal' as const,
    legend: null,
    scale: {
      domain: stages.map((s) => String(s.stage)),
      range: stages.map((_, i) => SHAPES[i % SHAPES.length]!),
    },
  };
  const mark = { type: 'point' as const, filled: true, opacity: 0.8, size: 44, color: network.color };
  const layer = [NEUTRAL, { mark, encoding: { x: weightAxis(reach, 'skeleton weight'), y, shape } }];
  const padding = { left: 172, right: 14, top: 4, bottom: 44 };
  return { ...FRAME, padding, width: WIDTH - 110, height: { step: 19 }, data: { values }, layer };
}
