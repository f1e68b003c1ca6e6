import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { keepRoof, knownRoof, type Roof, shareOf } from '../../bench/roof.ts';
import { formatRoof, LAUNCHES, measureRoof, smallOps } from '../../bench/roofline.ts';
import { capture } from '../../src/tensor/capture.ts';
import { openTestDevice } from '../open.ts';

const ROOF: Roof = {
  ...{ multiplyAdd: 40, copy: 8, copyScalar: 2, workgroupMemory: 5, barrier: 0.5, zeroing: 3 },
  ...{ dispatch: 9, replayed: 2, smallOp: 20, pipeline: 60, upload: 10, readback: 1 },
};

test('every figure of an adapter is measured', async () => {
  const device = await openTestDevice();
  const { live } = device.memory();
  const roof = await measureRoof(device, 0.1);
  expect(Object.keys(roof).sort()).toEqual(Object.keys(ROOF).sort());
  for (const [key, value] of Object.entries(roof)) {
    expect(value, key).toBeGreaterThan(0);
    expect(value, key).toBeLessThan(1e7);
  }
  expect(roof.smallOp).toBeGreaterThanOrEqual(roof.dispatch);
  expect(device.memory().live).toBe(live);
  device.dispose();
});

test('a replay of the small ops launches all of them', async () => {
  const device = await openTestDevice();
  const replay = capture(smallOps);
  const x = device.tensor([1]);
  for (let i = 0; i < 2; i++) expect(await replay(x).item()).toBe(1 + LAUNCHES);
  expect(replay.dispatches).toBe(LAUNCHES);
  device.dispose();
});

describe('the share of the roof', () => {
  test('is that of the bound which takes longer', () => {
    expect(shareOf(ROOF, { flops: 40e6, bytes: 4e6 }, 2)).toEqual({ share: 0.5, bound: 'compute' });
    expect(shareOf(ROOF, { flops: 4e6, bytes: 8e6 }, 4)).toEqual({ share: 0.25, bound: 'memory' });
    expect(shareOf(ROOF, { bytes: 8e6 }, 1)).toEqual({ share: 1, bound: 'memory' });
  });

  test('is unknown where the work is', () => {
    expect(shareOf(ROOF, {}, 1)).toBeUndefined();
    expect(shareOf(ROOF, { flops: undefined }, 1)).toBeUndefined();
  });
});

describe('a kept roof', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'roof-'));
    vi.stubEnv('XDG_CACHE_HOME', folder);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  test('is found under its adapter, and no other', () => {
    expect(knownRoof('A (driver 1.0)')).toBeUndefined();
    keepRoof({ adapter: 'A (driver 1.0)', measured: 'then', roof: ROOF });
    expect(knownRoof('A (driver 1.0)')).toEqual({ adapter: 'A (driver 1.0)', measured: 'then', roof: ROOF });
    expect(knownRoof('A driver 1.0')).toBeUndefined();
  });

  test('gets better, never worse: rates are most, costs are least', () => {
    keepRoof({ adapter: 'A', measured: '1', roof: ROOF });
    keepRoof({
      adapter: 'A',
      measured: '2',
      roof: { ...ROOF, multiplyAdd: 50, copy: 4, barrier: 0.4, dispatch: 10 },
    });
    expect(knownRoof('A')).toEqual({
      ...{ adapter: 'A', measured: '2' },
      roof: { ...ROOF, multiplyAdd: 50, barrier: 0.4 },
    });
  });

  test('that is no JSON is measured anew', () => {
    keepRoof({ adapter: 'A', measured: '1', roof: ROOF });
    const [file = ''] = readdirSync(join(folder, 'kernelwright'));
    writeFileSync(join(folder, 'kernelwright', file), '{');
    expect(knownRoof('A')).toBeUndefined();
  });
});

test('the table has every figure with its unit, and an earlier one beside it', () => {
  const earlier = { adapter: 'A', measured: '1', roof: { ...ROOF, multiplyAdd: 80 } };
  const table = formatRoof(ROOF, earlier);
  expect(table).toMatch(/fused multiply-add in registers\s*│\s*40.0 │\s*80.0 │ GFLOP\/s/);
  expect(table).toMatch(/barrier, 64 threads\s*│\s*0.500 │\s*0.500 │ µs/);
  expect(table.match(/GB\/s/g)).toHaveLength(5);
});
