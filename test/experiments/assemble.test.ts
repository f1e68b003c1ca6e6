import { describe, expect, test } from 'vitest';
import { assembleResults, type Outcome } from '../../experiments/assemble.ts';
import { partOf } from '../../experiments/evaluate-model.ts';
import type { ModelName, Training } from '../../experiments/options.ts';
import type { Results } from '../../experiments/results.ts';
import { mcnemar, proportion } from '../../src/train/metrics.ts';
import { ATTACKED, attackRuns, evaluation, first, TESTED } from './evaluations.ts';
import { makeJob } from './job.ts';

/** Right on `right` of all test samples. */
function outcome(model: ModelName, train: Training, right: number, attacks = attackRuns()): Outcome {
  const found = evaluation({ model, train }, right, attacks);
  return { evaluation: found, curve: { epochs: [], best: 1 }, parameters: 10 };
}

async function assemble(outcomes: readonly Outcome[], ...args: readonly string[]): Promise<Results> {
  return assembleResults(await makeJob(...args), 'lavapipe', { video: 0.5, both: 0.6 }, outcomes);
}

/** RI in points, by network. */
function improvements({ models }: Results): Record<string, unknown> {
  const round = (value: number | null) => value && Math.round(100 * value);
  return Object.fromEntries(
    models.map(({ name, train, ri }) => [`${name}-${train}`, [round(ri.undefended), round(ri.defended)]]),
  );
}

describe('relative improvement', () => {
  test('is against the naturally and the PGD-trained concat network, never of a network against itself', async () => {
    const results = await assemble([
      outcome('concat', 'natural', 16),
      outcome('concat', 'pgd', 15),
      outcome('amr', 'pgd', 18),
    ]);
    expect(improvements(results)).toEqual({
      'concat-natural': [null, 5],
      'concat-pgd': [-5, null],
      'amr-pgd': [10, 15],
    });
  });

  test.each(['trades', 'mart', 'free', 'fast'] as const)(
    'is against the concat network that %s trains',
    async (train) => {
      const outcomes = [outcome('concat', train, 15), outcome('amr', train, 18)];
      expect(improvements(await assemble(outcomes, '--train', train))).toEqual({
        [`concat-${train}`]: [null, null],
        [`amr-${train}`]: [null, 15],
      });
    },
  );

  test('counts clean accuracy on all test samples, and robust accuracy on those attacked', async () => {
    const weaker = attackRuns().map((run) => ({ ...run, result: { ...run.result, robust: first(4) } }));
    const { models } = await assemble([outcome('concat', 'natural', 10, weaker), outcome('amr', 'pgd', 18)]);
    // pgd3 at the second level leaves 7 of 16 on every target.
    expect(models.map(({ ra }) => ra)).toEqual([4 / 16, 7 / 16]);
    expect(models[1]?.ri.undefended).toBeCloseTo(18 / 20 + 7 / 16 - (10 / 20 + 4 / 16), 12);
  });
});

test('clean accuracy is on all test samples, and beside it on those attacked', async () => {
  const [amr] = (await assemble([outcome('amr', 'pgd', 18)])).models;
  const all = proportion(18, TESTED);
  expect(amr).toMatchObject({ clean: all.value, interval: all.interval, n: TESTED, loss: 2 / TESTED });
  const attacked = proportion(16, ATTACKED);
  expect(amr?.attackedClean).toEqual({ accuracy: 1, interval: attacked.interval, n: ATTACKED });
  expect(new Set(amr?.robust.map(({ n }) => n))).toEqual(new Set([ATTACKED]));
});

test('networks are compared on all test samples clean, and on the attacked ones at the headline', async () => {
  const weaker = attackRuns().map((run) => ({ ...run, result: { ...run.result, robust: first(1) } }));
  const { comparisons } = await assemble([outcome('concat', 'pgd', 12, weaker), outcome('amr', 'pgd', 18)]);
  const clean = mcnemar(first(12, TESTED), first(18, TESTED));
  const robust = mcnemar(first(1), first(7));
  expect(comparisons).toEqual([
    { first: 'concat-pgd', second: 'amr-pgd', on: 'clean', n: TESTED, p: clean },
    ...['rgb', 'skeleton', 'both'].map((on) => ({
      first: 'concat-pgd',
      second: 'amr-pgd',
      on,
      n: ATTACKED,
      p: robust,
    })),
  ]);
});

test('weights are of the attacked samples where they are set beside those under attack, and by class of all', async () => {
  const job = await makeJob();
  const base = outcome('amr', 'pgd', 18);
  const rows = job.testSamples.map((sample): [number, number] => [2 - sample / 40, sample / 40]);
  const clean = { ...base.evaluation.clean, weights: [rows] };
  const attackedClean = partOf(clean, job.testSamples, job.samples);
  const outcomes = [{ ...base, evaluation: { ...base.evaluation, clean, attackedClean } }];
  const [stage] = assembleResults(job, 'lavapipe', {}, outcomes).models[0]?.weights ?? [];
  const mean = (samples: readonly number[]) => samples.reduce((sum, s) => sum + s / 40, 0) / samples.length;
  expect(stage?.clean[1]).toBeCloseTo(mean(job.samples), 12);
  const odd = job.testSamples.filter((sample) => sample % 2 === 1);
  expect(stage?.byClass[1]?.[1]).toBeCloseTo(mean(odd), 12);
});

test('a part of a clean result has the rows of its samples', () => {
  const clean = {
    correct: [true, false, true],
    losses: [1, 2, 3],
    predictions: [4, 5, 6],
    weights: [
      [
        [0, 2],
        [1, 1],
        [2, 0],
      ] as [number, number][],
    ],
  };
  expect(partOf(clean, [7, 8, 9], [9, 7])).toEqual({
    correct: [true, true],
    losses: [3, 1],
    predictions: [6, 4],
    weights: [
      [
        [2, 0],
        [0, 2],
      ],
    ],
  });
});

test('a loss that is no number is null in results.json', async () => {
  const attacks = attackRuns().map((run) => ({ ...run, result: { ...run.result, losses: [1, Number.NaN] } }));
  const results: Results = JSON.parse(JSON.stringify(await assemble([outcome('amr', 'pgd', 18, attacks)])));
  expect(results.models[0]?.robust.map(({ loss }) => loss)).toEqual(Array(12).fill(null));
});

test('the linear model is measured on all test samples', async () => {
  const { linear } = await assemble([]);
  expect(linear.map(({ on, accuracy, n }) => [on, accuracy, n])).toEqual([
    ['rgb', 0.5, TESTED],
    ['both', 0.6, TESTED],
  ]);
});
