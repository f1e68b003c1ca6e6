import type { Exhibit, Results } from '../results.ts';
import { curvesSection } from './curves.ts';
import { exhibitsSection } from './exhibits.ts';
import { Html, html, NOTHING } from './html.ts';
import { comparisonsSection, glossarySection, sanitySection } from './notes.ts';
import { stepsSection } from './steps.ts';
import { makeStudy, type Study } from './study.ts';
import { STYLE } from './style.ts';
import { summarySection } from './summary.ts';
import { numbersSection, tableSection } from './table.ts';
import { trainingSection } from './training.ts';
import { weightsSection } from './weights.ts';

// Nothing may be loaded from anywhere: the file is complete, and a browser is told so.
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

const LINKS: readonly (readonly [string, string])[] = [
  ['table', 'Table'],
  ['curves', 'Accuracy against ε'],
  ['weights', 'Modality weights'],
  ['exhibits', 'Samples'],
  ['training', 'Training'],
  ['steps', 'Loss by step'],
  ['sanity', 'Sanity checks'],
  ['comparisons', 'Differences'],
  ['numbers', 'All numbers'],
  ['glossary', 'Terms'],
];

/**
 * `report.html`: one self-contained HTML file that shows what a run found. It loads nothing, follows the light or
 * dark scheme of the browser, and is the same string for the same input.
 */
export async function renderReport(results: Results, exhibits: readonly Exhibit[]): Promise<string> {
  const study = makeStudy(results);
  const sections = await allSections(study, exhibits);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${results.dataset.title}: adversarial robustness</title>
<style>${new Html(STYLE)}</style>
</head>
<body><main>
${summarySection(study)}
${navigation(sections)}
${sections}
<footer>Made by Kernelwright from results.json (schema ${results.schema}).</footer>
</main></body>
</html>
`;
  return page.text;
}

async function allSections(study: Study, exhibits: readonly Exhibit[]): Promise<Html[]> {
  const sections = [
    tableSection(study),
    await curvesSection(study),
    await weightsSection(study),
    exhibitsSection(study, exhibits),
    await trainingSection(study),
    await stepsSection(study),
    sanitySection(study),
    comparisonsSection(study),
    numbersSection(study),
    glossarySection(),
  ];
  return sections.filter((section) => section !== NOTHING);
}

function navigation(sections: readonly Html[]): Html {
  const present = LINKS.filter(([id]) => sections.some((s) => s.text.startsWith(`<section id="${id}"`)));
  return html`<nav aria-label="Sections">${present.map(([id, name]) => html`<a href="#${id}">${name}</a>`)}</nav>`;
}
