import { describe, expect, test } from 'vitest';
import { strongest } from '../../experiments/assemble.ts';
import { loadData } from '../../experiments/data.ts';
import { spread } from '../../experiments/job.ts';
import { PRESETS } from '../../experiments/presets.ts';

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

describe('the test samples', () => {
  test.each(['smoke', 'quick'] as const)(
    'of %s are as many of every class, and of every subject',
    async (name) => {
      const preset = PRESETS.embedded[name];
      const { splits, labels, subjects, classes } = await loadData(undefined, preset, 1);
      const chosen = spread(splits.test, labels, preset.evaluation.samples);
      expect(chosen).toHaveLength(Math.min(preset.evaluation.samples, splits.test.length));
      const counts = classes.map((_, label) => chosen.filter((i) => labels[i] === label).length);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      const tested = new Set(splits.test.map((i) => subjects[i]));
      const shares = [...tested].map((subject) => chosen.filter((i) => subjects[i] === subject).length);
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(3);
    },
  );

  test('are all of them where there are not more, and all of a small class', () => {
    expect(spread(range(5), [0, 1, 0, 1, 0], 9)).toEqual(range(5));
    const labels = range(20).map((i) => Number(i === 7));
    const chosen = spread(range(20), labels, 6);
    expect(chosen).toHaveLength(6);
    expect(chosen).toContain(7);
    expect(new Set(chosen).size).toBe(6);
  });
});

test('the headline is the attack of most steps, in whatever order they are named', () => {
  expect(strongest(['pgd20', 'fgsm', 'pgd10'])).toBe('pgd20');
  expect(strongest(['fgsm'])).toBe('fgsm');
});
