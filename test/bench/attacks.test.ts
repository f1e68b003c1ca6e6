import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { attacks, formatAttacks, measureAttacks } from '../../bench/attacks.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { adapterFlags, runScript } from './run.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const quick = { size: 'tiny', rounds: 1, roundTime: 0.01 } as const;

test('attacks are measured and leave nothing behind', async () => {
  const before = device.memory().live;
  const lines = await measureAttacks(device, ['fgsm', 'pgd-linf'], quick);
  expect(device.memory().live).toBe(before);
  expect(lines.map(({ attack, steps, batch }) => [attack, steps, batch])).toEqual([
    ['fgsm', 1, 2],
    ['pgd-linf', 10, 2],
  ]);
  for (const { rate, batch, steps, measured } of lines) {
    expect(rate).toBeCloseTo((1000 * batch * steps) / measured.wall.median, 6);
    // Kernels and wall are of one call, so kernels take no more than all of it, but for two clocks.
    if (measured.gpu) expect(measured.outside).toBeGreaterThan(-0.05);
    if (measured.gpu) expect(measured.outside).toBeLessThan(1);
  }
  expect(formatAttacks(lines)).toMatch(/pgd-linf.*10/);
  expect(Object.keys(attacks).length).toBeGreaterThan(15);
});

test('a name that is none is a RangeError', async () => {
  await expect(measureAttacks(device, ['pgd9'], quick)).rejects.toThrow(
    /'pgd9' is no attack; there are fgsm/,
  );
});

test('npm run bench -- attacks writes what it measured, each attack once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'attacks-'));
  const file = join(folder, 'a.json');
  const flags = ['--size', 'tiny', '--rounds', '1', '--json', file, ...adapterFlags];
  const done = await runScript('bench/run.ts', 'attacks', 'fgsm', 'fgsm', ...flags);
  expect(done).toMatchObject({ code: 0 });
  expect(done.stdout.match(/fgsm/g)).toHaveLength(1);
  const found = JSON.parse(readFileSync(file, 'utf8')) as object;
  expect(found).toMatchObject({ rounds: 1, size: 'tiny', attacks: [{ attack: 'fgsm' }] });
  rmSync(folder, { recursive: true });
});
