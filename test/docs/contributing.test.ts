import { expect, test } from 'vitest';
import { filesIn, textOf } from '../structure/source.ts';

/** Indentation and line ends do not count. */
const flat = (text: string) => text.replace(/\s+/g, ' ').trim();

const page = textOf('CONTRIBUTING.md');
const snippets = [...page.matchAll(/^( *)```(ts|wgsl)\n([\s\S]*?)^\1```/gm)].map(([, , , code = '']) => code);
const sources = ['src/kernels', 'test/ops']
  .flatMap((folder) => [...filesIn(folder), ...filesIn(folder, '.wgsl')])
  .map((file) => flat(textOf(file)));

test.each(snippets.map((code) => [code.trim().split('\n')[0], code]))(
  'shows source as it is: %s',
  (_, code) => {
    expect(sources.some((source) => source.includes(flat(code ?? '')))).toBe(true);
  },
);

test('shows an op from its shader to its cases', () => {
  expect(snippets.length).toBeGreaterThan(8);
});

test('names files that are there', () => {
  const known = ['src', 'test', 'scripts'].flatMap((folder) => [
    ...filesIn(folder),
    ...filesIn(folder, '.wgsl'),
  ]);
  const named = [...page.matchAll(/`([\w./-]+\.(?:ts|wgsl))`/g)].map(([, name = '']) => name);
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !known.some((file) => file === name || file.endsWith(`/${name}`)))).toEqual(
    [],
  );
});
