import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Results } from '../../experiments/results.ts';
import { encodeSafetensors } from '../../src/formats/safetensors.ts';

interface Finished {
  code: number | null;
  out: string;
  err: string;
}

const adapter = process.env.KERNELWRIGHT_TEST_ADAPTER ?? 'auto';
let base: string;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'main-job-'));
});

/** Runs the main job as `npm start` does. `watch` sees its messages and may signal it. */
function start(
  args: readonly string[],
  watch?: (text: string, child: ChildProcess) => void,
): Promise<Finished> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'experiments/main.ts', ...args]);
  let [out, err] = ['', ''];
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    err += data.toString();
    watch?.(err, child);
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

/** Interrupts the job once, when `pattern` shows up in its messages. */
function interruptAt(pattern: RegExp): (text: string, child: ChildProcess) => void {
  let done = false;
  return (text, child) => {
    if (!done && pattern.test(text)) done = child.kill('SIGINT');
  };
}

describe('smoke', () => {
  const smoke = (out: string) => ['--preset', 'smoke', '--adapter', adapter, '--out', join(base, out)];

  test('an interrupted and resumed run ends with the same bytes as an uninterrupted one', {
    timeout: 400_000,
  }, async () => {
    const whole = await start([...smoke('whole'), '--json']);
    expect(whole.code, whole.err).toBe(0);

    const first = await start(smoke('parts'), interruptAt(/train concat-natural 2/));
    expect(first.code, first.err).toBe(130);
    expect(first.err).toMatch(/--resume/);
    const second = await start(['--resume', join(base, 'parts')], interruptAt(/attack amr-pgd pgd3-rgb/));
    expect(second.code, second.err).toBe(130);
    const last = await start(['--resume', join(base, 'parts')]);
    expect(last.code, last.err).toBe(0);

    const [a, b] = await Promise.all(
      ['whole', 'parts'].map((run) => readFile(join(base, run, 'results.json'), 'utf8')),
    );
    expect(b).toBe(a);
    expect(JSON.parse(whole.out)).toEqual(JSON.parse(a ?? ''));
    expect(last.out).toMatch(/amr .* pgd/);
    await checkRun(join(base, 'whole'), JSON.parse(a ?? '') as Results);
  });
});

async function checkRun(folder: string, results: Results): Promise<void> {
  expect(results.models.map(({ name, train }) => `${name}-${train}`)).toEqual([
    'rgb-natural',
    'skeleton-natural',
    'concat-natural',
    'concat-pgd',
    'amr-pgd',
  ]);
  const amr = results.models.at(-1);
  expect(amr?.robust).toHaveLength(2 * 3 * 2);
  expect(amr?.weights).toHaveLength(3);
  for (const { clean } of amr?.weights ?? []) expect(clean[0] + clean[1]).toBeCloseTo(2, 5);
  for (const { robust, attackedClean, n } of results.models) {
    expect([n, attackedClean.n]).toEqual([results.dataset.samples.test, 16]);
    for (const { accuracy, n } of robust) {
      expect(n).toBe(16);
      expect(accuracy).toBeLessThanOrEqual(attackedClean.accuracy);
    }
  }
  expect(await readFile(join(folder, 'report.html'), 'utf8')).toContain('<svg');
  const files = (await readdir(folder, { recursive: true })).map(String);
  expect(files.filter((name) => name.endsWith('.tmp'))).toEqual([]);
  expect(files.filter((name) => name.endsWith('.safetensors'))).toHaveLength(5);
}

test('a folder with skeletons alone: its network, trained both ways on all but the test subjects', {
  timeout: 200_000,
}, async () => {
  const folder = await writeSkeletons();
  const args = ['--data', folder, '--preset', 'smoke', '--adapter', adapter, '--json'];
  const { code, out, err } = await start([...args, '--out', join(base, 'skeletons')]);
  expect(code, err).toBe(0);
  const results = JSON.parse(out) as Results;
  expect(results.models.map(({ name, train }) => `${name}-${train}`)).toEqual([
    'skeleton-natural',
    'skeleton-pgd',
  ]);
  expect(results.holdOut).toBe(false);
  expect(results.dataset.samples).toEqual({ train: 8, validation: 4, test: 4 });
  for (const { training, robust } of results.models) {
    expect(training.best).toBe(training.epochs.length);
    expect(training.epochs.map(({ validation }) => validation)).toEqual(training.epochs.map(() => null));
    expect(new Set(robust.map(({ on }) => on))).toEqual(new Set(['skeleton']));
  }
});

