import { expect, test } from 'vitest';
import { exportsOf, textOf } from './source.ts';

test('docs/design.md lists every error', () => {
  const errors = exportsOf('src/errors.ts').filter((name) => name.endsWith('Error'));
  expect(errors.length).toBeGreaterThan(5);
  const line = textOf('docs/design.md')
    .split('\n')
    .find((text) => text.startsWith('src/errors.ts'));
  expect(errors.filter((name) => !line?.includes(name))).toEqual([]);
});
