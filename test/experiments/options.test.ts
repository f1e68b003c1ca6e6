import { describe, expect, test } from 'vitest';
import { explain, UsageError } from '../../experiments/errors.ts';
import { methodFor, unitsPerTraining } from '../../experiments/methods.ts';
import { modelsFor } from '../../experiments/networks.ts';
import { parseCommandLine, TRAININGS } from '../../experiments/options.ts';
import { phaseOf, planFor, sourcesOf } from '../../experiments/plans.ts';
import { PRESETS, presetFor } from '../../experiments/presets.ts';

function messageOf(args: readonly string[]): string | undefined {
  try {
    parseCommandLine(args);
  } catch (error) {
    return explain(error);
  }
  return undefined;
}

test('without flags, the quick preset runs on the embedded data with seed 1', () => {
  const { run, resume, json } = parseCommandLine([]);
  expect(run).toMatchObject({ preset: 'quick', seed: 1, adapter: 'auto' });
  expect(run?.data).toBeUndefined();
  expect([resume, json]).toEqual([undefined, false]);
});

test('sizes are read as fractions and metres, ascending; a missing skeleton size follows the pixels', () => {
  const { run } = parseCommandLine(['--eps', '8/255,4/255:0.003']);
  expect(run?.eps).toEqual([
    { rgb: 4 / 255, skeleton: 0.003 },
    { rgb: 8 / 255, skeleton: expect.closeTo(0.02, 12) },
  ]);
});

test('sizes may be equal on one modality, and are tried once where they are on both', () => {
  const levels = (text: string) => parseCommandLine(['--eps', text]).run?.eps;
  expect(levels('8/255:0.02,8/255:0.01')).toEqual([
    { rgb: 8 / 255, skeleton: 0.01 },
    { rgb: 8 / 255, skeleton: 0.02 },
  ]);
  expect(levels('0:0.02,4/255:0.02,0:0.02')).toEqual([
    { rgb: 0, skeleton: 0.02 },
    { rgb: 4 / 255, skeleton: 0.02 },
  ]);
});

describe('one line says what is wrong', () => {
  test.each([
    [['--eps', '-1/255'], /at least 0/],
    [['--eps', 'x'], /at least 0/],
    [['--eps', '1:2:3'], /RGB or RGB:SKELETON/],
    [['--eps', '1/0'], /at least 0/],
    [['--eps', '1e38'], /at most 1 for pixels and 10 m for skeletons; got '1e38'/],
    [['--eps', '0:1e38'], /at most 1 for pixels and 10 m for skeletons; got '1e38'/],
    [['--eps', '8'], /at most 1 for pixels/],
    [['--eps', '8/255:0.01,4/255:0.02'], /must not fall on one modality/],
    [['--data', ''], /empty/],
    [['--resume', ''], /empty/],
    [['--out', ' '], /empty/],
    [['--models', 'rgb,resnet'], /knows rgb, skeleton, concat, amr; got 'resnet'/],
    [['--attacks', 'pgd'], /fgsm or pgd<steps>/],
    [['--preset', 'huge'], /smoke, quick, full/],
    [['--train', 'madry'], /natural, pgd/],
    [['--adapter', 'cuda'], /auto, gpu, lavapipe, swiftshader/],
    [['--seed', '1.5'], /integer/],
    [['--seed', ''], /integer/],
    [['--sed', '1'], /unknown option '--sed'/],
    [['extra'], /too many arguments/],
    [['--resume', 'run', '--seed', '2'], /leave out --seed/],
    [['--resume', 'run', '--out', 'x'], /leave out --out/],
  ])('%j', (args, expected) => {
    const message = messageOf(args);
    expect(message).toMatch(expected);
    expect(message).not.toContain('\n');
  });
});

test('quick compares five networks, and fewer where a modality is missing', () => {
  const { run } = parseCommandLine([]);
  const names = (available: Parameters<typeof planFor>[1]) =>
    planFor(run!, available).map(({ model, train }) => `${model}-${train}`);
  expect(names(modelsFor(['rgb', 'skeleton']))).toEqual([
    'rgb-natural',
    'skeleton-natural',
    'concat-natural',
    'concat-pgd',
    'amr-pgd',
  ]);
  expect(names(modelsFor(['skeleton']))).toEqual(['skeleton-natural', 'skeleton-pgd']);
});

test('--train trains every network that way, --models chooses them', () => {
  const { run } = parseCommandLine(['--train', 'pgd', '--models', 'amr,skeleton']);
  expect(planFor(run!, modelsFor(['rgb', 'skeleton']))).toEqual([
    { model: 'amr', train: 'pgd' },
    { model: 'skeleton', train: 'pgd' },
  ]);
});

test('a network that the data have no modality for is refused when asked for by name', () => {
  const { run } = parseCommandLine(['--models', 'rgb,skeleton,amr']);
  const refused = () => planFor(run!, modelsFor(['skeleton']));
  expect(refused).toThrow(UsageError);
  expect(refused).toThrow('only skeleton can be trained on these data; leave rgb, amr out of --models');
});

test('every way to train has a method, from the naturally trained network with the sizes of adversarial training', () => {
  const sizes = PRESETS.embedded.quick.training.pgd;
  const steps = { natural: undefined, pgd: 2, trades: 2, mart: 2, free: undefined, fast: 1 };
  for (const train of TRAININGS) {
    const method = methodFor(train, sizes);
    expect([train, method.attack?.steps]).toEqual([train, steps[train]]);
    const plan = { model: 'concat', train } as const;
    expect(phaseOf(plan)).toBe(train === 'natural' ? 'fusion' : 'pgd');
    if (train !== 'natural') expect(sourcesOf(plan)).toEqual([{ model: 'concat', train: 'natural' }]);
  }
  expect(methodFor('free', sizes).free?.replays).toBe(3);
  expect(methodFor('trades', sizes).attack?.objective).toBe('divergence');
  const cost = (train: (typeof TRAININGS)[number]) => unitsPerTraining(train, sizes);
  expect(TRAININGS.map(cost)).toEqual([3, 7, 11, 10, 9, 5]);
  expect(() => parseCommandLine(['--train', 'fgsm'])).toThrow(/natural, pgd, trades, mart, free, fast/);
});

test('--eps and --attacks replace those of the preset; the largest size is the headline', () => {
  const { run } = parseCommandLine(['--eps', '1/255,2/255,3/255,4/255', '--attacks', 'pgd7']);
  const { attacks, levels, headline } = presetFor(run!).evaluation;
  expect([attacks, levels.length, headline]).toEqual([['pgd7'], 4, 3]);
});

test('folders train on the validation subjects too, unless they are held out; the embedded data hold them out', () => {
  const holdOut = (...args: string[]) => presetFor(parseCommandLine(args).run!).holdOut;
  expect(holdOut()).toBe(true);
  for (const preset of ['smoke', 'quick', 'full']) {
    expect(holdOut('--data', 'x', '--preset', preset)).toBe(false);
    expect(holdOut('--data', 'x', '--preset', preset, '--hold-out')).toBe(true);
  }
});

test('system errors are one line, whatever they are; other errors are ours and keep their stack', () => {
  const system = Object.assign(new Error('ENAMETOOLONG: name too long'), {
    code: 'ENAMETOOLONG',
    syscall: 'mkdir',
  });
  expect(explain(system)).toMatch(/mkdir: ENAMETOOLONG/);
  expect(explain(Object.assign(new Error('x'), { code: 'ENOSPC', syscall: 'write' }))).toMatch(
    /disk is full/,
  );
  expect(explain(new TypeError('x is not a function'))).toBeUndefined();
});
