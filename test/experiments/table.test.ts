import { expect, test } from 'vitest';
import { formatTable } from '../../experiments/table.ts';
import { depthResults, equalResults, figuresResults, skeletonResults } from '../report/fixture.ts';

/** The lines of a table, without rules. */
function linesOf(table: string): string[] {
  return table.split('\n').filter((line) => !/^[┌├└]/.test(line));
}

test('every network has a row, clean and under the headline attack on each target', () => {
  expect(linesOf(formatTable(figuresResults()))).toEqual([
    '│ network      │ training │ clean            │ pgd20 RGB        │ pgd20 skeleton   │ pgd20 both       │ RI            │ balance │',
    '│ RGB          │ natural  │ 81.8 [75.7–86.6] │ 0.0 [0.0–3.8]    │                  │                  │ – / –         │ –       │',
    '│ skeleton     │ natural  │ 91.1 [86.3–94.4] │                  │ 14.6 [8.9–23.0]  │                  │ – / –         │ –       │',
    '│ concat       │ natural  │ 94.8 [90.7–97.1] │ 1.0 [0.2–5.7]    │ 22.9 [15.6–32.3] │ 0.0 [0.0–3.8]    │ – / −33.2     │ 21.9    │',
    '│ concat       │ pgd      │ 84.9 [79.1–89.3] │ 55.2 [45.3–64.8] │ 59.4 [49.4–68.7] │ 38.5 [29.4–48.5] │ +33.2 / –     │ 4.2     │',
    '│ amr          │ pgd      │ 85.9 [80.3–90.2] │ 64.6 [54.6–73.4] │ 68.8 [58.9–77.1] │ 52.1 [42.2–61.8] │ +45.0 / +11.8 │ 4.2     │',
    '│ linear ridge │ RGB      │ 45.8 [38.9–52.9] │                  │                  │                  │               │         │',
    '│ linear ridge │ skeleton │ 78.1 [71.8–83.4] │                  │                  │                  │               │         │',
    '│ linear ridge │ both     │ 64.6 [57.6–71.0] │                  │                  │                  │               │         │',
    'attacks at ε: RGB 8/255, skeleton 2 cm; accuracy in % [95 % interval], on test samples of unseen subjects: n = 192 clean, 96 of them attacked',
    'RI: against the undefended / the plainly defended concat network, in points; balance: |RA RGB − RA skeleton| in points',
  ]);
});

test('a narrow terminal gets no intervals', () => {
  const table = formatTable(figuresResults(), 119);
  const lines = linesOf(table);
  expect(lines[0]).toBe(
    '│ network      │ training │ clean │ pgd20 RGB │ pgd20 skeleton │ pgd20 both │ RI            │ balance │',
  );
  expect(lines[5]).toMatch(/^│ amr +│ pgd +│ 85.9 +│ 64.6 +│ 68.8 +│ 52.1 +│ \+45.0 \/ \+11.8 │ 4.2 +│$/);
  expect(lines.at(-2)).toMatch(/^attacks at ε: .*; accuracy in %, on test samples/);
  const whole = formatTable(figuresResults());
  expect(formatTable(figuresResults(), whole.indexOf('\n'))).toBe(whole);
  expect(formatTable(figuresResults(), whole.indexOf('\n') - 1)).toBe(table);
});

test('one modality has one column, and its samples are counted', () => {
  const results = skeletonResults();
  const models = results.models.map((m) => ({ ...m, n: m.attackedClean.n }));
  expect(formatTable({ ...results, models })).toBe(
    `
┌──────────────┬──────────┬──────────────────┬─────────────────┬───────┬─────────┐
│ network      │ training │ clean            │ pgd20 skeleton  │ RI    │ balance │
├──────────────┼──────────┼──────────────────┼─────────────────┼───────┼─────────┤
│ skeleton     │ natural  │ 91.1 [86.3–94.4] │ 14.6 [8.9–23.0] │ – / – │ –       │
├──────────────┼──────────┼──────────────────┼─────────────────┼───────┼─────────┤
│ linear ridge │ skeleton │ 78.1 [71.8–83.4] │                 │       │         │
└──────────────┴──────────┴──────────────────┴─────────────────┴───────┴─────────┘
attacks at ε: skeleton 2 cm; accuracy in % [95 % interval], on test samples of unseen subjects: n = 96 clean, all of them attacked
RI: against the undefended / the plainly defended concat network, in points; balance: |RA RGB − RA skeleton| in points`.trimStart(),
  );
});

test('a depth video is called so', () => {
  const lines = linesOf(formatTable(depthResults()));
  expect(lines[0]).toContain('│ pgd20 depth ');
  expect(lines[1]).toMatch(/^│ depth +│ natural /);
  expect(lines.at(-2)).toContain('attacks at ε: depth 8/255, skeleton 2 cm;');
  expect(lines.at(-1)).toContain('balance: |RA depth − RA skeleton| in points');
});

test.each(['rgb', 'skeleton'] as const)('levels with the same ε on %s are told apart', (modality) => {
  const results = equalResults(modality);
  const amr = results.models.at(-1);
  const shown = (level: number) => {
    const found = amr?.robust.find((r) => r.attack === 'pgd20' && r.on === 'both' && r.level === level);
    return ` ${(100 * (found?.accuracy ?? 0)).toFixed(1)} [`;
  };
  const row = linesOf(formatTable(results)).find((line) => line.startsWith('│ amr'));
  expect(row).toContain(shown(1));
  expect(row).not.toContain(shown(0));
});
