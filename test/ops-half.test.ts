import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DeviceError } from '../src/errors.ts';
import type { Device } from '../src/tensor/device.ts';
import { openTestDevice } from './open.ts';
import { checkCase, inputsOf, upload } from './ops/check-case.ts';
import { halfCases } from './ops/half.ts';
import { FORCED, families } from './ops/index.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const only = process.env.OP;
const chosen = Object.entries(families)
  .map(([family, cases]) => [family, halfCases(family, cases)] as const)
  .filter(([family, cases]) => cases.length > 0 && (!only || family === only));

describe.each(chosen)('%s', (family, cases) => {
  test.each(cases.map((opCase) => [opCase.name, opCase] as const))('%s', async (_, opCase) => {
    if (device.traits.f16) expect(await checkCase(device, opCase, FORCED[family] ?? [])).toEqual([]);
    else expect(() => upload(device, opCase, inputsOf(opCase))).toThrow(DeviceError);
  });
});
