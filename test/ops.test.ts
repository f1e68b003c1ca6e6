import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Device } from '../src/tensor/device.ts';
import { openTestDevice } from './open.ts';
import { checkCase } from './ops/check-case.ts';
import { families, variants } from './ops/index.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

test('every family has cases', () => {
  expect(Object.keys(families).filter((family) => families[family]?.length === 0)).toEqual([]);
});

test('every family of variants is forced by the cases of one op family', () => {
  const folder = new URL('../src/kernels/', import.meta.url);
  const texts = readdirSync(folder)
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(new URL(file, folder), 'utf8'));
  const chosen = texts.flatMap((text) =>
    [...text.matchAll(/variants\.choose\(\s*'(\w+)'/g)].map((m) => m[1]),
  );
  expect([...new Set(chosen)].toSorted()).toEqual(Object.values(variants).flat().toSorted());
});

const only = process.env.OP; // `OP=softmax npx vitest run test/ops.test.ts`
describe.each(Object.entries(families).filter(([family]) => !only || family === only))(
  '%s',
  (family, cases) => {
    test.each(cases.map((opCase) => [opCase.name, opCase] as const))('%s', async (_, opCase) => {
      expect(await checkCase(device, opCase, variants[family])).toEqual([]);
    });
  },
);
