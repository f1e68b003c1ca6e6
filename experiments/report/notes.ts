import { pValue } from './format.ts';
import { type Html, html, NOTHING } from './html.ts';
import { capitalise, labelOf, type Study, targetPhrase } from './study.ts';

const GLOSSARY: readonly (readonly [string, string])[] = [
  [
    'ε',
    'The most an attack may change any single input value: for video a share of the pixel range, written k/255; for skeletons a distance per coordinate, in centimetres.',
  ],
  ['FGSM', 'An attack of one step: every input value moves by ε in the direction that raises the loss.'],
  [
    'PGD-k',
    'An attack of k small steps from a random start, each followed by a projection back to within ε; a sample counts as robust only if the network is right on the clean sample and at every step.',
  ],
  [
    'Naturally trained, PGD-trained',
    'Trained on clean samples, or on samples that a PGD attack changes anew at every step of training.',
  ],
  ['Clean accuracy (A)', 'Share of test samples recognised without an attack.'],
  [
    'Robust accuracy (RA)',
    'Share of test samples still recognised under attack; the column RA is the mean of the attacks on video, on skeleton and on both.',
  ],
  [
    'Relative improvement (RI)',
    'How much a network adds to the sum of clean accuracy and RA over a reference, (A + RA) − (A₀ + RA₀), in percentage points (Tian and Xu, CVPR 2021).',
  ],
  [
    'Balance',
    'How evenly the modalities withstand attacks: the difference of the two robust accuracies in points (0 is even), and the smaller divided by the larger (1 is even); a reconstruction.',
  ],
  [
    'Modality weight',
    'What AMR multiplies the features of a modality by; the two weights of a stage add up to 2.',
  ],
  [
    '95 % interval',
    'Wilson score interval: the range of true accuracies that would make the observed count unsurprising.',
  ],
  [
    'McNemar test',
    'Asks whether two networks tested on the same samples differ by more than chance, from the samples only one of them gets right.',
  ],
  [
    'Zero gradients',
    'Share of samples whose input gradient is exactly zero at the start: an attack by gradient cannot begin there, so that robustness would be feigned.',
  ],
  ['Linear ridge regression', 'A linear model on the raw input: what can be had without a network.'],
];

/** What must hold for every attack, and what did not. */
export function sanitySection({ results: { sanity } }: Study): Html {
  const rules =
    'Perturbations stay within ε and the valid range, loss rises with the steps, accuracy does not rise with ε, a large ε brings accuracy to about zero, and no gradients vanish unnoticed.';
  const verdict =
    sanity.length === 0
      ? html`<p class="ok">No violation found.</p>`
      : html`<div class="warning" role="alert"><b>${sanity.length === 1 ? 'One check does' : `${sanity.length} checks do`} not hold; read the numbers with care.</b><ul>${sanity.map((line) => html`<li>${line}</li>`)}</ul></div>`;
  return html`<section id="sanity"><h2>Sanity checks</h2><p>${rules}</p>${verdict}</section>`;
}

/** Whether the two-modality networks differ by more than chance. */
export function comparisonsSection(study: Study): Html {
  const { comparisons, dataset } = study.results;
  if (comparisons.length === 0) return NOTHING;
  const rows = comparisons.map(({ first, second, on, n, p }) => {
    const where = on === 'clean' ? 'Nothing (clean)' : capitalise(targetPhrase(on, dataset));
    const verdict = p < 0.05 ? 'more than chance' : 'may be chance';
    return html`<tr><th scope="row">${labelOf(study, first)}</th><td class="text">${labelOf(study, second)}</td><td class="text">${where}</td><td>${n}</td><td>${pValue(p)}</td><td class="text">${verdict}</td></tr>`;
  });
  return html`<section id="comparisons"><h2>Are the differences more than chance?</h2>
<p>Exact McNemar tests on the same n samples, all test samples clean and those attacked under the headline attack; no correction for the number of tests.</p>
<div class="scroll"><table><thead><tr><th scope="col">Network</th><th scope="col" class="text">Against</th><th scope="col" class="text">Attacked</th><th scope="col">n</th><th scope="col">p</th><th scope="col" class="text">Difference</th></tr></thead><tbody>${rows}</tbody></table></div></section>`;
}

/** Every term of the report in a sentence. */
export function glossarySection(): Html {
  const terms = GLOSSARY.map(([term, meaning]) => html`<div><dt>${term}</dt><dd>${meaning}</dd></div>`);
  return html`<section id="glossary"><h2>Terms</h2><dl class="glossary">${terms}</dl></section>`;
}
