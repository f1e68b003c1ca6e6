import type { Exhibit, Level, Results } from '../../experiments/results.ts';
import { CHARACTERS, type Character, measured, modelResults, TESTED } from './networks.ts';

const LEVELS: readonly Level[] = [
  { rgb: 1 / 255, skeleton: 0.0025 },
  { rgb: 2 / 255, skeleton: 0.005 },
  { rgb: 4 / 255, skeleton: 0.01 },
  { rgb: 8 / 255, skeleton: 0.02 },
];

const FIGURES: Results['dataset'] = {
  name: 'figures',
  title: 'Figures: RGB clips and skeletons made by the project',
  classes: actionNames(12),
  modalities: ['rgb', 'skeleton'],
  video: 'rgb',
  deviation: { rgb: 0.21, skeleton: 0.31 },
  samples: { train: 576, validation: 144, test: 192 },
  subjects: { train: names(0, 12), validation: names(12, 3), test: names(15, 4) },
};

const UTD: Results['dataset'] = {
  ...FIGURES,
  name: 'utd-mhad',
  title: 'UTD-MHAD (depth video + skeleton)',
  citation: 'C. Chen, R. Jafari, N. Kehtarnavaz, UTD-MHAD, ICIP 2015, https://example.org/utd',
  video: 'depth',
  samples: { train: 323, validation: 108, test: 192 },
  subjects: { train: ['1', '3', '5'], validation: ['7'], test: ['2', '4', '6', '8'] },
};

const HDM: Results['dataset'] = {
  name: 'hdm05-11',
  title: 'HDM05, 11 actions (skeleton only)',
  citation: 'M. Mueller et al., Documentation Mocap Database HDM05, CG-2007-2, Universitaet Bonn, 2007',
  classes: actionNames(11),
  modalities: ['skeleton'],
  deviation: { skeleton: 0.27 },
  samples: { train: 126, validation: 63, test: 192 },
  subjects: { train: ['bd', 'bk'], validation: ['dg'], test: ['mm', 'tr'] },
};

/** Five networks on a paired RGB and skeleton data set. */
export function figuresResults(): Results {
  return makeResults(FIGURES, CHARACTERS, LEVELS);
}

/** The same networks on a depth video with many classes. */
export function depthResults(classes = 27): Results {
  return makeResults({ ...UTD, classes: actionNames(classes) }, CHARACTERS, LEVELS.slice(1));
}

/** A data set without video: one network, one ε level, no joint figures. */
export function skeletonResults(): Results {
  return makeResults(HDM, CHARACTERS.slice(1, 2), [{ skeleton: 0.02 }]);
}

/** Natural training only, one attack, a violation, class names that are markup. */
export function naturalResults(): Results {
  const classes = ['<script>alert(1)</script>', 'a & b', '"quoted"'];
  const natural = CHARACTERS.filter((c) => c.train === 'natural');
  const sanity = ['concat-natural: accuracy under pgd20 on both rises between ε = <4/255> and 8/255'];
  return { ...makeResults({ ...FIGURES, classes }, natural, LEVELS, ['pgd20']), sanity };
}

/** Levels that are equal on one modality: on RGB, or on the skeleton. */
export function equalResults(equal: 'rgb' | 'skeleton'): Results {
  const level = LEVELS[3] ?? {};
  const levels = [0.5, 1].map((part) => ({
    rgb: 8 / 255,
    skeleton: 0.02,
    [other(equal)]: part * (level[other(equal)] ?? 0),
  }));
  return makeResults(FIGURES, CHARACTERS, levels);
}

function other(modality: 'rgb' | 'skeleton'): 'rgb' | 'skeleton' {
  return modality === 'rgb' ? 'skeleton' : 'rgb';
}

/** As read from a file: losses and weights under attack, and losses of training, were no numbers. */
export function overflowResults(): Results {
  const base = figuresResults();
  const nan = (rows: readonly number[]) => rows.map(() => Number.NaN);
  const models = base.models.map((m) => ({
    ...m,
    robust: m.robust.map((r) => ({ ...r, loss: Number.NaN, lossByStep: nan(r.lossByStep) })),
    weights: m.weights?.map((w) => ({ ...w, attacked: { both: nan([1, 1]) } })),
    training: { ...m.training, epochs: m.training.epochs.map((e) => ({ ...e, loss: Number.NaN })) },
  }));
  return JSON.parse(JSON.stringify({ ...base, models }));
}

