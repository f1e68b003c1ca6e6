import type { Modality } from '../../src/amr/action-network.ts';
import {
  type DatasetSummary,
  headlineResult,
  type Level,
  type ModelResult,
  type Results,
  type RobustResult,
  type Target,
  targetName,
} from '../results.ts';
import { attackName, modalitiesOf } from './format.ts';

/** A network as the report shows it: one name, colour, marker and dash everywhere. */
export interface Network {
  readonly model: ModelResult;
  readonly label: string;
  /** The label inside a sentence: `PGD-trained AMR`. */
  readonly phrase: string;
  /** What it sees and how it joins it, in a few words. */
  readonly about: string;
  /** CSS colour, of the light or the dark scheme. */
  readonly color: string;
  readonly shape: string;
  /** Dashed for natural training, solid for adversarial training. */
  readonly dash: readonly number[];
}

/** What every section of the report draws from. */
export interface Study {
  readonly results: Results;
  readonly networks: readonly Network[];
  /** What was attacked, in reading order. */
  readonly targets: readonly Target[];
  /** Headline attack first. */
  readonly attacks: readonly string[];
  readonly headline: Level;
}

/** Networks whose colour (of style.ts) is the same in every report; others take the colours after these. */
const COLORED = ['rgb-natural', 'skeleton-natural', 'concat-natural', 'concat-pgd', 'amr-pgd'];
const COLORS = 8;
/** Markers of series, apart without colour. */
export const SHAPES = ['circle', 'square', 'triangle-up', 'diamond', 'cross', 'triangle-down'];
const TRAININGS: Readonly<Record<ModelResult['train'], string>> = {
  natural: 'naturally trained',
  pgd: 'PGD-trained',
  trades: 'TRADES-trained',
  mart: 'MART-trained',
  free: 'freely adversarially trained',
  fast: 'fast adversarially trained',
};

export function makeStudy(results: Results): Study {
  const found = results.models.flatMap((m) => m.robust);
  const targets = (['rgb', 'skeleton', 'both'] as const).filter((on) => found.some((r) => r.on === on));
  const attacks = [...new Set([results.headline.attack, ...found.map((r) => r.attack)])];
  const order = [...new Set([...COLORED, ...results.models.map(networkKey)])];
  const networks = results.models.map((m) =>
    describeNetwork(m, order.indexOf(networkKey(m)), results.dataset),
  );
  const headline = restrictLevel(results.levels[results.headline.level] ?? {}, results.dataset);
  return { results, networks, targets, attacks, headline };
}

/** The part of a level that the data set has modalities for. */
export function restrictLevel(level: Level, { modalities }: DatasetSummary): Level {
  const shown = modalitiesOf(level).filter((m) => modalities.includes(m));
  return Object.fromEntries(shown.map((m) => [m, level[m]]));
}

function describeNetwork(model: ModelResult, i: number, dataset: DatasetSummary): Network {
  const name = networkName(model.name, dataset);
  return {
    model,
    label: `${name}, ${TRAININGS[model.train]}`,
    phrase: `${TRAININGS[model.train]} ${/^[A-Z]+$/.test(name) ? name : name.toLowerCase()}`,
    about: networkAbout(model.name, dataset),
    color: `var(--c${i % COLORS})`,
    shape: SHAPES[i % SHAPES.length]!,
    dash: model.train === 'natural' ? [5, 3] : [1, 0],
  };
}

function networkName(name: string, dataset: DatasetSummary): string {
  if (name === 'rgb' || name === 'skeleton') return capitalise(targetName(name, dataset));
  return name.length <= 4 ? name.toUpperCase() : capitalise(name);
}

function networkAbout(name: string, dataset: DatasetSummary): string {
  const video = targetName('rgb', dataset);
  const kinds: Readonly<Record<string, string>> = {
    rgb: `${video} alone`,
    skeleton: 'skeleton alone',
    concat: `${video} and skeleton, features concatenated`,
    amr: `${video} and skeleton, reweighted by attention (reconstruction)`,
  };
  return kinds[name] ?? `${video} and skeleton`;
}

/** The key of a network in `comparisons` and exhibits: `amr-pgd`. */
export function networkKey(model: Pick<ModelResult, 'name' | 'train'>): string {
  return `${model.name}-${model.train}`;
}

/** The network a key or an unambiguous name stands for. */
export function findNetwork(study: Study, key: string): Network | undefined {
  const exact = study.networks.find((n) => networkKey(n.model) === key);
  const named = study.networks.filter((n) => n.model.name === key);
  return exact ?? (named.length === 1 ? named[0] : undefined);
}

/** The label of the network a key stands for; the key itself where there is none. */
export function labelOf(study: Study, key: string): string {
  return findNetwork(study, key)?.label ?? key;
}

/** What is attacked, as the end of `attack on …`. */
export function targetPhrase(target: Target, dataset: DatasetSummary): string {
  if (target === 'both') return `${targetName('rgb', dataset)} and skeleton`;
  return targetName(target, dataset);
}

export function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The part of a level that an attack on `target` may use. */
export function budgetOf(level: Level, target: Target): Level {
  if (target === 'both') return level;
  return { [target]: level[target] };
}

/** Results of one attack on one target, by level. */
export function curveOf(model: ModelResult, attack: string, on: Target): RobustResult[] {
  return model.robust.filter((r) => r.attack === attack && r.on === on).sort((a, b) => a.level - b.level);
}

/** The result at the headline attack and level, if that attack was run. */
export function headlineOf(study: Study, model: ModelResult, on: Target): RobustResult | undefined {
  return headlineResult(model, study.results.headline, on);
}

/** The modality whose ε a curve is drawn against: of both RGB, unless only the skeleton's ε tells the levels apart. */
export function axisModality({ results: { levels } }: Study, on: Target): Modality {
  if (on !== 'both') return on;
  const apart = (m: Modality) => new Set([0, ...levels.map((level) => level[m])]).size > levels.length;
  return apart('skeleton') && !apart('rgb') ? 'skeleton' : 'rgb';
}

/** `PGD-20`, the attack of the table. */
export function headlineAttack(study: Study): string {
  return attackName(study.results.headline.attack);
}

/** `Attack on RGB and skeleton`. */
export function targetHeading(study: Study, on: Target): string {
  return `Attack on ${targetPhrase(on, study.results.dataset)}`;
}
