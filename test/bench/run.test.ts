import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adapterFlags, runScript } from './run.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bench-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const bench = (...args: readonly string[]) => runScript('bench/run.ts', ...args);

describe('npm run bench', () => {
  test('measures, writes and compares', async () => {
    const file = join(folder, 'a.json');
    const flags = ['--rounds', '1', '--seconds', '0.1', ...adapterFlags];
    const first = await bench('resnet18.globalpool', '--variants', '--json', file, ...flags);
    expect(first).toMatchObject({ code: 0 });
    expect(first.stdout).toContain('resnet18.globalpool');
    expect(first.stdout).toContain('roof in these rounds');
    const { adapter, cases } = JSON.parse(readFileSync(file, 'utf8')) as { adapter: string; cases: object[] };
    expect(first.stdout.startsWith(adapter)).toBe(true);
    expect(cases.length).toBeGreaterThan(0);
    const second = await bench('resnet18.globalpool', '--compare', file, ...flags);
    expect(second.stdout).toMatch(/geometric mean: \d+\.\d+ × earlier/);
  });

  test('measures cases of the tests', async () => {
    const flags = ['--rounds', '1', '--seconds', '0.1', ...adapterFlags];
    const done = await bench('softmax', '--cases', ...flags);
    expect(done).toMatchObject({ code: 0 });
    expect(done.stdout.match(/softmax: /g)?.length).toBeGreaterThan(5);
  });

  test('roofline writes what it measured', async () => {
    const file = join(folder, 'roof.json');
    const done = await bench('roofline', '--seconds', '0.1', '--json', file, ...adapterFlags);
    expect(done).toMatchObject({ code: 0 });
    expect(done.stdout).toContain('fused multiply-add in registers');
    const { roof } = JSON.parse(readFileSync(file, 'utf8')) as { roof: Record<string, number> };
    expect(roof.multiplyAdd).toBeGreaterThan(0);
  });

  test.each([
    [/^error: 'nosuch' names no workload; families are .*\n$/, ['nosuch']],
    [/did you mean the command 'roofline'\?/, ['rofline']],
    [/unknown option '--round'/, ['softmax', '--round', '1']],
    [/there is no folder \/nosuch/, ['softmax', '--json', '/nosuch/a.json']],
    [/'nosuch' is no network; there are r3d/, ['models', 'mlp', 'nosuch']],
    [/there is no folder \/nosuch/, ['models', 'mlp', '--trace', '/nosuch/a.json']],
    [/'fgsm9' is no attack; there are fgsm/, ['attacks', 'fgsm9']],
    [/'vgg' is no network/, ['scaling', 'vgg']],
  ])('a mistake is told in a line and code 2: %s', async (message, args) => {
    const done = await bench(...args);
    expect(done).toMatchObject({ code: 2, stdout: '' });
    expect(done.stderr).toMatch(message);
    expect(done.stderr).not.toMatch(/^ +at /m);
  });

  test('help is code 0', async () => {
    expect(await bench('--help')).toMatchObject({ code: 0, stderr: '' });
  });
});
