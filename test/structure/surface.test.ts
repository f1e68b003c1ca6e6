import { expect, test } from 'vitest';
import * as kernelwright from '../../src/index.ts';
import * as node from '../../src/node/index.ts';
import { exportsOf } from './source.ts';

// A changed snapshot is a changed promise to users: `npx vitest run test/structure -u` and a line in CHANGELOG.md.
test('what the package exports', async () => {
  const names = ['kernelwright', ...exportsOf('src/index.ts').map((name) => `  ${name}`)];
  const inNode = ['kernelwright/node', ...exportsOf('src/node/index.ts').map((name) => `  ${name}`)];
  await expect(`${[...names, ...inNode].join('\n')}\n`).toMatchFileSnapshot('surface.txt');
});

test('no name is exported twice, and every value is there at run time', () => {
  const names = exportsOf('src/index.ts');
  expect(new Set(names).size).toBe(names.length);
  expect(names).toEqual(expect.arrayContaining(Object.keys(kernelwright)));
  expect(Object.values(kernelwright).every((value) => value !== undefined)).toBe(true);
  expect(Object.keys(node).length).toBeGreaterThan(0);
});
