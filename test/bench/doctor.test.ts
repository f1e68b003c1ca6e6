import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { type Chosen, diagnose, type Facts } from '../../bench/diagnosis.ts';
import type { Roof } from '../../bench/roof.ts';
import { adapterFlags, runScript } from './run.ts';

const ROOF: Roof = {
  ...{ multiplyAdd: 40, copy: 8, copyScalar: 2, workgroupMemory: 5, barrier: 0.5, zeroing: 3 },
  ...{ dispatch: 9, replayed: 2, smallOp: 20, pipeline: 60, upload: 10, readback: 1 },
};
const GPU: Chosen = {
  ...{ kind: 'gpu', description: 'Some GPU', features: ['shader-f16', 'subgroups', 'timestamp-query'] },
  limits: {},
  traits: {
    ...{ software: false, architecture: 'ampere', vendor: 'nvidia', description: 'Some GPU' },
    ...{ subgroups: true, f16: true, subgroupMinSize: 32, subgroupMaxSize: 32 },
    ...{ maxInvocations: 1024, maxWorkgroupBytes: 49152 },
  },
  ...{ roof: ROOF, known: undefined },
};
const WELL: Facts = {
  ...{ node: 'v20.20.2', platform: 'linux x64', wsl: false, driverVariable: undefined },
  ...{ manifests: ['nvidia_icd.json'], gpuNodes: ['nvidia0'] },
  adapters: {
    gpu: { description: 'Some GPU' },
    lavapipe: { error: 'no driver' },
    swiftshader: { description: 'SwiftShader' },
  },
  ...{ asked: 'auto', chosen: GPU },
};
const NO_GPU = { ...WELL.adapters, gpu: { error: 'none' } };

describe('diagnose', () => {
  test('finds nothing where all is well', () => {
    expect(diagnose(WELL)).toEqual([]);
  });

  const cases: readonly [string, Partial<Facts>, 'problem' | 'slow' | 'note', RegExp, RegExp][] = [
    ['an old Node', { node: 'v20.10.0' }, 'problem', /v20.10.0 is older than 20.11/, /nodejs.org/],
    [
      'no adapter',
      {
        adapters: { gpu: { error: 'a' }, lavapipe: { error: 'b' }, swiftshader: { error: 'c' } },
        ...{ gpuNodes: [], chosen: undefined },
      },
      ...(['problem', /gpu: a; lavapipe: b; swiftshader: c/, /npm i webgpu @sparticuz\/chromium/] as const),
    ],
    [
      'no such adapter as was asked for',
      { asked: 'lavapipe', chosen: undefined },
      ...(['problem', /^adapter 'lavapipe' does not open$/, /Mesa 24 or newer.*--adapter auto/] as const),
    ],
    [
      'lavapipe that Dawn refuses',
      { manifests: ['lvp_icd.x86_64.json'] },
      ...(['problem', /Dawn refuses that of Mesa below 24/, /Mesa 24 or newer/] as const),
    ],
    [
      'lavapipe of an old Mesa',
      { adapters: { ...WELL.adapters, lavapipe: { description: 'llvmpipe (Mesa 22.3.6)' } } },
      ...(['problem', /of Mesa 22/, /Mesa 24/] as const),
    ],
    [
      'an NVIDIA GPU without its Vulkan part',
      { adapters: NO_GPU },
      ...(['slow', /there is a GPU \(nvidia0\)/, /NVIDIA_DRIVER_CAPABILITIES=graphics/] as const),
    ],
    [
      'another GPU without a driver',
      { adapters: NO_GPU, gpuNodes: ['renderD128'] },
      ...(['slow', /renderD128/, /mesa-vulkan-drivers.*group render/] as const),
    ],
    [
      'a software adapter beside a GPU',
      { chosen: { ...GPU, kind: 'lavapipe', traits: { ...GPU.traits, software: true } } },
      ...(['slow', /lavapipe runs on the CPU, and there is a GPU: Some GPU/, /--adapter gpu/] as const),
    ],
    [
      'WSL',
      { wsl: true, adapters: NO_GPU, gpuNodes: [] },
      ...(['slow', /Direct3D/, /run in Windows itself/] as const),
    ],
    ['chosen drivers', { driverVariable: '/x.json' }, 'note', /only the drivers of \/x.json/, /unset/],
    [
      'no subgroups',
      { chosen: { ...GPU, features: ['shader-f16', 'timestamp-query'] } },
      ...(['slow', /no subgroups: matmul/, /newer driver/] as const),
    ],
    [
      'no timestamps',
      { chosen: { ...GPU, features: ['shader-f16', 'subgroups'] } },
      ...(['note', /no timestamp-query/, /newer driver/] as const),
    ],
    [
      'a busy machine',
      { chosen: { ...GPU, known: { adapter: 'a', measured: 'then', roof: { ...ROOF, multiplyAdd: 80 } } } },
      ...(['slow', /50 % of the best seen here \(then\)/, /measure again/] as const),
    ],
  ];
  test.each(cases)('%s', (_, change, level, what, remedy) => {
    const findings = diagnose({ ...WELL, ...change });
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({
      level,
      what: expect.stringMatching(what),
      remedy: expect.stringMatching(remedy),
    });
  });

  test('does not call small differences busy, nor WSL with a GPU slow', () => {
    const known = { adapter: 'a', measured: 'then', roof: { ...ROOF, multiplyAdd: 60 } };
    expect(diagnose({ ...WELL, wsl: true, chosen: { ...GPU, known } })).toEqual([]);
  });

  test('puts problems first', () => {
    const findings = diagnose({
      ...WELL,
      ...{ driverVariable: 'x', node: 'v18.0.0', chosen: { ...GPU, features: ['shader-f16'] } },
    });
    expect(findings.map(({ level }) => level)).toEqual(['problem', 'slow', 'note', 'note']);
  });
});

