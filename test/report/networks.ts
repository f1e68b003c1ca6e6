import type {
  EpochRecord,
  Level,
  ModelResult,
  RobustResult,
  Share,
  StageWeights,
  Target,
} from '../../experiments/results.ts';
import type { Modality } from '../../src/amr/action-network.ts';
import { modalityBalance, proportion, relativeImprovement } from '../../src/train/metrics.ts';

export const TESTED = 192;
const ATTACKED = 96;
const EPOCHS = 20;

/** How a made-up network behaves: clean accuracy, and how fast it falls with ε on each modality it sees. */
export interface Character {
  readonly name: string;
  readonly train: 'natural' | 'pgd';
  readonly parameters: number;
  readonly clean: number;
  readonly fall: Level;
}

const CONCAT: Character = {
  name: 'concat',
  train: 'natural',
  parameters: 80_152,
  clean: 0.95,
  fall: { rgb: 140, skeleton: 70 },
};

/** What `quick` compares. */
export const CHARACTERS: readonly Character[] = [
  { name: 'rgb', train: 'natural', parameters: 48_212, clean: 0.82, fall: { rgb: 240 } },
  { name: 'skeleton', train: 'natural', parameters: 31_940, clean: 0.91, fall: { skeleton: 90 } },
  CONCAT,
  { ...CONCAT, train: 'pgd', clean: 0.85, fall: { rgb: 14, skeleton: 18 } },
  { name: 'amr', train: 'pgd', parameters: 1_096_330, clean: 0.86, fall: { rgb: 9, skeleton: 11 } },
];

/** Accuracy nearest to `share` that whole samples can give, with its interval. */
export function measured(share: number, samples = ATTACKED): Share {
  const { value, n, interval } = proportion(Math.round(share * samples), samples);
  return { accuracy: value, n, interval };
}

/** Results of networks of these characters; `attacks` at every level, `headline` the index of a level. */
export function modelResults(
  characters: readonly Character[],
  attacks: readonly string[],
  levels: readonly Level[],
  headline: number,
  classes: number,
): ModelResult[] {
  const models = characters.map((c) => modelResult(c, attacks, levels, headline, classes));
  const undefended = models.find((m) => m.name === 'concat' && m.train === 'natural');
  const defended = models.find((m) => m.name === 'concat' && m.train === 'pgd');
  return models.map((m) => ({
    ...m,
    ri: { undefended: improvement(m, undefended), defended: improvement(m, defended) },
  }));
}

function improvement(model: ModelResult, reference: ModelResult | undefined): number | null {
  if (!reference || reference === model || model.ra === null || reference.ra === null) return null;
  return relativeImprovement(
    { clean: model.clean, robust: model.ra },
    { clean: reference.clean, robust: reference.ra },
  );
}

function modelResult(
  character: Character,
  attacks: readonly string[],
  levels: readonly Level[],
  headline: number,
  classes: number,
): ModelResult {
  const seen = Object.keys(character.fall) as Modality[];
  const targets: readonly Target[] = seen.length === 2 ? ['rgb', 'skeleton', 'both'] : seen;
  const [rgb = 0, skeleton = 0, both] = targets.map(
    (on) => attacked(character, 'pgd20', on, levels, headline).accuracy,
  );
  const clean = measured(character.clean, TESTED);
  return {
    name: character.name,
    train: character.train,
    parameters: character.parameters,
    clean: clean.accuracy,
    interval: clean.interval,
    n: clean.n,
    loss: 0.42,
    attackedClean: measured(character.clean),
    robust: attacks.flatMap((attack) =>
      targets.flatMap((on) => levels.map((_, i) => attacked(character, attack, on, levels, i))),
    ),
    ra: both === undefined ? null : (rgb + skeleton + both) / 3,
    ri: { undefended: null, defended: null },
    balance: both === undefined ? null : modalityBalance(rgb, skeleton),
    ...(character.name === 'amr' ? { weights: [2, 3, 4].map((stage) => stageWeights(stage, classes)) } : {}),
    training: { epochs: Array.from({ length: EPOCHS }, (_, i) => epoch(character, i)), best: 17 },
  };
}

function attacked(
  { clean, fall, train }: Character,
  attack: string,
  on: Target,
  levels: readonly Level[],
  i: number,
): RobustResult {
  const level = levels[i] ?? {};
  const budget: Level = on === 'both' ? level : { [on]: level[on] };
  const weakness = attack === 'fgsm' ? 0.55 : 1;
  const exponent =
    weakness * ((fall.rgb ?? 0) * (budget.rgb ?? 0) + (fall.skeleton ?? 0) * (budget.skeleton ?? 0));
  const steps = attack === 'fgsm' ? 1 : 20;
  const end = 0.4 + exponent * (train === 'natural' ? 3 : 1.2);
  const lossByStep = Array.from({ length: steps + 1 }, (_, i) => 0.4 + (end - 0.4) * (1 - Math.exp(-i / 4)));
  return {
    attack,
    on,
    level: i,
    eps: (on === 'skeleton' ? level.skeleton : level.rgb) ?? 0,
    budget,
    ...measured(clean * Math.exp(-exponent)),
    loss: lossByStep[steps] ?? 0,
    lossByStep,
    zeroGradients: 0,
  };
}

function stageWeights(stage: number, classes: number): StageWeights {
  const pair = (skeleton: number): [number, number] => [2 - skeleton, skeleton];
  const base = 1 + 0.06 * (stage - 1);
  return {
    stage,
    clean: pair(base),
    attacked: { rgb: pair(base + 0.14), skeleton: pair(base - 0.17), both: pair(base - 0.02) },
    byClass: Array.from({ length: classes }, (_, i) => pair(base + 0.12 * Math.sin(1.7 * i + stage / 3))),
  };
}

/** Adversarial training looks at validation every other epoch, the last one included. */
function epoch({ clean, train }: Character, i: number): EpochRecord {
  const share = 1 - Math.exp(-(i + 1) / 5);
  const validation = clean * share * (train === 'pgd' ? 0.65 : 0.97) + 0.01 * Math.sin(3 * i);
  return {
    loss: 2.4 * (1 - share) + 0.2,
    accuracy: share * (train === 'pgd' ? 0.7 : 1),
    validation: train === 'pgd' && i % 2 === 1 && i !== EPOCHS - 1 ? Number.NaN : validation,
    validationClean: clean * share,
  };
}
