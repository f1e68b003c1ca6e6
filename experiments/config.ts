import type { OpenedGpu } from '../src/node/gpu.ts';
import { UsageError } from './errors.ts';
import { ATTACK, MODELS, PRESET_NAMES, type RunOptions, TRAININGS } from './options.ts';
import { type Results, SCHEMA } from './results.ts';
import { SKELETON_NETWORKS } from './skeleton-networks.ts';

/** What `config.json` keeps of a run, so that it can go on as it began. */
export interface Config {
  readonly options: RunOptions;
  readonly adapter: OpenedGpu['kind'];
  readonly fingerprint: number;
  /** Of `results.json`: what another version began cannot be gone on with. */
  readonly schema: Results['schema'];
}

type Rule = (value: unknown) => boolean;

const isNumber: Rule = (value) => typeof value === 'number' && Number.isFinite(value);
const isText: Rule = (value) => typeof value === 'string';
const oneOf =
  (known: readonly unknown[]): Rule =>
  (value) =>
    known.includes(value);
const maybe =
  (rule: Rule): Rule =>
  (value) =>
    value === undefined || rule(value);
const listOf =
  (rule: Rule): Rule =>
  (value) =>
    Array.isArray(value) && value.length > 0 && value.every(rule);
const isLevel: Rule = (value) => isNumber(fieldOf(value, 'rgb')) && isNumber(fieldOf(value, 'skeleton'));

const OPTIONS: Readonly<Record<keyof RunOptions, Rule>> = {
  data: maybe(isText),
  preset: oneOf(PRESET_NAMES),
  models: maybe(listOf(oneOf(MODELS))),
  skeletonNetwork: maybe(oneOf(SKELETON_NETWORKS)),
  attacks: maybe(listOf((value) => ATTACK.test(String(value)))),
  eps: maybe(listOf(isLevel)),
  train: maybe(oneOf(TRAININGS)),
  holdOut: maybe((value) => typeof value === 'boolean'),
  seed: isNumber,
  adapter: isText,
};

/** Checks what `config.json` at `path` holds. Throws `UsageError` when it is not the start of a run. */
export function checkConfig(value: unknown, path: string): Config {
  const options = fieldOf(value, 'options');
  const wrong = [
    ...Object.entries(OPTIONS).flatMap(([name, rule]) => (rule(fieldOf(options, name)) ? [] : [name])),
    ...(['gpu', 'lavapipe', 'swiftshader'].includes(String(fieldOf(value, 'adapter'))) ? [] : ['adapter']),
    ...(isNumber(fieldOf(value, 'fingerprint')) ? [] : ['fingerprint']),
  ];
  if (wrong.length === 0 && fieldOf(value, 'schema') !== SCHEMA)
    throw new UsageError(`${path} is of a run that another version began; start a new run`);
  if (wrong.length === 0) return value as Config;
  throw new UsageError(
    `${path} does not say how a run began: ${wrong[0]} is missing or unknown; start a new run`,
  );
}

function fieldOf(value: unknown, name: string): unknown {
  return (value as Readonly<Record<string, unknown>> | null | undefined)?.[name];
}
