import { expect, test } from 'vitest';
import { measurePrecision } from '../../scripts/precision.ts';
import { DeviceError } from '../../src/errors.ts';
import { openTestDevice } from '../open.ts';

test('a step in f16 owns less than three quarters of the memory of one in f32', async () => {
  const device = await openTestDevice();
  const measured = measurePrecision(device, { width: 4, batch: 8, rounds: 1 });
  if (!device.traits.f16) await expect(measured).rejects.toThrow(DeviceError);
  else {
    const [wide, narrow] = await measured;
    expect([wide?.precision, narrow?.precision]).toEqual(['f32', 'f16']);
    expect((narrow?.bytes ?? 1) / (wide?.bytes ?? 0)).toBeLessThan(0.75);
    expect(Math.min(wide?.milliseconds ?? 0, narrow?.milliseconds ?? 0)).toBeGreaterThan(0);
  }
  await device.dispose();
});
