import { type ModelResult, type Share, type Target, targetName } from '../results.ts';
import { attackName, budgetText, integer, interval, NONE, percent, points, short } from './format.ts';
import { type Content, type Html, html, NOTHING } from './html.ts';
import {
  budgetOf,
  capitalise,
  curveOf,
  headlineAttack,
  headlineOf,
  type Network,
  type Study,
  targetHeading,
} from './study.ts';

/** The one table: a row per network, clean and under the headline attack. */
export function tableSection(study: Study): Html {
  const joint = study.networks.some((n) => n.model.ra !== null);
  const heads = study.targets.map(
    (on) =>
      html`<th scope="col">${targetHeading(study, on)}<small>ε ${budgetText(budgetOf(study.headline, on))}</small></th>`,
  );
  const jointHeads = html`<th scope="col">RA<small>mean of the three</small></th><th scope="col">RI<small>points, against undefended / defended concat</small></th><th scope="col">Balance<small>difference in points / ratio (our definition)</small></th>`;
  return html`<section id="table">
<h2>Accuracy, clean and under ${headlineAttack(study)}</h2>
<p>Share of test samples recognised, with its 95 % interval and the number of samples n it rests on. Clean accuracy is on all test samples; every network is attacked on the same of them.</p>
<div class="scroll"><table class="main">
<thead><tr><th scope="col">Network</th><th scope="col">Parameters</th><th scope="col">Clean</th>${heads}${joint ? jointHeads : NOTHING}</tr></thead>
<tbody>${study.networks.map((n) => networkRow(study, n, joint))}</tbody>
<tbody class="reference">${study.results.linear.map((l) => linearRow(study, l, joint))}</tbody>
</table></div>
</section>`;
}

function networkRow(study: Study, network: Network, joint: boolean): Html {
  const { model, color } = network;
  const clean = { accuracy: model.clean, interval: model.interval, n: model.n };
  const attacked = study.targets.map((on) => accuracyCell(headlineOf(study, model, on), color));
  return html`<tr><th scope="row">${networkLabel(network)}<small>${network.about}</small></th><td>${integer(model.parameters)}</td>${accuracyCell(clean, color)}${attacked}${joint ? jointCells(model) : NOTHING}</tr>`;
}

/** A network’s name after its colour. */
export function networkLabel({ label, color }: Network): Html {
  return html`<span class="dot" style="background:${color}"></span>${label}`;
}

function accuracyCell(found: Share | undefined, color: string): Html {
  if (!found) return html`<td class="none">${NONE}</td>`;
  const [low, high] = found.interval.map((share) => (100 * share).toFixed(1)) as [string, string];
  const place = `--value:${(100 * found.accuracy).toFixed(1)}%;--low:${low}%;--high:${high}%;--color:${color}`;
  return html`<td><b>${percent(found.accuracy)}</b><span class="bar" style="${place}" aria-hidden="true"></span><small>${interval(found.interval)} · n ${found.n}</small></td>`;
}

function jointCells({ ra, ri, balance }: ModelResult): Html {
  const improvement = [ri.undefended, ri.defended].map((v) => (v === null ? NONE : points(v))).join(' / ');
  const even = balance
    ? `${(100 * balance.difference).toFixed(1)} / ${balance.ratio?.toFixed(2) ?? NONE}`
    : NONE;
  return html`<td>${ra === null ? NONE : html`<b>${percent(ra)}</b>`}</td><td>${ri.undefended === null && ri.defended === null ? NONE : improvement}</td><td>${even}</td>`;
}

function linearRow(study: Study, linear: Share & { on: Target }, joint: boolean): Html {
  const { on } = linear;
  const input = on === 'both' ? 'sum of both scores' : targetName(on, study.results.dataset);
  const empty = study.targets.length + (joint ? 3 : 0);
  return html`<tr><th scope="row">Linear, ${input}<small>ridge regression on raw input, for reference</small></th><td>${NONE}</td>${accuracyCell(linear, 'var(--muted)')}<td class="text" colspan="${empty}">not attacked</td></tr>`;
}

/** Every attack that was run, in numbers. */
export function numbersSection(study: Study): Html {
  const rows = study.networks.flatMap((network) =>
    study.attacks.flatMap((attack) => study.targets.flatMap((on) => attackRows(study, network, attack, on))),
  );
  const heads = [
    'Network',
    'Attack',
    'On',
    'ε',
    'Accuracy',
    '95 % interval',
    'n',
    'Mean loss',
    'Zero gradients',
  ];
  return html`<section id="numbers">
<h2>Every attack in numbers</h2>
<details><summary>${rows.length} results</summary><div class="scroll tall"><table>
<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table></div></details>
</section>`;
}

function attackRows(study: Study, network: Network, attack: string, on: Target): Html[] {
  const target = capitalise(targetName(on, study.results.dataset));
  return curveOf(network.model, attack, on).map((r) => {
    const cells: Content[] = [
      percent(r.accuracy),
      interval(r.interval),
      r.n,
      short(r.loss),
      percent(r.zeroGradients),
    ];
    return html`<tr><th scope="row">${networkLabel(network)}</th><td>${attackName(attack)}</td><td>${target}</td><td>${budgetText(r.budget)}</td>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`;
  });
}
