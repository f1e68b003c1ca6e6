import { describe, expect, test } from 'vitest';
import { checkConfig } from '../../experiments/config.ts';
import { UsageError } from '../../experiments/errors.ts';
import { parseCommandLine } from '../../experiments/options.ts';
import { SCHEMA } from '../../experiments/results.ts';
import { parseProgress } from '../../experiments/train-model.ts';
import { FormatError } from '../../src/errors.ts';

const config = (args: string[] = []) => ({
  options: parseCommandLine(args).run,
  adapter: 'lavapipe',
  fingerprint: 7,
  schema: SCHEMA,
});

test.each([
  [],
  ['--data', 'x', '--preset', 'smoke', '--models', 'rgb,amr', '--attacks', 'fgsm', '--eps', '8/255,0:0.01'],
  ['--train', 'mart', '--hold-out', '--seed', '5', '--adapter', 'gpu', '--skeleton-network', 'hcn'],
])('what a run keeps is accepted: %j', (...args) => {
  const kept = JSON.parse(JSON.stringify(config(args)));
  expect(checkConfig(kept, 'x/config.json')).toBe(kept);
});

describe('anything else is refused by the first field that is wrong', () => {
  const { options, ...rest } = config();
  test.each([
    [undefined, 'preset'],
    [7, 'preset'],
    [{ ...rest, options: { ...options, preset: 'huge' } }, 'preset'],
    [{ ...rest, options: { ...options, models: [] } }, 'models'],
    [{ ...rest, options: { ...options, attacks: ['pgd'] } }, 'attacks'],
    [{ ...rest, options: { ...options, eps: [{ rgb: 1 }] } }, 'eps'],
    [{ ...rest, options: { ...options, train: 'madry' } }, 'train'],
    [{ ...rest, options: { ...options, seed: null } }, 'seed'],
    [{ ...rest, options, adapter: 'cuda' }, 'adapter'],
    [{ ...rest, options, fingerprint: undefined }, 'fingerprint'],
  ])('%j', (value, field) => {
    const refused = () => checkConfig(value, 'x/config.json');
    expect(refused).toThrow(UsageError);
    expect(refused).toThrow(`x/config.json does not say how a run began: ${field} is missing or unknown`);
  });
});

test('a run of another version is refused', () => {
  for (const schema of [undefined, SCHEMA - 1])
    expect(() => checkConfig({ ...config(), schema }, 'x/config.json')).toThrow(
      'x/config.json is of a run that another version began; start a new run',
    );
});

test('the progress of a training comes back', () => {
  const progress = { epochs: [{ loss: 1, accuracy: 0.5, validation: 0, validationClean: 0 }], best: 1 };
  const kept = { ...progress, bestScore: -1 };
  expect(parseProgress(JSON.stringify(kept), 'x')).toEqual(kept);
});

test.each([[undefined], [''], ['{'], ['null'], ['{}'], ['{"epochs": [], "best": "1", "bestScore": 1}']])(
  'a checkpoint that says %j of its progress is refused by name',
  (text) => {
    expect(() => parseProgress(text, 'state/amr-pgd.safetensors')).toThrow(FormatError);
    expect(() => parseProgress(text, 'state/amr-pgd.safetensors')).toThrow(
      'state/amr-pgd.safetensors: does not say how far its training is; delete it and resume again',
    );
  },
);
