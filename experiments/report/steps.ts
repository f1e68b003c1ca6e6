import type { Target } from '../results.ts';
import { drawChart, FRAME, networkScales, WIDTH } from './chart.ts';
import { short } from './format.ts';
import { type Html, html } from './html.ts';
import { legend } from './legend.ts';
import { headlineAttack, headlineOf, type Network, type Study, targetHeading } from './study.ts';

/** Smaller losses are drawn here: a logarithmic axis has no 0. */
const LEAST = 1e-3;

/** Mean loss at each step of the headline attack. */
export async function stepsSection(study: Study): Promise<Html> {
  const figures = [];
  for (const on of study.targets) figures.push(await stepsPanel(study, on));
  return html`<section id="steps">
<h2>Loss by attack step</h2>
<p>Mean cross-entropy at each iterate of ${headlineAttack(study)} at the headline ε, the random start first (logarithmic axis). A curve that rises and levels off is an attack that has done its work; one that stays flat from the start would be a sign of gradient masking.</p>
${legend(study.networks)}
<div class="panels">${figures}</div>
</section>`;
}

async function stepsPanel(study: Study, on: Target): Promise<Html> {
  const values = study.networks.flatMap((n) => stepRows(study, n, on));
  const svg = await drawChart(stepsSpec(study, values), stepsLabel(study, on));
  return html`<figure><figcaption>${targetHeading(study, on)}</figcaption>${svg}</figure>`;
}

function losses(study: Study, { model }: Network, on: Target): readonly number[] {
  return headlineOf(study, model, on)?.lossByStep ?? [];
}

function stepRows(study: Study, network: Network, on: Target) {
  const steps = losses(study, network, on).map((loss, x) => ({ network: network.label, x, loss }));
  return steps
    .filter(({ loss }) => Number.isFinite(loss))
    .map(({ loss, ...step }) => ({ ...step, y: Math.max(loss, LEAST) }));
}

function stepsLabel(study: Study, on: Target): string {
  const texts = study.networks.flatMap((n) => {
    const all = losses(study, n, on);
    return all.length > 0
      ? [`${n.label}: from ${short(all[0] ?? 0)} to ${short(all[all.length - 1] ?? 0)}`]
      : [];
  });
  return `Mean loss by step of the attack on ${on}. ${texts.join('; ')}.`;
}

function stepsSpec(study: Study, values: ReturnType<typeof stepRows>) {
  const { color, shape, strokeDash } = networkScales(study.networks);
  const ticks = lossTicks(values.map((v) => v.y));
  const axis = { title: 'step', grid: false, format: 'd', tickMinStep: 1, tickCount: 6 };
  const x = { field: 'x', type: 'quantitative' as const, scale: { nice: false }, axis };
  const y = {
    field: 'y',
    type: 'quantitative' as const,
    scale: { type: 'log' as const, domain: [ticks[0] ?? LEAST, ticks[ticks.length - 1] ?? 1], nice: false },
    axis: { title: null, format: '~g', values: ticks, minExtent: 34, maxExtent: 34 },
  };
  return {
    ...FRAME,
    padding: { ...FRAME.padding, bottom: 42 },
    width: WIDTH,
    height: 180,
    data: { values },
    layer: [
      { mark: { type: 'line' as const, strokeWidth: 2 }, encoding: { x, y, color, strokeDash } },
      {
        mark: { type: 'point' as const, filled: true, opacity: 1, size: 22 },
        encoding: { x, y, color, shape },
      },
    ],
  };
}

/** 1 and 3 times powers of ten, from below the least to above the largest loss. */
function lossTicks(losses: readonly number[]): number[] {
  const all = [-3, -2, -1, 0, 1, 2, 3, 4].flatMap((power) => [10 ** power, 3 * 10 ** power]);
  const above = all.findIndex((tick) => tick >= Math.max(...losses));
  const below = all.findLastIndex((tick) => tick <= Math.min(...losses));
  return all.slice(Math.max(0, below), above < 1 ? all.length : above + 1);
}
