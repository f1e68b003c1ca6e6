import { describe, expect, test } from 'vitest';
import type { AttackRun, Evaluation } from '../../experiments/evaluate-model.ts';
import { findViolations } from '../../experiments/sanity.ts';
import type { AttackResult } from '../../src/train/evaluate.ts';
import { attackRuns, evaluation, first } from './evaluations.ts';

const plan = { model: 'amr', train: 'pgd' } as const;

/** Violations when the attack called `name` (`pgd3 both 1`) gave this instead. */
function found(name: string, change: Partial<AttackResult>): string[] {
  let changed = 0;
  const attacks = attackRuns().map((run): AttackRun => {
    if (`${run.attack} ${run.on} ${run.level}` !== name) return run;
    changed++;
    return { ...run, result: { ...run.result, ...change } };
  });
  expect(changed).toBe(1);
  return findViolations([evaluation(plan, 14, attacks)]);
}

test('an attack that works violates nothing', () => {
  expect(findViolations([evaluation(plan)])).toEqual([]);
});

describe('a perturbation', () => {
  test.each([
    [{ rgb: 0.02, skeleton: 0.0101 }, 'moved skeleton by 0.0101, beyond ε = 0.01'],
    [{ rgb: 0.021, skeleton: 0.01 }, 'moved rgb by 0.021, beyond ε = 0.02'],
    [{ rgb: Number.NaN, skeleton: 0.01 }, 'moved rgb by NaN, beyond ε = 0.02'],
  ])('of %j is beyond ε', (distance, expected) => {
    expect(found('pgd3 both 1', { distance })).toEqual([`amr-pgd: pgd3 on both, level 2 ${expected}`]);
  });

  test('may be beyond ε by rounding', () => {
    expect(found('pgd3 both 1', { distance: { rgb: 0.0200005, skeleton: 0.01 } })).toEqual([]);
  });

  test('of what was not attacked is beyond ε too', () => {
    expect(found('fgsm rgb 0', { distance: { rgb: 0.01, skeleton: 0.001 } })).toEqual([
      'amr-pgd: fgsm on rgb, level 1 moved skeleton by 0.001, beyond ε = 0',
    ]);
  });

  test.each([[[-0.01, 1]], [[0, 1.01]], [[Number.NaN, Number.NaN]]] as const)(
    'that makes pixels in %j leaves the valid range',
    (pixelRange) => {
      const [low, high] = pixelRange;
      expect(found('pgd3 rgb 0', { pixelRange })).toEqual([
        `amr-pgd: pgd3 on rgb, level 1 made pixels in [${low}, ${high}]`,
      ]);
    },
  );
});

describe('the loss', () => {
  test.each([
    [[2, 3, 2.5, 2], 'did not raise the loss (2.000 → 3.000 → 2.500 → 2.000)'],
    [[1, 5, 2, 3], ': the loss does not go on rising with the steps (1.000 → 5.000 → 2.000 → 3.000)'],
    [[1, 2, Number.NaN, 4], 'the loss does not go on rising with the steps (1.000 → 2.000 → NaN → 4.000)'],
    [[1, 2, 3, Number.NaN], 'did not raise the loss (1.000 → 2.000 → 3.000 → NaN)'],
  ])('of %j does not rise', (lossByStep, expected) => {
    const [line, ...more] = found('pgd3 skeleton 1', { lossByStep });
    expect(line).toContain(expected);
    expect(more).toEqual([]);
  });

  test('need not rise where ε is 0', () => {
    const attacks = attackRuns([{ rgb: 0, skeleton: 0 }]).map((run) => ({
      ...run,
      result: { ...run.result, lossByStep: [1, 1], distance: {} },
    }));
    expect(findViolations([evaluation(plan, 14, attacks)])).toEqual([]);
  });
});

test('a larger ε leaves fewer samples robust, give or take one', () => {
  expect(found('pgd3 rgb 1', { robust: first(10) })).toEqual([]);
  expect(found('fgsm rgb 1', { robust: first(13) })).toEqual([
    'amr-pgd: fgsm on rgb, level 2 left more samples robust (13) than the smaller ε (11)',
  ]);
});

test('many steps leave fewer samples robust than one, give or take one', () => {
  expect(found('pgd3 skeleton 0', { robust: first(12) })).toEqual([]);
  expect(found('pgd3 skeleton 0', { robust: first(13) })).toEqual([
    'amr-pgd: pgd3 on skeleton, level 1 left more samples robust (13) than fgsm (11)',
  ]);
});

test('an unlimited attack leaves at most a tenth', () => {
  const base = evaluation(plan);
  const left = (robust: number): Evaluation => ({
    ...base,
    unlimited: { ...base.unlimited, robust: first(robust) },
  });
  expect(findViolations([left(1)])).toEqual([]);
  expect(findViolations([left(2)])).toEqual([
    'amr-pgd: an unlimited attack left 13 % of the samples robust: gradients may be masked, or the steps too few',
  ]);
});

test('gradients of zero are counted', () => {
  expect(found('pgd3 both 0', { zeroGradients: 3 / 16 })).toEqual([
    'amr-pgd: pgd3 on both, level 1: 3 samples had an input gradient that is zero or no number, so this attack was blind to them',
  ]);
});

test('every network is looked at, in its own name', () => {
  const blind = attackRuns().map((run) => ({ ...run, result: { ...run.result, zeroGradients: 1 } }));
  const second = evaluation({ model: 'concat', train: 'natural' }, 14, blind.slice(0, 1));
  expect(findViolations([evaluation(plan), second])).toEqual([
    expect.stringMatching(/^concat-natural: fgsm on rgb, level 1: 16 samples/),
  ]);
});