function makeResults(
  dataset: Results['dataset'],
  characters: readonly Character[],
  levels: readonly Level[],
  attacks: readonly string[] = ['fgsm', 'pgd20'],
): Results {
  const ridge = { rgb: 0.458, skeleton: 0.781, both: 0.644 };
  const targets = dataset.video ? (['rgb', 'skeleton', 'both'] as const) : (['skeleton'] as const);
  const headline = levels.length - 1;
  return {
    schema: 2,
    dataset,
    adapter: { kind: 'swiftshader', description: 'SwiftShader Device (Subzero)' },
    seed: 1,
    skeletonNetwork: 'st-gcn',
    preset: 'quick',
    holdOut: dataset.name === 'figures',
    levels,
    headline: { attack: 'pgd20', level: headline },
    linear: targets.map((on) => ({ on, ...measured(ridge[on], TESTED) })),
    models: modelResults(characters, attacks, levels, headline, dataset.classes.length),
    comparisons: comparisons(characters),
    sanity: [],
  };
}

function comparisons(characters: readonly Character[]): Results['comparisons'] {
  if (!characters.some((c) => c.name === 'amr')) return [];
  return [
    { first: 'amr-pgd', second: 'concat-pgd', on: 'clean', n: 192, p: 0.8437 },
    { first: 'amr-pgd', second: 'concat-pgd', on: 'both', n: 96, p: 0.0312 },
    { first: 'amr-pgd', second: 'concat-natural', on: 'both', n: 96, p: 1e-12 },
  ];
}

function actionNames(count: number): string[] {
  const verbs = [
    'wave',
    'draw circle (counter clockwise)',
    'throw',
    'sit down',
    'kick',
    'clap',
    'drink',
    'jog',
  ];
  return Array.from(
    { length: count },
    (_, i) => `${verbs[i % verbs.length]}${i < verbs.length ? '' : ` ${i}`}`,
  );
}

function names(first: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `subject-${first + i}`);
}

const FRAMES = 8;
const SIDE = 24;
const PARENTS = [-1, 0, 1, 1, 3, 4, 1, 6, 7, 0, 9, 0, 11];
/** A standing figure, metres; the right arm (joints 6 to 8) waves. */
const POSE = [
  [0, 0.9],
  [0, 1.4],
  [0, 1.65],
  [-0.2, 1.4],
  [-0.3, 1.15],
  [-0.32, 0.9],
  [0.2, 1.4],
  [0.42, 1.5],
  [0.5, 1.7],
  [-0.1, 0.5],
  [-0.12, 0],
  [0.1, 0.5],
  [0.12, 0],
] as const;

/** One sample of a network, clean and attacked; `channels` 0 gives no clip. */
export function exhibit(model: string, on: Exhibit['on'], channels: 0 | 1 | 3): Exhibit {
  const budget: Level = {
    ...(on === 'skeleton' ? {} : { rgb: 8 / 255 }),
    ...(on === 'rgb' ? {} : { skeleton: 0.02 }),
  };
  return {
    model,
    attack: 'pgd20',
    on,
    budget,
    label: 'wave',
    cleanPrediction: 'wave',
    attackedPrediction: 'throw',
    skeletons: { shape: [FRAMES, POSE.length, 3], parents: PARENTS, ...pair(poses(), budget.skeleton ?? 0) },
    ...(channels
      ? { clips: { shape: [FRAMES, SIDE, SIDE, channels], ...pair(pixels(channels), budget.rgb ?? 0) } }
      : {}),
  };
}

/** Values and the same moved by ±ε, signs in a fixed irregular order. */
function pair(clean: Float32Array, eps: number): { clean: Float32Array; attacked: Float32Array } {
  return { clean, attacked: clean.map((v, i) => v + eps * Math.sign(Math.sin(i * i * 0.37) + 0.01)) };
}

function poses(): Float32Array {
  const joints = Array.from({ length: FRAMES }, (_, t) =>
    POSE.flatMap(([x, y], v) => [v > 6 && v < 9 ? x + 0.15 * Math.sin(t) : x, y, 2]),
  );
  return Float32Array.from(joints.flat());
}

function pixels(channels: number): Float32Array {
  const values = new Float32Array(FRAMES * SIDE * SIDE * channels);
  return values.map((_, i) => {
    const [c, x, y] = [i % channels, Math.floor(i / channels) % SIDE, Math.floor(i / channels / SIDE) % SIDE];
    const body = Math.abs(x - 12) < 3 && y > 5;
    return body ? 0.75 - 0.2 * c : 0.2 + 0.1 * Math.sin((x + y + c) / 3);
  });
}
