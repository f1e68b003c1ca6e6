import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Config } from '../../experiments/config.ts';
import { fingerprint, loadData } from '../../experiments/data.ts';
import { parseCommandLine } from '../../experiments/options.ts';
import { presetFor } from '../../experiments/presets.ts';
import { SCHEMA } from '../../experiments/results.ts';
import { encodeSafetensors } from '../../src/formats/safetensors.ts';
import { openTestGpu } from '../open.ts';
import { start, temporary } from './start.ts';
import { writeWaves } from './waves.ts';

let base: string;
beforeAll(async () => {
  base = await temporary();
});

describe('bad input ends with one line and code 2', () => {
  const fails = async (args: readonly string[], expected: RegExp, env: NodeJS.ProcessEnv = {}) => {
    const { code, err, out } = await start(args, undefined, env);
    const lines = err.split('\n').filter((line) => line.startsWith('error'));
    expect({ code, out, lines }).toEqual({ code: 2, out: '', lines: [expect.stringMatching(expected)] });
    // Dawn writes stack traces of its own, in C++.
    expect(err).not.toMatch(/^\s+at .*\.[cm]?[jt]s:\d/m);
  };

  test('an unknown flag', () => fails(['--sed'], /unknown option/));
  test('a missing folder', () => fails(['--data', join(base, 'nowhere')], /nowhere is not a folder/));
  test('a run that is not there', () => fails(['--resume', 'nowhere'], /no run 'nowhere'/));
  test('an adapter that is not there', () =>
    fails(['--adapter', 'gpu', '--preset', 'smoke', '--out', join(base, 'gpu')], /no adapter 'gpu'/, {
      VK_DRIVER_FILES: '/no/such.json',
    }));
  test('a folder that holds a run', async () => {
    await writeFile(join(base, 'config.json'), '{}');
    await fails(['--out', base], /already holds a run/);
  });
  test.each([
    ['{}', 'preset'],
    ['null', 'preset'],
    ['[1]', 'preset'],
    ['{"options": {"preset": "smoke", "seed": "1"}}', 'seed'],
  ])('a config.json that is %s', async (text, field) => {
    const folder = await mkdtemp(join(base, 'other-'));
    await writeFile(join(folder, 'config.json'), text);
    const expected = `config\\.json does not say how a run began: ${field} is missing or unknown`;
    await fails(['--resume', folder], new RegExp(expected));
  });
  test('a truncated data set', async () => {
    const folder = await mkdtemp(join(base, 'broken-'));
    await writeFile(join(folder, 'dataset.json'), '{"name":"broken"}');
    await writeFile(join(folder, 'dataset.safetensors'), 'abc');
    await fails(['--data', folder], /broken|dataset/);
  });
  test('a network that the data have no modality for', async () => {
    const folder = await writeWaves(base, { depth: false });
    await fails(['--data', folder, '--models', 'rgb,skeleton'], /leave rgb out of --models/);
  });
  test('data that have changed since the run began', async () => {
    const folder = await begunRun({ fingerprint: 1 });
    await fails(['--resume', folder], /the data have changed since begun-.* began; start a new run/);
  });
  test('a checkpoint of another architecture', async () => {
    const folder = await begunRun();
    const bytes = encodeSafetensors([['x', { dtype: 'F32', shape: [1], data: new Float32Array(1) }]]);
    await writeFile(join(folder, 'checkpoints/rgb-natural.json'), '{"epochs": [], "best": 1}');
    await writeFile(join(folder, 'checkpoints/rgb-natural.safetensors'), bytes);
    await fails(['--resume', folder], /rgb-natural\.safetensors.*another network/);
  });
  test('a training curve that is none', async () => {
    const folder = await begunRun();
    await writeFile(join(folder, 'checkpoints/rgb-natural.json'), '{"best": 1}');
    await fails(['--resume', folder], /rgb-natural\.json: is no training curve/);
  });
  test('a checkpoint that lost how far it is', async () => {
    const folder = await begunRun();
    await writeFile(join(folder, 'state/rgb-natural.safetensors'), encodeSafetensors([]));
    await fails(['--resume', folder], /rgb-natural\.safetensors: does not say how far its training is/);
  });
});

/** A smoke run on the embedded data that stopped when the linear model was there. */
async function begunRun(change: Partial<Config> = {}): Promise<string> {
  const folder = await mkdtemp(join(base, 'begun-'));
  const { run: options } = parseCommandLine(['--preset', 'smoke']);
  if (!options) throw new Error('no options');
  const config: Config = {
    options,
    adapter: (await openTestGpu()).kind,
    fingerprint: fingerprint(await loadData(undefined, presetFor(options), options.seed)),
    schema: SCHEMA,
    ...change,
  };
  for (const part of ['state', 'checkpoints']) await mkdir(join(folder, part));
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  await writeFile(join(folder, 'state/linear.json'), '{"video": 0.1, "skeleton": 0.1, "both": 0.1}');
  return folder;
}
