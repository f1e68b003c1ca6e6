import type { DatasetSummary } from '../results.ts';
import { budgetText, integer, listText, plural } from './format.ts';
import { type Content, type Html, html } from './html.ts';
import { headlineAttack, restrictLevel, type Study } from './study.ts';

/** What the numbers rest on: data, split, adapter, seed, ε levels. */
export function factList(study: Study): Html {
  const rows = facts(study).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`);
  return html`<dl class="facts">${rows}</dl>`;
}

function facts(study: Study): (readonly [string, Content])[] {
  const { dataset, adapter, seed, preset, holdOut, levels } = study.results;
  const { samples, subjects } = dataset;
  return [
    ['Data set', dataset.citation ? `${dataset.title}. ${dataset.citation}` : dataset.title],
    ['Modalities', listText(modalityNames(dataset))],
    ['Samples', `${sampleText(samples, holdOut)}, ${attackedText(study)} of them attacked`],
    ...subjectRows(subjects, holdOut),
    ['Subjects to test', subjectText(subjects.test)],
    ['Adapter', `${adapter.description} (${adapter.kind})`],
    ['Preset and seed', `${preset}, seed ${seed}`],
    ['ε levels', listText(levels.map((level) => budgetText(restrictLevel(level, dataset))))],
    ['Headline', `${headlineAttack(study)} at ${budgetText(study.headline)}`],
    ['Classes', classList(dataset.classes)],
  ];
}

function modalityNames({ modalities, video }: DatasetSummary): string[] {
  return modalities.map((m) =>
    m === 'skeleton' ? 'skeletons' : video === 'depth' ? 'depth video' : 'RGB clips',
  );
}

function sampleText({ train, validation, test }: DatasetSummary['samples'], holdOut: boolean): string {
  if (holdOut) return `${train} to train, ${validation} to validate, ${test} to test`;
  return `${train + validation} to train, ${test} to test`;
}

/** Where epochs and sizes were fixed beforehand, networks are fitted on the validation subjects too. */
function subjectRows(
  { train, validation }: DatasetSummary['subjects'],
  holdOut: boolean,
): (readonly [string, Content])[] {
  if (holdOut)
    return [
      ['Subjects to train', subjectText(train)],
      ['Subjects to validate', subjectText(validation)],
    ];
  return [
    ['Subjects to train', subjectText([...train, ...validation])],
    ['Epochs and sizes', 'fixed beforehand (docs/datasets.md)'],
  ];
}

function attackedText({ results: { models, dataset } }: Study): string {
  const n = models[0]?.attackedClean.n ?? 0;
  return n === dataset.samples.test ? 'all' : integer(n);
}

function subjectText(subjects: readonly string[]): string {
  const all = subjects.join(', ');
  return all.length > 60 ? plural(subjects.length, 'subject') : `${subjects.length}: ${all}`;
}

function classList(classes: readonly string[]): Html {
  return html`<details><summary>${classes.length} classes</summary>${classes.join(' · ')}</details>`;
}
