import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as kernelwright from '../../src/index.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { examplesOf, runExample } from './examples.ts';

const PAGE = 'docs/weights.md';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

test.each(examplesOf(PAGE).map((code, i) => [i + 1, code] as const))(
  'example %i prints what it says',
  async (_, code) => {
    const { printed, promised } = await runExample(code, device);
    expect(promised.length).toBeGreaterThan(0);
    expect(printed).toEqual(promised);
  },
);

test('every function of the page is exported', () => {
  const named = [...readFileSync(PAGE, 'utf8').matchAll(/`(\w+)\(/g)].map(([, name]) => name as string);
  expect(named.length).toBeGreaterThan(5);
  const others = ['onProgress', 'torchState'];
  expect(named.filter((name) => !(name in kernelwright) && !others.includes(name))).toEqual([]);
});

test('the first example has at most five statements', () => {
  const lines = (examplesOf(PAGE)[0] ?? '')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('import '));
  expect(lines.length).toBeLessThanOrEqual(5);
});
