import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as kernelwright from '../../src/index.ts';
import { Layer } from '../../src/nn/module.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { filesIn, textOf } from '../structure/source.ts';
import { examplesOf, runExample } from './examples.ts';

const PAGE = 'docs/layers.md';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

test('every public class of src/nn stands in the page', () => {
  const own = filesIn('src/nn', '.ts').flatMap(
    (file) => textOf(file).match(/(?<=^export class )\w+/gm) ?? [],
  );
  const page = readFileSync(PAGE, 'utf8');
  const shown = own.filter((name) => name in kernelwright && name !== Layer.name);
  expect(shown.length).toBeGreaterThan(15);
  expect(shown.filter((name) => !new RegExp(`\`(new )?${name}\\b`).test(page))).toEqual([]);
});

test('the example prints what it says', async () => {
  const [code] = examplesOf(PAGE);
  const { printed, promised } = await runExample(code as string, device);
  expect(promised).toEqual(['true']);
  expect(printed).toEqual(promised);
});
