import { expect, it } from 'vitest';
import { makeFigures } from '../../experiments/figures/figures.ts';
import { linearBaseline } from '../../experiments/linear-baseline.ts';
import type { ActionDataset } from '../../src/data/dataset.ts';
import { Rng } from '../../src/data/rng.ts';

it('stays below 45 % on the embedded data set, whatever the modality', { timeout: 60_000 }, async () => {
  const { video, skeleton, both } = await linearBaseline(makeFigures());
  expect(video).toBeLessThan(0.2);
  expect(skeleton).toBeLessThan(0.45);
  expect(both).toBeLessThan(0.45);
});

it('solves what is linear: noise around a posture per class', async () => {
  const { skeleton, both, video } = await linearBaseline(postures(0.3));
  expect(skeleton).toBe(1);
  expect(both).toBeUndefined();
  expect(video).toBeUndefined();
});

it('is at chance where there is nothing to learn', async () => {
  expect((await linearBaseline(postures(1e6))).skeleton).toBeLessThan(0.5);
});

/** Three classes of four joints whose mean positions differ by about a metre, plus noise. */
function postures(noise: number): ActionDataset {
  const rng = new Rng(7);
  const means = Array.from({ length: 3 }, () => Array.from({ length: 12 }, () => rng.gaussian()));
  const labels = Int32Array.from({ length: 90 }, (_, i) => i % 3);
  const data = Float32Array.from({ length: 90 * 12 }, (_, k) => {
    return means[labels[Math.floor(k / 12)]!]![k % 12]! + noise * rng.gaussian();
  });
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  return {
    name: 'postures',
    title: 'Postures',
    classes: ['a', 'b', 'c'],
    labels,
    subjects: Array(90).fill('x'),
    samples: 90,
    skeleton: { data, shape: [1, 4, 3], joints: ['a', 'b', 'c', 'd'], parents: [-1, 0, 1, 2] },
    splits: { train: range(0, 45), validation: range(45, 60), test: range(60, 90) },
  };
}
