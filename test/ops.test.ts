import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Device } from '../src/tensor/device.ts';
import { openTestDevice } from './open.ts';
import { checkCase } from './ops/check-case.ts';
import { FORCED, families } from './ops/index.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

test('every family has cases', () => {
  expect(Object.keys(families).filter((family) => families[family]?.length === 0)).toEqual([]);
});

/** `family=variant` of all that had a choice, and of those that were forced. */
const seen = { offered: new Set<string>(), forced: new Set<string>() };

function note(forced: readonly string[]): void {
  for (const [family, names] of device.variants.offered) {
    for (const name of names.size > 1 ? names : []) {
      seen.offered.add(`${family}=${name}`);
      if (forced.includes(family)) seen.forced.add(`${family}=${name}`);
    }
  }
}

const only = process.env.OP; // `OP=softmax npx vitest run test/ops.test.ts`
describe.each(Object.entries(families).filter(([family]) => !only || family === only))(
  '%s',
  (family, cases) => {
    const forced = FORCED[family] ?? [];
    test.each(cases.map((opCase) => [opCase.name, opCase] as const))('%s', async (_, opCase) => {
      expect(await checkCase(device, opCase, forced)).toEqual([]);
      note(forced);
    });
  },
);

test.runIf(!only)('every variant that some case could choose was forced in one', () => {
  expect([...seen.offered].filter((variant) => !seen.forced.has(variant))).toEqual([]);
  expect(seen.forced.size).toBeGreaterThan(20);
});
