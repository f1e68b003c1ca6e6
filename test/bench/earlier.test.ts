import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkCommon, formatAdapters, ratioOf, readResults } from '../../bench/earlier.ts';
import { formatLines, writeResults } from '../../bench/report.ts';
import { select, shapes } from '../../bench/shapes/index.ts';
import { line } from './line.ts';
import { runScript } from './run.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'earlier-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const bounds = { multiplyAdd: 1, copy: 1 };
const cases = [line('a', 'v=slow', true, [10, 12]), line('b', undefined, true, [1, 2])];
const results = { adapter: 'test', measured: '', rounds: 1, bounds, cases };

test('results are read as they were written, and compared line by line', () => {
  const file = join(folder, 'a.json');
  writeResults(file, results);
  const earlier = readResults(file);
  expect(earlier.cases).toHaveLength(2);
  const now = [line('a', undefined, true, [2, 3]), line('b', undefined, true, [1, 2])];
  const table = formatLines([...now, line('c', undefined, true, [1, 1])], earlier);
  expect(table).toContain('4.00');
  expect(table).toContain('geometric mean: 2.00 × earlier');
  expect(formatLines(now)).not.toContain('earlier');
});

test('what took no time has no ratio', () => {
  const nothing = line('a', undefined, true, [0, 0]);
  expect(ratioOf(nothing, results)).toBeUndefined();
  expect(ratioOf(line('a', undefined, true, [1, 1]), { ...results, cases: [nothing] })).toBeUndefined();
});

describe('a file that is no result', () => {
  const wall = { min: 1, median: 1, max: 1 };
  const none = /holds no results of 'npm run bench -- \[op…\] --json'$/;
  test.each([
    ['has other fields', '{}', none],
    ['is null', 'null', none],
    ['has a case that is null', '{"adapter": "a", "cases": [null]}', none],
    ['has a case without times', '{"adapter": "a", "cases": [{"name": "a", "picked": true}]}', none],
    [
      'is of bench:peers',
      JSON.stringify({ adapter: 'a', cases: [{ name: 'a', ours: 1, peers: {}, ratio: 1 }] }),
      none,
    ],
    ['has no adapter', JSON.stringify({ cases: [{ name: 'a', picked: true, wall }] }), none],
    ['is no JSON', '{\n"a', /\.json is no JSON$/],
  ])('because it %s is refused in one line', (_, text, message) => {
    const file = join(folder, 'other.json');
    writeFileSync(file, text);
    expect(() => readResults(file)).toThrow(message);
    expect(() => readResults(file)).toThrow(/^[^\n]*other\.json [^\n]*$/);
  });

  test('because it is not there says so', () => {
    expect(() => readResults(join(folder, 'none.json'))).toThrow(/none.json cannot be read: ENOENT/);
  });
});

test('there must be a workload in common', () => {
  const [pool] = select(shapes, ['resnet18.globalpool']);
  if (!pool) throw new Error('no such workload');
  const of = (...names: string[]) => ({
    ...results,
    cases: names.map((name) => line(name, undefined, true, [1, 1])),
  });
  checkCommon('x.json', of('a', pool.name), [pool], false);
  checkCommon('x.json', of(`${pool.name} grad`), [pool], true);
  for (const earlier of [of(), of('a'), of(`${pool.name} grad`)])
    expect(() => checkCommon('x.json', earlier, [pool], false)).toThrow('no workload in common with x.json');
});

test('two adapters are named', () => {
  expect(formatAdapters('test', undefined)).toBe('');
  expect(formatAdapters('test', results)).toBe('');
  expect(formatAdapters('other', results)).toBe(
    'two adapters are compared: this is other; earlier was test\n',
  );
});

test('all this is found out before anything is measured', async () => {
  const file = join(folder, 'a.json');
  writeResults(file, results);
  const done = await runScript('bench/run.ts', 'softmax', '--compare', file);
  expect(done).toEqual({ code: 2, stdout: '', stderr: `error: no workload in common with ${file}\n` });
});
