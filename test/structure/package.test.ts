import { expect, test } from 'vitest';
import { textOf } from './source.ts';

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
