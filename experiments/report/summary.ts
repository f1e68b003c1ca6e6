import type { Modality } from '../../src/amr/action-network.ts';
import { type Results, targetName } from '../results.ts';
import { factList } from './facts.ts';
import {
  budgetText,
  countWord,
  epsilon,
  interval,
  listText,
  modalitiesOf,
  percent,
  points,
  pValue,
} from './format.ts';
import { type Html, html, NOTHING } from './html.ts';
import { findNetwork, headlineAttack, headlineOf, type Network, type Study } from './study.ts';

const CITATION = 'arXiv 2407.19981';

/** Title, what was compared and found, and what it rests on. */
export function summarySection(study: Study): Html {
  const [main, details] = findings(study);
  return html`<header>
<p class="kicker">Adversarial robustness of action recognition</p>
<h1>${study.results.dataset.title}</h1>
<p class="lead">${[setting(study), ...main].join(' ')}</p>
${details.length > 0 ? html`<ul class="findings">${details.map((text) => html`<li>${text}</li>`)}</ul>` : NOTHING}
${reconstructionNote(study)}${depthNote(study.results)}
${factList(study)}
</header>`;
}

/** The main finding in sentences, and what goes with it: two-modality networks come first where there are any. */
function findings(study: Study): [main: string[], details: string[]] {
  const joint = rankJoint(study);
  const single = singleFindings(study);
  const checks = sanityFinding(study);
  if (joint.length === 0) return [single, checks];
  return [mainFinding(study, joint), [...jointDetails(study, joint), ...single, ...checks]];
}

/** The two-modality networks, highest mean robust accuracy first. */
function rankJoint({ networks }: Study): Network[] {
  const joint = networks.filter((n) => n.model.ra !== null);
  return joint.sort((a, b) => (b.model.ra ?? 0) - (a.model.ra ?? 0));
}

function setting(study: Study): string {
  const { dataset, models } = study.results;
  const videos = dataset.video === 'depth' ? 'depth videos' : 'RGB clips';
  const seen = dataset.modalities.map((m) => (m === 'rgb' ? videos : 'skeletons'));
  const nouns = models.length === 1 ? 'network was' : 'networks were';
  return (
    `${countWord(models.length)} ${nouns} trained to recognise ${dataset.classes.length} actions from ` +
    `${listText(seen)}, then attacked with ${headlineAttack(study)}, which may change ${changes(study)}.`
  );
}

function changes(study: Study): string {
  const whats: Readonly<Record<Modality, string>> = {
    rgb: 'every pixel by up to',
    skeleton: 'every joint coordinate by up to',
  };
  const each = modalitiesOf(study.headline).map((m) => `${whats[m]} ${epsilon(m, study.headline[m] ?? 0)}`);
  return listText(each);
}

function mainFinding(study: Study, [best, ...others]: readonly Network[]): string[] {
  if (!best) return [];
  const rest = others.map((n) => `${percent(n.model.ra ?? 0)} for ${n.phrase}`);
  const accuracy = percent(best.model.ra ?? 0);
  const keeps =
    rest.length > 0
      ? `${others[0]?.model.ra === best.model.ra ? 'an equally high' : 'the highest'} accuracy: ${accuracy}, against ${listText(rest)}`
      : `an accuracy of ${accuracy}`;
  const video = targetName('rgb', study.results.dataset);
  return [
    `Averaged over attacks on ${video}, on the skeleton and on both, ${best.phrase} keeps ${keeps}.`,
    ...significance(study, best, others[0]),
  ];
}

function jointDetails(study: Study, [best]: readonly Network[]): string[] {
  if (!best) return [];
  const clean = `Without an attack, ${best.phrase} recognises ${percent(best.model.clean)} of the ${best.model.n} test samples.`;
  return [clean, ...improvement(best), ...balanceFinding(study, best), ...reliance(study)];
}

