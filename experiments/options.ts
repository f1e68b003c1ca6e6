import { Command, InvalidArgumentError, Option } from 'commander';
import type { AdapterChoice } from '../src/node/gpu.ts';
import { UsageError } from './errors.ts';
import type { Level } from './results.ts';
import { SKELETON_NETWORKS, type SkeletonNetworkName } from './skeleton-networks.ts';

export const MODELS = ['rgb', 'skeleton', 'concat', 'amr'] as const;
export type ModelName = (typeof MODELS)[number];
export const TRAININGS = ['natural', 'pgd', 'trades', 'mart', 'free', 'fast'] as const;
export type Training = (typeof TRAININGS)[number];
export const PRESET_NAMES = ['smoke', 'quick', 'full'] as const;
/** Names of attacks. */
export const ATTACK = /^(fgsm|pgd[1-9]\d{0,3})$/;
const ADAPTERS = ['auto', 'gpu', 'lavapipe', 'swiftshader'] as const satisfies AdapterChoice[];
export type PresetName = (typeof PRESET_NAMES)[number];

/** What a run is made of; written to `config.json`, so that it can be resumed. */
export interface RunOptions {
  /** Folder of a data set; the embedded one when left out. */
  readonly data?: string | undefined;
  readonly preset: PresetName;
  readonly models?: readonly ModelName[] | undefined;
  /** The backbone that sees skeletons; the preset's (`st-gcn`) when left out. */
  readonly skeletonNetwork?: SkeletonNetworkName | undefined;
  /** `fgsm` or `pgd<steps>`. */
  readonly attacks?: readonly string[] | undefined;
  readonly eps?: readonly Level[] | undefined;
  readonly train?: Training | undefined;
  /** Overrides the preset's: validation subjects stay out of training. */
  readonly holdOut?: boolean | undefined;
  readonly seed: number;
  readonly adapter: AdapterChoice;
}

/** The command line: a new run, or one to go on with. */
export interface CommandLine {
  readonly run: RunOptions | undefined;
  readonly resume: string | undefined;
  readonly out: string | undefined;
  readonly json: boolean;
}

/** Skeleton ε, in metres, that goes with an RGB ε when only one number is given: 8/255 with 2 cm. */
const METRES_PER_PIXEL_RANGE = 0.02 / (8 / 255);
/** The largest skeleton ε, in metres: more than any room. */
const METRES = 10;

const EXIT_CODES =
  'Exit codes: 0 done, 2 something to mend (one line says what), 130 interrupted (--resume goes on).';

/** Reads the command line. Throws `UsageError` for anything it does not know. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const command = program().exitOverride();
  command.configureOutput({ writeErr: () => {} });
  command.parse(args, { from: 'user' });
  const { resume, out, json, ...run } = command.opts();
  if (!resume) return { run: run as unknown as RunOptions, resume, out, json };
  const given = Object.keys(run).find((name) => command.getOptionValueSource(name) === 'cli');
  if (given || out)
    throw new UsageError(`--resume goes on with the options of that run; leave out --${given ?? 'out'}`);
  return { run: undefined, resume, out, json };
}

function program(): Command {
  const command = new Command('npm start --').description(
    'Train RGB, skeleton and two-stream networks, attack them with PGD, and compare them.',
  );
  return withRunFlags(withStudyFlags(command)).addHelpText('after', `\n${EXIT_CODES}`);
}

/** What is trained and attacked, and how. */
function withStudyFlags(command: Command): Command {
  return command
    .option(
      '--data <folder>',
      'data set with dataset.json and dataset.safetensors(.gz) (default: the embedded one)',
      parseName,
    )
    .addOption(choice('--preset <name>', 'how much work', PRESET_NAMES, 'quick'))
    .option('--models <list>', `networks, of ${MODELS.join(',')}`, listOf(MODELS, '--models'))
    .addOption(
      new Option('--skeleton-network <name>', 'the backbone that sees skeletons (default: st-gcn)').choices(
        SKELETON_NETWORKS,
      ),
    )
    .option('--attacks <list>', 'attacks, such as fgsm,pgd20', parseAttacks)
    .option(
      '--eps <list>',
      'sizes RGB[:SKELETON], such as 4/255:0.01,8/255:0.02 (pixels in [0,1]; metres; without a second number 2 cm go with 8/255)',
      parseLevels,
    )
    .addOption(new Option('--train <how>', 'train every network this way').choices(TRAININGS))
    .option(
      '--hold-out',
      'keep validation subjects out of training, and the epoch that does best on them (always so on the embedded data)',
    );
}

