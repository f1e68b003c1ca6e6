import { afterAll, beforeAll, describe, expect, type MockInstance, test, vi } from 'vitest';
import type { Device } from '../src/tensor/device.ts';
import { openTestDevice } from './open.ts';
import { checkCase } from './ops/check-case.ts';
import { FORCED, families } from './ops/index.ts';

let device: Device;
/** Sees every variant that is forced. */
let force: MockInstance<Map<string, string>['set']>;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  force = vi.spyOn(device.variants.forced, 'set');
});
afterAll(() => device.dispose());

test('every family has cases', () => {
  expect(Object.keys(families).filter((family) => families[family]?.length === 0)).toEqual([]);
});

/** `family=variant` of all that had a choice. */
const offered = new Set<string>();

function noteOffered(): void {
  for (const [family, names] of device.variants.offered)
    for (const name of names.size > 1 ? names : []) offered.add(`${family}=${name}`);
}

const only = process.env.OP; // `OP=softmax npx vitest run test/ops.test.ts`
describe.each(Object.entries(families).filter(([family]) => !only || family === only))(
  '%s',
  (family, cases) => {
    const forced = FORCED[family] ?? [];
    test.each(cases.map((opCase) => [opCase.name, opCase] as const))('%s', async (_, opCase) => {
      expect(await checkCase(device, opCase, forced)).toEqual([]);
      noteOffered();
    });
  },
);

test.runIf(!only)('every variant that some case could choose was forced in one', () => {
  const forced = new Set(force.mock.calls.map(([family, name]) => `${family}=${name}`));
  expect([...offered].filter((variant) => !forced.has(variant))).toEqual([]);
  expect(forced.size).toBeGreaterThan(20);
});
