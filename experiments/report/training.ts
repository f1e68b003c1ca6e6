import type { EpochRecord } from '../results.ts';
import { drawChart, ONE_ROW, SHARE_AXIS, WIDTH } from './chart.ts';
import { percent, short } from './format.ts';
import { type Html, html, NOTHING } from './html.ts';
import type { Network, Study } from './study.ts';
import { networkLabel } from './table.ts';

/** The curves of one network: what they are called and how they are dashed. */
const CURVES: readonly { key: keyof EpochRecord; name: string; dash: number[] }[] = [
  { key: 'accuracy', name: 'training', dash: [2, 2] },
  { key: 'validation', name: 'validation', dash: [1, 0] },
  { key: 'validationClean', name: 'validation, clean', dash: [7, 3] },
];

const HELD_OUT =
  'Solid: on the validation subjects, under PGD where training is adversarial. Long dashes: on clean validation samples of adversarial training. The vertical line marks the epoch whose weights were kept; it was chosen on the validation subjects.';
const FITTED =
  'The number of epochs was fixed beforehand: networks were trained on all but the test subjects, and the last epoch is kept.';

/** Loss and accuracy of every network by epoch, with the epoch that was kept. */
export async function trainingSection(study: Study): Promise<Html> {
  const figures = [];
  for (const network of study.networks) figures.push(await trainingPanel(network));
  const shown = figures.filter((figure) => figure !== NOTHING);
  if (shown.length === 0) return NOTHING;
  return html`<section id="training">
<h2>Training</h2>
<p>Above accuracy, below mean training loss, by epoch. Dotted: on the training batches (attacked ones where training is adversarial). ${study.results.holdOut ? HELD_OUT : FITTED}</p>
<div class="panels">${shown}</div>
</section>`;
}

async function trainingPanel(network: Network): Promise<Html> {
  const { epochs, best } = network.model.training;
  if (epochs.length === 0) return NOTHING;
  const svg = await drawChart(trainingSpec(network), trainingLabel(network));
  return html`<figure><figcaption>${networkLabel(network)}<small>kept: epoch ${best} of ${epochs.length}</small></figcaption>${svg}</figure>`;
}

function trainingLabel({ label, model: { training } }: Network): string {
  const kept = training.epochs[training.best - 1];
  const accuracy = kept?.validation ?? Number.NaN;
  const validated = Number.isFinite(accuracy) ? `, with validation accuracy ${percent(accuracy)}` : '';
  const first = training.epochs[0];
  const last = training.epochs[training.epochs.length - 1];
  return `${label}: loss from ${short(first?.loss ?? 0)} to ${short(last?.loss ?? 0)} in ${training.epochs.length} epochs; epoch ${training.best} kept${validated}.`;
}

function trainingSpec(network: Network) {
  const { epochs } = network.model.training;
  const curves = network.model.train === 'natural' ? CURVES.slice(0, 2) : CURVES;
  const shares = curves.flatMap(({ key, name }) => curveRows(epochs, key, name));
  const lossAxis = { title: null, tickCount: 3, minExtent: 34, maxExtent: 34 };
  const loss = { type: 'quantitative' as const, axis: lossAxis };
  const labelled = epochAxis(epochs.length, true);
  return {
    spacing: 6,
    vconcat: [
      plot(network, 130, shares, epochAxis(epochs.length, false), SHARE_AXIS),
      plot(network, 62, curveRows(epochs, 'loss', 'training'), labelled, loss),
    ],
  };
}

/** Curves over the epochs, with a line at the epoch that was kept. */
function plot(
  network: Network,
  height: number,
  values: CurveRow[],
  x: ReturnType<typeof epochAxis>,
  y: object,
) {
  const { color, model } = network;
  const strokeDash = {
    field: 'curve',
    type: 'nominal' as const,
    legend: null,
    scale: { domain: CURVES.map((c) => c.name), range: CURVES.map((c) => c.dash) },
  };
  const kept = {
    data: ONE_ROW,
    mark: { type: 'rule' as const, color: 'currentColor', opacity: 0.45 },
    encoding: { x: { datum: model.training.best } },
  };
  const mark = { type: 'line' as const, strokeWidth: 1.8, color, point: model.training.epochs.length === 1 };
  const layer = [kept, { mark, encoding: { x, y: { field: 'y', ...y }, strokeDash } }];
  return { width: WIDTH, height, data: { values }, layer };
}

interface CurveRow {
  readonly x: number;
  readonly y: number;
  readonly curve: string;
}

/** Epochs without a value (not validated) are left out. */
function curveRows(epochs: readonly EpochRecord[], key: keyof EpochRecord, curve: string): CurveRow[] {
  return epochs
    .map((epoch, i) => ({ x: i + 1, y: epoch[key], curve }))
    .filter((row) => Number.isFinite(row.y));
}

function epochAxis(epochs: number, labels: boolean) {
  return {
    field: 'x',
    type: 'quantitative' as const,
    scale: { domain: [1, Math.max(2, epochs)], nice: false, zero: false },
    axis: { title: labels ? 'epoch' : null, labels, grid: false, format: 'd', tickMinStep: 1, tickCount: 6 },
  };
}
