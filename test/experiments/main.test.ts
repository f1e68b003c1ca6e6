import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Results } from '../../experiments/results.ts';
import { encodeSafetensors } from '../../src/nn/safetensors.ts';

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
  for (const { robust, clean } of results.models)
    for (const { accuracy } of robust) expect(accuracy).toBeLessThanOrEqual(clean);
  expect(await readFile(join(folder, 'report.html'), 'utf8')).toContain('<svg');
  const files = (await readdir(folder, { recursive: true })).map(String);
  expect(files.filter((name) => name.endsWith('.tmp'))).toEqual([]);
  expect(files.filter((name) => name.endsWith('.safetensors'))).toHaveLength(5);
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
    'seed',
    'out',
    'adapter',
    'resume',
    'json',
  ]) {
    expect(out).toContain(`--${flag}`);
  }
});
