import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { RUNS } from '../../experiments/parity/runs.ts';
import { STRONG_RUNS } from '../../experiments/parity/strong-runs.ts';

type Accuracies = Readonly<Record<string, number>>;
interface Parity {
  readonly clean1000: number;
  readonly foolbox20: number;
  readonly logits: readonly (readonly number[])[];
  readonly loss: number;
  readonly inputGradNorm: number;
  readonly robust: Readonly<Record<string, Accuracies | undefined>>;
  readonly options: Readonly<Record<string, object>>;
}
const file = new URL('../../experiments/parity/results/resnet20-lavapipe.json', import.meta.url);
const parity = JSON.parse(readFileSync(file, 'utf8')) as Parity;
const { clean1000, foolbox20, robust } = parity;
/** What PyTorch 2.13 computes in f64 with the published weights, by CifarResNet20 of test/models/pytorch-reference.py. */
const reference = JSON.parse(readFileSync(new URL('pytorch-resnet20.json', import.meta.url), 'utf8')) as Pick<
  Parity,
  'logits' | 'loss' | 'inputGradNorm'
>;

test('the committed figures of ResNet-20 are those of PyTorch', () => {
  expect([clean1000, foolbox20]).toEqual([0.804, 1]);
  expect(parity.logits.map(({ length }) => length)).toEqual(new Array(8).fill(10));
  for (const [i, row] of reference.logits.entries())
    for (const [k, z] of row.entries())
      expect(Math.abs((parity.logits[i]?.[k] ?? 99) - z)).toBeLessThan(3e-5);
  expect(Math.abs(parity.loss / reference.loss - 1)).toBeLessThan(1e-5);
  expect(Math.abs(parity.inputGradNorm / reference.inputGradNorm - 1)).toBeLessThan(1e-5);
  expect(robust.fgsm).toEqual({ '1/255': 0.17, '2/255': 0.075, '4/255': 0.05, '8/255': 0.065 });
  expect(robust.pgd10).toEqual({ '1/255': 0.045, '2/255': 0, '4/255': 0, '8/255': 0 });
});

/** Each is at least as strong as those after it, where both have been run at the same ε. */
const STRONGEST_FIRST = [
  ['apgd-ce', 'pgd10'],
  ['apgd-t', 'pgd10'],
  ['pgd10', 'fgsm'],
  ['autoattack', 'apgd-ce'],
  ['autoattack', 'apgd-t'],
  ['autoattack', 'fab-t'],
  ['autoattack', 'square'],
] as const;

test.each(STRONGEST_FIRST)('%s leaves no more images robust than %s', (stronger, weaker) => {
  for (const [epsilon, left] of Object.entries(robust[stronger] ?? {})) {
    expect(left).toBeLessThanOrEqual(robust[weaker]?.[epsilon] ?? 1);
  }
});

test('every attack was run with the options it has now', () => {
  const options = [...RUNS, ...STRONG_RUNS].map((run) => [run.name, run.options]);
  expect(parity.options).toEqual(Object.fromEntries(options));
  const minimal = ['cw-l2', 'deepfool'];
  const bounded = ['fgsm', 'pgd10', 'apgd-ce', 'apgd-t', 'fab-t', 'square', 'autoattack'];
  expect(Object.keys(robust).sort()).toEqual([...minimal, ...bounded].sort());
});

test('the smallest changes that CW and DeepFool find are of one size', () => {
  expect(robust['cw-l2']?.['fooled l2']).toBe(1);
  const ratio = (robust['cw-l2']?.['mean l2'] ?? 0) / (robust.deepfool?.['mean l2'] ?? 1);
  expect(ratio).toBeGreaterThan(0.8);
  // CW refines where DeepFool stops at the first success.
  expect(ratio).toBeLessThan(1);
});

test('DeepFool fools every image, by about half a grey level in the mean', () => {
  expect(robust.deepfool).toMatchObject({ 'fooled l2': 1, 'fooled linf': 1 });
  expect(robust.deepfool?.['mean linf']).toBeLessThan(0.6 / 255);
  expect(robust.deepfool?.['mean linf']).toBeGreaterThan(0.4 / 255);
});