/** Where and from where it runs, and what it leaves. */
function withRunFlags(command: Command): Command {
  return command
    .option('--seed <number>', 'decides everything random', parseSeed, 1)
    .option(
      '--out <folder>',
      'where results go (default: runs/<data>-<preset>-seed<seed>, with a number where that is taken)',
      parseName,
    )
    .addOption(choice('--adapter <kind>', 'where to compute', ADAPTERS, 'auto'))
    .option('--resume <run>', 'go on with an interrupted run: its name under runs/, or its folder', parseName)
    .option(
      '--json',
      'print results.json instead of the table (npm start --silent -- --json keeps npm quiet)',
      false,
    );
}

function choice(flags: string, description: string, choices: readonly string[], initial: string): Option {
  return new Option(flags, description).choices(choices).default(initial);
}

function listOf<T extends string>(known: readonly T[], flag: string): (text: string) => T[] {
  return (text) => {
    const names = text.split(',').map((name) => name.trim());
    const unknown = names.find((name) => !known.includes(name as T));
    if (unknown !== undefined)
      throw new InvalidArgumentError(`${flag} knows ${known.join(', ')}; got '${unknown}'.`);
    return [...new Set(names)] as T[];
  };
}

function parseName(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('it is empty.');
  return text;
}

function parseAttacks(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!ATTACK.test(name)) {
      throw new InvalidArgumentError(`an attack is fgsm or pgd<steps>, such as pgd20; got '${name}'.`);
    }
  }
  return [...new Set(names)];
}

/** `4/255:0.01,8/255` → levels, ascending, each once. Two may be equal on one modality. */
export function parseLevels(text: string): Level[] {
  const levels = text.split(',').map((part) => {
    const [rgb = '', skeleton, ...rest] = part.split(':');
    if (rest.length > 0) throw new InvalidArgumentError(`a size is RGB or RGB:SKELETON; got '${part}'.`);
    const pixels = parseNumber(rgb, 1);
    return {
      rgb: pixels,
      skeleton: skeleton === undefined ? pixels * METRES_PER_PIXEL_RANGE : parseNumber(skeleton, METRES),
    };
  });
  levels.sort((a, b) => a.rgb - b.rgb || a.skeleton - b.skeleton);
  const falls = levels.some((level, i) => i > 0 && level.skeleton < (levels[i - 1]?.skeleton ?? 0));
  if (falls)
    throw new InvalidArgumentError(
      `sizes must not fall on one modality where they rise on the other; got '${text}'.`,
    );
  return levels.filter(({ rgb, skeleton }, i) => {
    const before = levels[i - 1];
    return before?.rgb !== rgb || before.skeleton !== skeleton;
  });
}

/** A number or a fraction, of at most `most`: larger sizes only make numbers overflow. */
function parseNumber(text: string, most: number): number {
  const [over = '', under = '1', ...rest] = text.trim().split('/');
  const value = Number(over) / Number(under);
  if (over === '' || rest.length > 0 || !Number.isFinite(value) || value < 0) {
    throw new InvalidArgumentError(`ε must be a number of at least 0, such as 0.03 or 8/255; got '${text}'.`);
  }
  if (value > most)
    throw new InvalidArgumentError(`ε is at most 1 for pixels and ${METRES} m for skeletons; got '${text}'.`);
  return value;
}

function parseSeed(text: string): number {
  const seed = Number(text);
  if (text.trim() === '' || !Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new InvalidArgumentError(`the seed must be an integer in [0, 2³²); got '${text}'.`);
  }
  return seed;
}
