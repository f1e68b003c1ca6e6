import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Device } from '../src/tensor/device.ts';
import { openTestDevice } from './open.ts';
import { checkCase } from './ops/check-case.ts';
import { families } from './ops/index.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

test('every family has cases', () => {
  expect(Object.keys(families).filter((family) => families[family]?.length === 0)).toEqual([]);
});

const only = process.env.OP; // `OP=softmax npx vitest run test/ops.test.ts`
describe.each(Object.entries(families).filter(([family]) => !only || family === only))('%s', (_, cases) => {
  test.each(cases.map((opCase) => [opCase.name, opCase] as const))('%s', async (_, opCase) => {
    expect(await checkCase(device, opCase)).toEqual([]);
  });
});
