import { expect, test } from 'vitest';
import * as kernelwright from '../../src/index.ts';
import * as node from '../../src/node/index.ts';
import { exportsOf, signaturesOf, typesOfProject } from './source.ts';

// A changed snapshot is a changed promise to users: `npx vitest run test/structure -u` and a line in CHANGELOG.md.
test('what the package exports', async () => {
  const names = ['kernelwright', ...exportsOf('src/index.ts').map((name) => `  ${name}`)];
  const inNode = ['kernelwright/node', ...exportsOf('src/node/index.ts').map((name) => `  ${name}`)];
  await expect(`${[...names, ...inNode].join('\n')}\n`).toMatchFileSnapshot('surface.txt');
});

/** What hangs on `Device` and `Tensor` for the library itself. */
const INTERNAL = new Set(['Pool', 'Pipelines', 'Queue', 'Recorder', 'Recording', 'Storage', 'WarmUp']);

test.each(['src/index.ts', 'src/node/index.ts'])('%s exports every type that its signatures use', (file) => {
  const names = new Set([...exportsOf('src/index.ts'), ...exportsOf(file)]);
  const project = typesOfProject();
  const used = [...signaturesOf(file)].filter(([type]) => project.has(type));
  expect(used.length).toBeGreaterThan(0);
  const missing = used.filter(([type]) => !names.has(type) && !INTERNAL.has(type));
  expect(missing.map(([type, by]) => `${type} of ${by}`)).toEqual([]);
});

test('no name is exported twice, and every value is there at run time', () => {
  const names = exportsOf('src/index.ts');
  expect(new Set(names).size).toBe(names.length);
  expect(names).toEqual(expect.arrayContaining(Object.keys(kernelwright)));
  expect(Object.values(kernelwright).every((value) => value !== undefined)).toBe(true);
  expect(Object.keys(node).length).toBeGreaterThan(0);
});