/** A mean over attacks hides it when a network withstands them on one modality only. */
function balanceFinding(study: Study, { model }: Network): string[] {
  const [video, skeleton] = (['rgb', 'skeleton'] as const).map((on) => headlineOf(study, model, on));
  if (!video || !skeleton || !model.balance) return [];
  const name = targetName('rgb', study.results.dataset);
  return [
    `Attacked on ${name} alone it keeps ${percent(video.accuracy)}, on the skeleton alone ${percent(skeleton.accuracy)}: ${points(model.balance.difference).replace('+', '')} points apart.`,
  ];
}

/** AMR may win by hardly looking at the attacked modality. */
function reliance(study: Study): string[] {
  return study.networks.flatMap(({ model, phrase }) => {
    const last = model.weights?.at(-1);
    if (!last || Math.max(...last.clean) < 1.5) return [];
    const [leaned, spared] =
      last.clean[1] > last.clean[0] ? (['skeleton', 'rgb'] as const) : (['rgb', 'skeleton'] as const);
    const name = (on: Modality) => targetName(on, study.results.dataset);
    return [
      `At its last stage ${phrase} weighs the ${name(leaned)} by ${Math.max(...last.clean).toFixed(2)} of 2, so an attack on ${name(spared)} hardly reaches it: that is not robustness gained on ${name(spared)}.`,
    ];
  });
}

function sanityFinding({ results: { sanity } }: Study): string[] {
  return sanity.length > 0 ? ['Not all checks of the attacks hold: see “Sanity checks”.'] : [];
}

function improvement({ model }: Network): string[] {
  const references = [
    { name: 'the plainly defended', value: model.ri.defended },
    { name: 'the undefended', value: model.ri.undefended },
  ];
  const known = references.flatMap(({ name, value }) =>
    value === null ? [] : [`${points(value)} points against ${name}`],
  );
  return known.length > 0 ? [`Its relative improvement (RI) is ${listText(known)} concat network.`] : [];
}

function significance(study: Study, best: Network, second: Network | undefined): string[] {
  const found = study.results.comparisons.find((c) => {
    const pair = [findNetwork(study, c.first), findNetwork(study, c.second)];
    return c.on === 'both' && second !== undefined && pair.includes(best) && pair.includes(second);
  });
  if (!found || !second) return [];
  if (found.p === 1)
    return [
      `With both modalities attacked it does not differ from ${second.phrase} (exact McNemar test, p = 1).`,
    ];
  const verdict = found.p < 0.05 ? 'is more than chance explains' : 'may be chance';
  return [
    `With both modalities attacked, the difference from ${second.phrase} ${verdict} (exact McNemar test, p ${found.p < 0.001 ? '' : '= '}${pValue(found.p)}).`,
  ];
}

/** How far the networks of one modality fall. */
function singleFindings(study: Study): string[] {
  return study.networks.flatMap((network) => {
    const { model, phrase } = network;
    const on = study.targets.find((target) => target === model.name);
    const attacked = on && headlineOf(study, model, on);
    if (!attacked) return [];
    return [
      `The ${phrase} network recognises ${percent(model.clean)} of ${model.n} test samples without an attack and ${percent(attacked.accuracy)} (95 % interval ${interval(attacked.interval)}) of the ${attacked.n} attacked with ε = ${budgetText(attacked.budget)}.`,
    ];
  });
}

function reconstructionNote(study: Study): Html {
  if (!study.results.models.some((m) => m.name === 'amr')) return NOTHING;
  return html`<p class="note">AMR is shown as reconstructed from the abstract of ${CITATION}: its layers, places and loss, the balance metric and the skeleton’s ε range are our own choices where the abstract is silent, and no number here is the paper’s.</p>`;
}

function depthNote({ dataset }: Results): Html {
  if (dataset.video !== 'depth') return NOTHING;
  return html`<p class="note">The video stream is a depth video, not RGB: nearer is brighter, 0 is background. Its ε is in steps of the 0–255 pixel range. Networks named <code>rgb</code> on the command line see this depth video.</p>`;
}
