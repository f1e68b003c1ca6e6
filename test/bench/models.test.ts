import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { measureFirstStep } from '../../bench/first-step.ts';
import type { Measured } from '../../bench/measure.ts';
import { measureModel, shareOfProfile } from '../../bench/models.ts';
import { formatFirstSteps } from '../../bench/models-report.ts';
import { dispose, networks, prepare, SIZES } from '../../bench/networks.ts';
import type { Bounds } from '../../bench/roof.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import type { AdapterChoice } from '../../src/node/gpu.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Profile, ProfiledDispatch } from '../../src/tensor/profile.ts';
import { openTestDevice } from '../open.ts';
import { adapterFlags, runScript } from './run.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const quick = { size: 'tiny', rounds: 1, roundTime: 0.01, seconds: 0.1 } as const;

test.each(Object.entries(networks))('%s gives logits for each sample of its batch', async (_, build) => {
  const prepared = prepare(device, build, SIZES.tiny);
  const { network, inputs } = prepared;
  const named = Object.fromEntries(network.modalities.map((modality, i) => [modality, inputs[i]]));
  const logits = device.scope(() => network.forward(named, EVALUATION).logits);
  expect(logits.shape).toEqual([SIZES.tiny.batch, SIZES.tiny.classes]);
  expect((await logits.read()).every(Number.isFinite)).toBe(true);
  logits.dispose();
  dispose(prepared);
});

describe('a measured network', () => {
  test('has three passes, each dearer than the one before, and leaves nothing behind', async () => {
    await device.idle();
    const { live } = device.memory();
    const lines = await measureModel(device, 'two-stream-amr', quick);
    expect(device.memory().live).toBe(live);
    expect(lines.map(({ pass }) => pass)).toEqual(['forward', 'input gradient', 'training step']);
    const dispatches = lines.map(({ eager }) => eager.dispatches);
    expect(dispatches).toEqual([...dispatches].sort((a, b) => a - b));
    for (const line of lines) {
      // A replay leaves out what nothing needs, and joins sums with the op they are for.
      expect(line.captured.dispatches).toBeLessThan(line.eager.dispatches);
      expect(line.profile.dispatches).toHaveLength(line.eager.dispatches);
      expect(line.samplesPerSecond).toBeCloseTo((1000 * line.batch) / line.captured.wall.median, 9);
      expect(line.plannedBytes).toBeLessThan(line.unplannedBytes);
      expect(line.peakBytes).toBeGreaterThan(4 * line.parameters);
      expect(line.share === undefined).toBe(!line.profile.timed);
      expect(line.leastBytes === undefined).toBe(line.pass !== 'training step');
    }
  });

  test('must be one of them', async () => {
    await expect(measureModel(device, 'alexnet', quick)).rejects.toThrow(
      /'alexnet' is no network; there are r3d/,
    );
  });
});

test('the share of a profile weighs kernels by their time', () => {
  const dispatch = (time: number | undefined, flops: number, bytes: number): ProfiledDispatch => ({
    ...{ kernel: 'k', groups: [1, 1, 1], bytes, flops, enqueued: 0, start: 0, time },
  });
  const bounds = { multiplyAdd: 1, copy: 1 };
  const of = (...dispatches: ProfiledDispatch[]): Profile => ({
    ...{ result: undefined, timed: true, wall: 1, kernels: [], dispatches },
  });
  expect(shareOfProfile(of(dispatch(1, 1e6, 0), dispatch(3, 0, 1e6)), bounds)).toBeCloseTo(0.5, 12);
  expect(shareOfProfile(of(dispatch(0, 1e6, 0), dispatch(2, 1e6, 0)), bounds)).toBeCloseTo(0.5, 12);
  expect(shareOfProfile(of(dispatch(undefined, 1e6, 0)), bounds)).toBeUndefined();
});

test('a first step that was warmed up waits for no compiler', async () => {
  const adapter = (process.env.KERNELWRIGHT_TEST_ADAPTER ?? 'auto') as AdapterChoice;
  const found = await measureFirstStep(adapter, 'st-gcn', 'tiny');
  const { cold, warmed, warmUp, pipelines } = found;
  expect(warmed).toBeLessThan(0.5 * cold);
  expect(warmUp).toBeGreaterThan(0);
  expect(pipelines).toBeGreaterThan(30);
  expect(formatFirstSteps([found])).toMatch(/first training step.*cold ms.*st-gcn/s);
});

test('npm run bench -- models prints tables and writes a trace', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'models-'));
  const [json, trace] = [join(folder, 'a.json'), join(folder, 'trace.json')];
  const flags = [
    '--size',
    'tiny',
    '--rounds',
    '1',
    '--seconds',
    '0.1',
    '--kernels',
    '2',
    '--no-first',
    ...adapterFlags,
  ];
  const done = await runScript(
    'bench/run.ts',
    'models',
    'st-gcn',
    'st-gcn',
    '--json',
    json,
    '--trace',
    trace,
    ...flags,
  );
  expect(done).toMatchObject({ code: 0 });
  expect(done.stdout).toMatch(/st-gcn\s*│ training step/);
  expect(done.stdout).toMatch(/\d+ others/);
  // Named twice, measured once.
  expect(done.stdout.match(/^st-gcn: roof in these rounds: C = [\d.]+ GFLOP\/s/gm)).toHaveLength(1);
  const { passes, rounds } = JSON.parse(readFileSync(json, 'utf8')) as {
    readonly rounds: number;
    readonly passes: readonly { readonly kernels: object[]; readonly captured: Measured; bounds: Bounds }[];
  };
  expect(rounds).toBe(1);
  expect(passes).toHaveLength(3);
  expect(passes[0]?.bounds.copy).toBeGreaterThan(0);
  const [, , step] = passes;
  expect(done.stdout).toMatch(
    new RegExp(`captured launches.*training step.* ${step?.captured.dispatches} │`, 's'),
  );
  expect(passes[0]?.kernels.length).toBeGreaterThan(2);
  const { traceEvents } = JSON.parse(readFileSync(trace, 'utf8')) as { traceEvents: object[] };
  expect(traceEvents.length).toBeGreaterThan(20);
  rmSync(folder, { recursive: true });
});
