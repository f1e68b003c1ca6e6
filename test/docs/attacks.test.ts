import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { examplesOf, runExample } from './examples.ts';

const FOLDER = 'docs/attacks';
const pages = readdirSync(FOLDER).filter((file) => file.endsWith('.md'));
const index = readFileSync('docs/attacks.md', 'utf8');

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

test.each(pages)('%s names source and defaults of an attack, has an example, and is in the index', (page) => {
  const text = readFileSync(`${FOLDER}/${page}`, 'utf8');
  if (page !== 'audit.md') for (const word of ['Source', 'Defaults']) expect(text).toContain(`**${word}**`);
  expect(examplesOf(`${FOLDER}/${page}`)).toHaveLength(1);
  expect(index).toContain(`(attacks/${page})`);
});

test('the index links to pages that exist', () => {
  const links = [...index.matchAll(/\((attacks\/[^)#]+)\)/g)].map(([, path]) => path as string);
  expect(new Set(links).size).toBe(pages.length);
  expect(links.filter((path) => !existsSync(`docs/${path}`))).toEqual([]);
});

describe.each(pages)('%s', (page) => {
  const [code = ''] = examplesOf(`${FOLDER}/${page}`);

  test('has an example of five lines that prints what it says', async () => {
    const lines = code.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('import '));
    expect(lines).toHaveLength(5);
    const { printed, promised } = await runExample(code, device);
    expect(promised).toHaveLength(1);
    expect(printed).toEqual(promised);
  });
});
