import { expect, test } from 'vitest';
import { filesIn, importsOf, textOf } from './source.ts';

const manifest = JSON.parse(textOf('package.json')) as Record<string, Record<string, unknown> | undefined>;

test('the package needs nothing at run time', () => {
  expect(manifest.dependencies ?? {}).toEqual({});
  expect(manifest.optionalDependencies ?? {}).toEqual({});
  expect(Object.keys(manifest.peerDependencies ?? {})).toEqual(['@sparticuz/chromium', 'webgpu']);
  expect(manifest.peerDependenciesMeta).toEqual({
    '@sparticuz/chromium': { optional: true },
    webgpu: { optional: true },
  });
});

test('nothing runs at install, and nothing happens at import', () => {
  const hooks = ['preinstall', 'install', 'postinstall', 'prepare'];
  expect(Object.keys(manifest.scripts ?? {}).filter((name) => hooks.includes(name))).toEqual([]);
  expect(manifest.sideEffects).toBe(false);
});

test('npm run test:browser runs every test that opens a browser', () => {
  const [, ...filters] = String(manifest.scripts?.['test:browser']).replace('vitest run', 'run').split(' ');
  const inBrowser = filesIn('test', '.test.ts').filter((file) =>
    importsOf(file).some(({ to }) => to === 'scripts/browser.ts'),
  );
  expect(inBrowser.length).toBeGreaterThan(4);
  expect(inBrowser.filter((file) => !filters.some((filter) => file.includes(filter)))).toEqual([]);
});
