import type { ChildProcess } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Results } from '../../experiments/results.ts';
import { ADAPTER, start, temporary } from './start.ts';

let base: string;
beforeAll(async () => {
  base = await temporary();
});

/** Interrupts the job when `pattern` shows up in its messages: twice, as a terminal and npm do at one Ctrl-C. */
function interruptAt(pattern: RegExp): (text: string, child: ChildProcess) => void {
  let done = false;
  return (text, child) => {
    if (done || !pattern.test(text)) return;
    done = child.kill('SIGINT');
    setTimeout(() => child.kill('SIGINT'), 10);
  };
}

describe('smoke', () => {
  const smoke = (out: string) => ['--preset', 'smoke', '--adapter', ADAPTER, '--out', join(base, out)];

  test('an interrupted and resumed run ends with the same bytes as an uninterrupted one', {
    timeout: 400_000,
  }, async () => {
    const whole = await start([...smoke('whole'), '--json']);
    expect(whole.code, whole.err).toBe(0);

    const first = await start(smoke('parts'), interruptAt(/train concat-natural 2/));
    expect(first.code, first.err).toBe(130);
    expect(first.err).toMatch(/interrupted; go on with: npm start -- --resume '/);
    const second = await start(['--resume', join(base, 'parts')], interruptAt(/attack amr-pgd pgd3-rgb/));
    expect(second.code, second.err).toBe(130);
    expect(second.err).toMatch(/interrupted; go on with/);
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

test('--help names every flag and ends well', async () => {
  const { code, out } = await start(['--help']);
  expect(code).toBe(0);
  for (const flag of [
    'data',
    'preset',
    'models',
    'skeleton-network',
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
  expect(out).toContain('Exit codes: 0 done, 2 something to mend (one line says what), 130 interrupted');
});
