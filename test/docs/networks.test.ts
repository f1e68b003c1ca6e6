import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { examplesOf, runExample } from './examples.ts';

const FOLDER = 'docs/networks';
const pages = readdirSync(FOLDER).filter((file) => file.endsWith('.md'));
const index = readFileSync('docs/networks.md', 'utf8');

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

describe.each(pages)('%s', (page) => {
  const examples = examplesOf(`${FOLDER}/${page}`);

  test('has an example of at most five statements, names its source and its differences, and is in the index', () => {
    expect(examples.length).toBeGreaterThan(0);
    for (const code of examples) {
      const lines = code.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('import '));
      expect(lines.length).toBeLessThanOrEqual(5);
    }
    const text = readFileSync(`${FOLDER}/${page}`, 'utf8');
    expect(text).toMatch(/^Source: /m);
    expect(text).toMatch(/^## Differences/m);
    expect(index).toContain(`(networks/${page})`);
  });

  test.each(examples.map((code, i) => [i + 1, code] as const))(
    'example %i prints what it says',
    async (_, code) => {
      const { printed, promised } = await runExample(code, device);
      expect(promised.length).toBeGreaterThan(0);
      expect(printed).toEqual(promised);
    },
  );
});

test('the index links to pages that exist', () => {
  const links = [...index.matchAll(/\((networks\/[^)#]+)\)/g)].map(([, path]) => path as string);
  expect(links.length).toBeGreaterThan(0);
  expect(links.filter((path) => !existsSync(`docs/${path}`))).toEqual([]);
});