describe('npm run doctor', () => {
  test('prints and writes what it found', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'doctor-'));
    const file = join(folder, 'a.json');
    const done = await runScript('bench/doctor.ts', '--seconds', '0.1', '--json', file, ...adapterFlags);
    expect(done).toMatchObject({ code: 0 });
    for (const part of ['Node', 'maxBufferSize', 'trait subgroupMinSize', 'fused multiply-add'])
      expect(done.stdout).toContain(part);
    const { chosen, findings } = JSON.parse(readFileSync(file, 'utf8')) as Facts & { findings: object[] };
    expect(chosen?.roof?.copy).toBeGreaterThan(0);
    expect(done.stdout.match(/→/g)?.length ?? 0).toBe(findings.length);
    rmSync(folder, { recursive: true });
  });

  test('an adapter that does not open is a finding and code 2', async () => {
    // `auto` looks at these drivers only; that is also the note.
    vi.stubEnv('VK_DRIVER_FILES', '/none.json');
    const done = await runScript('bench/doctor.ts', '--adapter', 'auto');
    vi.unstubAllEnvs();
    expect(done).toMatchObject({ code: 2 });
    expect(done.stdout).toMatch(/problem: (adapter 'auto' does not open|no adapter opens)/);
    expect(done.stdout).not.toContain('nothing to mend');
    expect(done.stderr).not.toContain('error');
  });

  test.each([
    ['--adapter', 'nosuch', /'nosuch' is invalid/],
    ['--seconds', 'abc', /needs a number above 0/],
    ['--json', '/nosuch/a.json', /there is no folder \/nosuch/],
  ])('%s %s is one line and code 2', async (option, value, message) => {
    const done = await runScript('bench/doctor.ts', option, value);
    expect(done).toMatchObject({ code: 2, stdout: '' });
    expect(done.stderr).toMatch(message);
    expect(done.stderr).toMatch(/^error: .*\n$/);
  });
});
