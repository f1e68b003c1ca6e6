import { describe, expect, test } from 'vitest';
import { filesIn, type Import, importsOf } from './source.ts';

/** What the files of a folder of src may import besides their own folder and src/errors.ts: imports go down. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  // Knows how f16 is written.
  tensor: ['formats'],
  kernels: ['tensor', 'formats'],
  autograd: ['tensor', 'kernels'],
  // Files as named arrays; knows no tensor.
  formats: [],
  nn: ['tensor', 'kernels', 'autograd', 'formats'],
  models: ['tensor', 'kernels', 'autograd', 'nn'],
  // Blind to the data and the training, but its two-stream network is made of backbones of models.
  amr: ['tensor', 'kernels', 'autograd', 'nn', 'models'],
  // Knows losses and gradients, no networks.
  attacks: ['tensor', 'kernels', 'autograd'],
  data: ['tensor', 'kernels', 'autograd', 'formats', 'nn'],
  train: ['tensor', 'kernels', 'autograd', 'nn', 'models', 'amr', 'attacks', 'data'],
  // The one folder that needs Node, and so the one the others must not need.
  node: ['tensor', 'data'],
};

const files = filesIn('src');
const imports = new Map(files.map((file) => [file, importsOf(file)]));
const folderOf = (file: string) => (file.split('/').length > 2 ? (file.split('/')[1] as string) : '');
const isOwn = ({ to }: Import) => to.endsWith('.ts');
const listed = (test: (file: string, to: Import) => boolean) =>
  [...imports].flatMap(([file, all]) =>
    all.filter((to) => test(file, to)).map(({ to }) => `${file} → ${to}`),
  );

test('the parser sees every kind of import', () => {
  const text = `import type { A } from './a.ts';
import { type B } from './b.ts';
import { type C, c } from './c.ts';
import './d.ts';
export * from './e.ts';
export { type F } from '../f.ts';
type G = typeof import('g')['x'];
const h = () => import('node:h');`;
  expect(importsOf('src/x/y.ts', text)).toEqual([
    { to: 'src/x/a.ts', typeOnly: true },
    { to: 'src/x/b.ts', typeOnly: true },
    { to: 'src/x/c.ts', typeOnly: false },
    { to: 'src/x/d.ts', typeOnly: false },
    { to: 'src/x/e.ts', typeOnly: false },
    { to: 'src/f.ts', typeOnly: true },
    { to: 'g', typeOnly: true },
    { to: 'node:h', typeOnly: false },
  ]);
});

describe('direction', () => {
  test('every folder of src has its place', () => {
    const folders = new Set(files.map(folderOf).filter((folder) => folder !== ''));
    expect([...folders].sort()).toEqual(Object.keys(MAY_IMPORT).sort());
  });

  test('imports go down', () => {
    const up = (file: string, to: Import) => {
      if (!isOwn(to) || to.to === 'src/errors.ts' || file === 'src/index.ts') return false;
      const [from, target] = [folderOf(file), folderOf(to.to)];
      return from !== target && !MAY_IMPORT[from]?.includes(target);
    };
    expect(listed(up)).toEqual([]);
  });

  test('src imports nothing of the project but src', () => {
    expect(listed((_, to) => isOwn(to) && !to.to.startsWith('src/'))).toEqual([]);
  });

  test('errors.ts imports nothing, and index.ts is imported by nothing', () => {
    expect(imports.get('src/errors.ts')).toEqual([]);
    expect(listed((_, to) => to.to === 'src/index.ts')).toEqual([]);
  });

  test('packages are imported by src/node only: Node itself and webgpu', () => {
    const outside = (file: string, to: Import) => !isOwn(to) && folderOf(file) !== 'node';
    expect(listed(outside)).toEqual([]);
    const allowed = (to: string) => to.startsWith('node:') || to === 'webgpu';
    expect(listed((file, to) => !isOwn(to) && folderOf(file) === 'node' && !allowed(to.to))).toEqual([]);
  });

  test('files exist that are imported', () => {
    expect(listed((_, to) => isOwn(to) && !files.includes(to.to))).toEqual([]);
  });
});

describe('cycles', () => {
  // Imports of types are left out: they are gone when the code runs, and a tensor and its device know each other's type.
  const graph = new Map(
    [...imports].map(([file, all]) => [
      file,
      all.filter((to) => isOwn(to) && !to.typeOnly).map(({ to }) => to),
    ]),
  );

  test('there are none', () => {
    expect(findCycle(graph)).toEqual([]);
  });

  test('one would be found', () => {
    const looped = new Map([
      ['a', ['b']],
      ['b', ['c', 'd']],
      ['c', []],
      ['d', ['b']],
    ]);
    expect(findCycle(looped)).toEqual(['b', 'd', 'b']);
  });
});

/** The first cycle of a directed graph as the path around it; empty when there is none. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]): string[] => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (done.has(node)) return [];
    for (const next of graph.get(node) ?? []) {
      const cycle = visit(next, [...path, node]);
      if (cycle.length > 0) return cycle;
    }
    done.add(node);
    return [];
  };
  for (const node of graph.keys()) {
    const cycle = visit(node, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}