/** Four subjects wave or stand still, twice each: three joints in a chain, 1 mm units. */
async function writeSkeletons(): Promise<string> {
  const folder = await mkdtemp(join(base, 'waves-'));
  const [frames, joints] = [10, 3];
  const sequences = Array.from({ length: 16 }, (_, i) => ({
    label: i % 2,
    subject: Math.floor(i / 4) + 1,
    frames,
    skeletonOffset: i * frames,
  }));
  const data = Int16Array.from({ length: 16 * frames * joints * 3 }, (_, k) => {
    const [t, v] = [Math.floor(k / 9) % frames, Math.floor(k / 3) % joints];
    const wave = Math.floor(k / (9 * frames)) % 2 === 1 && k % 3 === 0 ? v * 200 * Math.sin(t) : 0;
    return Math.round(v * 300 + wave + ((k * 37) % 11));
  });
  const about = {
    name: 'waves',
    title: 'Waves',
    classes: ['still', 'wave'],
    joints: ['hip', 'chest', 'head'],
    parents: [-1, 0, 1],
    video: null,
    skeleton: { scale: 0.001 },
    splits: { 'cross-subject': { train: { subjects: [1, 2, 3] }, test: { subjects: [4] } } },
    sequences,
  };
  const tensor = { dtype: 'I16' as const, shape: [16 * frames, joints, 3], data };
  await writeFile(join(folder, 'dataset.json'), JSON.stringify(about));
  await writeFile(join(folder, 'dataset.safetensors'), encodeSafetensors([['skeleton', tensor]]));
  return folder;
}

describe('bad input ends with one line and code 2', () => {
  const fails = async (args: readonly string[], expected: RegExp) => {
    const { code, err, out } = await start(args);
    const lines = err.split('\n').filter((line) => line.startsWith('error'));
    expect({ code, out, lines }).toEqual({ code: 2, out: '', lines: [expect.stringMatching(expected)] });
    expect(err).not.toMatch(/^\s+at /m);
  };

  test('an unknown flag', () => fails(['--sed'], /unknown option/));
  test('a missing folder', () => fails(['--data', join(base, 'nowhere')], /nowhere is not a folder/));
  test('a run that is not there', () => fails(['--resume', 'nowhere'], /no run 'nowhere'/));
  test('an adapter that is not there', () =>
    fails(['--adapter', 'gpu', '--preset', 'smoke', '--out', join(base, 'gpu')], /gpu/i));
  test('a folder that holds a run', async () => {
    await writeFile(join(base, 'config.json'), '{}');
    await fails(['--out', base], /already holds a run/);
  });
  test.each([
    ['{}', 'preset'],
    ['null', 'preset'],
    ['[1]', 'preset'],
    ['{"options": {"preset": "smoke", "seed": "1"}}', 'seed'],
  ])('a config.json that is %s', async (text, field) => {
    const folder = await mkdtemp(join(base, 'other-'));
    await writeFile(join(folder, 'config.json'), text);
    const expected = `config\\.json does not say how a run began: ${field} is missing or unknown`;
    await fails(['--resume', folder], new RegExp(expected));
  });
  test('a truncated data set', async () => {
    const folder = await mkdtemp(join(base, 'broken-'));
    await writeFile(join(folder, 'dataset.json'), '{"name":"broken"}');
    await writeFile(join(folder, 'dataset.safetensors'), 'abc');
    await fails(['--data', folder], /broken|dataset/);
  });
  test('a checkpoint of another architecture', async () => {
    const folder = join(base, 'foreign');
    await cp(join(base, 'whole'), folder, { recursive: true });
    const bytes = encodeSafetensors([['x', { dtype: 'F32', shape: [1], data: new Float32Array(1) }]]);
    await writeFile(join(folder, 'checkpoints/rgb-natural.safetensors'), bytes);
    await fails(['--resume', folder], /rgb-natural\.safetensors.*another network/);
  });
});

test('--help names every flag and ends well', async () => {
  const { code, out } = await start(['--help']);
  expect(code).toBe(0);
  for (const flag of [
    'data',
    'preset',
    'models',
    'attacks',
    'eps',
    'train',
    'hold-out',
    'seed',
    'out',
    'adapter',
    'resume',
    'json',
  ]) {
    expect(out).toContain(`--${flag}`);
  }
});
