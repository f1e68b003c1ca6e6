import { type Exhibit, targetName } from '../results.ts';
import { attackName, budgetText } from './format.ts';
import { frameRows } from './frames.ts';
import { type Html, html, NOTHING } from './html.ts';
import { poseRows } from './poses.ts';
import { capitalise, findNetwork, labelOf, type Study, targetPhrase } from './study.ts';
import { networkLabel } from './table.ts';

/** Samples before and after an attack. */
export function exhibitsSection(study: Study, exhibits: readonly Exhibit[]): Html {
  if (exhibits.length === 0) return NOTHING;
  return html`<section id="exhibits">
<h2>Samples before and after the attack</h2>
<p>The attack is in the input as the network sees it. To make it visible the change is multiplied by the factor stated, for display only.</p>
<div class="exhibits">${exhibits.map((e) => exhibitCard(study, e))}</div>
</section>`;
}

function exhibitCard(study: Study, exhibit: Exhibit): Html {
  const network = findNetwork(study, exhibit.model);
  const name = network ? networkLabel(network) : html`${labelOf(study, exhibit.model)}`;
  const video = capitalise(targetName('rgb', study.results.dataset));
  return html`<article class="card">
<h3>${name}</h3>
<p class="muted">${attackName(exhibit.attack)} on ${targetPhrase(exhibit.on, study.results.dataset)}, ε ${budgetText(exhibit.budget)}</p>
<dl class="predictions"><div><dt>Action</dt><dd>${exhibit.label}</dd></div>${prediction('Seen clean', exhibit.cleanPrediction, exhibit.label)}${prediction('Seen attacked', exhibit.attackedPrediction, exhibit.label)}</dl>
${exhibit.clips ? frameRows(exhibit.clips, video) : NOTHING}
${exhibit.skeletons ? poseRows(exhibit.skeletons) : NOTHING}
</article>`;
}

function prediction(name: string, predicted: string, label: string): Html {
  const right = predicted === label;
  return html`<div><dt>${name}</dt><dd class="${right ? 'right' : 'wrong'}">${predicted}<small>${right ? 'right' : 'wrong'}</small></dd></div>`;
}
