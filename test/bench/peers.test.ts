import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { relativeError, sample } from '../../bench/peers/compare.ts';
import { channelsFirst, hostInputs, inverse, permute, permuteShape } from '../../bench/peers/inputs.ts';
import { measure } from '../../bench/peers/measure.ts';
import type { LibraryProcess } from '../../bench/peers/process.ts';
import type { LibraryName, Reply, Request } from '../../bench/peers/protocol.ts';
import { savedCases, saveJson, summary, toJson, writeResults } from '../../bench/peers/results.ts';
import { input, labels } from '../../bench/peers/specs.ts';
import {
  type Case,
  caseOf,
  compare,
  markdownTable,
  median,
  screenTable,
  worst,
} from '../../bench/peers/table.ts';
import type { Workload } from '../../bench/peers/workload.ts';
import { WORKLOADS } from '../../bench/peers/workloads.ts';

const COMPARISON = compare('lavapipe', [
  caseOf('matmul', 10, { jaxjs: 40, tfjs: 80, ort: 90 }, 1e-6),
  caseOf('gradient', 5, { jaxjs: 5, tfjs: null, ort: null }, 2e-5),
  caseOf('softmax', 4, { jaxjs: 8, tfjs: 6, ort: 64 }, 0),
  caseOf('sum', 2, { jaxjs: 32, tfjs: 64, ort: 18 }, 1e-7),
  caseOf('odd', 3, { jaxjs: null, tfjs: null, ort: null }, null),
]);

describe('the table', () => {
  it('divides the best peer by ours, and averages the ratios geometrically', () => {
    expect(COMPARISON.cases.map(({ ratio }) => ratio)).toEqual([4, 1, 1.5, 9, null]);
    expect(COMPARISON.geomean).toBeCloseTo((4 * 1 * 1.5 * 9) ** (1 / 4), 12);
    expect(compare('lavapipe', []).geomean).toBeNull();
  });

  it('names the three lowest ratios, lowest first, and last', () => {
    expect(worst(COMPARISON).map(({ name }) => name)).toEqual(['gradient', 'softmax', 'matmul']);
    const lines = summary(COMPARISON).split('\n');
    expect(lines[0]).toBe('geometric mean: 2.71×');
    expect(lines.slice(2)).toEqual(['  1.00×  gradient', '  1.50×  softmax', '  4.00×  matmul']);
  });

  it('has a row for each workload, with dashes where there is no figure', () => {
    const rows = screenTable(COMPARISON).split('\n');
    expect(rows).toHaveLength(6);
    expect(new Set(rows.map((row) => row.length)).size).toBe(1);
    expect(rows[2]!.split(/ {2,}/)).toEqual(['gradient', '5.00', '5.00', '–', '–', '1.00×', '2e-5']);
    expect(markdownTable(COMPARISON)).toContain('| matmul | 10.0 | 40.0 | 80.0 | 90.0 | 4.00× | 1e-6 |');
  });

  it('takes the middle of the times', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 100])).toBe(3.5);
  });
});

describe('the results', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'peers-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('are saved after each line, and gone on with', async () => {
    const file = join(folder, 'lines.json');
    expect(savedCases(file, 'lavapipe')).toEqual([]);
    const [first, second] = COMPARISON.cases as [Case, Case];
    await saveJson(file, compare('lavapipe', [first]));
    expect(savedCases(file, 'lavapipe')).toEqual([first]);
    await saveJson(file, compare('lavapipe', [first, second]));
    expect(savedCases(file, 'lavapipe')).toEqual([first, second]);
    expect(await readdir(folder)).toEqual(['lines.json']);
    expect(() => savedCases(file, 'swiftshader')).toThrow(
      `--resume: ${file} has lines of lavapipe, not of swiftshader`,
    );
  });

  it.each([
    ['[1', / is no JSON$/],
    ['{}', / is no file of bench:peers$/],
    ['null', / is no file of bench:peers$/],
    ['{"adapter": "lavapipe", "cases": [null]}', / is no file of bench:peers$/],
    ['{"adapter": "lavapipe", "cases": [{"name": "a", "wall": {}}]}', / is no file of bench:peers$/],
  ])('are not gone on with in a file of something else: %s', async (text, message) => {
    const file = join(folder, 'other.json');
    await writeFile(file, text);
    expect(() => savedCases(file, 'lavapipe')).toThrow(message);
  });

  it('are written as JSON with all fields, null where there is no figure', () => {
    const { adapter, cases, geomean } = JSON.parse(toJson(COMPARISON));
    expect({ adapter, geomean }).toEqual({ adapter: 'lavapipe', geomean: COMPARISON.geomean });
    expect(cases[1]).toEqual({
      name: 'gradient',
      ours: 5,
      peers: { jaxjs: 5, tfjs: null, ort: null },
      ratio: 1,
      error: 2e-5,
    });
  });

  it('make a page of all adapters', async () => {
    const results = join(folder, 'results');
    const page = join(folder, 'benchmarks.md');
    await writeResults({ ...COMPARISON, adapter: 'swiftshader' }, results, page);
    await writeResults(COMPARISON, results, page);
    expect(await readFile(join(results, 'lavapipe.json'), 'utf8')).toBe(toJson(COMPARISON));
    expect(await readFile(join(results, 'lavapipe.md'), 'utf8')).toContain('# lavapipe\n');
    const text = await readFile(page, 'utf8');
    expect(text.match(/^## .*/gm)).toEqual(['## lavapipe', '## swiftshader']);
    expect(text).toContain('Least ahead: gradient (1.00×); softmax (1.50×); matmul (4.00×).');
  });
});

describe('the comparison of results', () => {
  const expected = sample({ y: Float32Array.from([3, -4, 0]) });

  it('is relative, with elements near zero measured against the others', () => {
    expect(relativeError(sample({ y: Float32Array.from([3, -4, 0]) }), expected)).toBe(0);
    const rms = Math.sqrt(25 / 3);
    expect(relativeError(sample({ y: Float32Array.from([3, -4, 0.5]) }), expected)).toBeCloseTo(0.5 / rms, 6);
    expect(relativeError(sample({ y: Float32Array.from([3, -5, 0]) }), expected)).toBeCloseTo(
      1 / (4 + rms),
      6,
    );
  });

  it.each([
    ['misses a result', {}],
    ['has another size', { y: Float32Array.from([3, -4]) }],
    ['has NaN', { y: Float32Array.from([Number.NaN, -4, 0]) }],
    ['has Infinity', { y: Float32Array.from([3, Number.POSITIVE_INFINITY, 0]) }],
  ])('is infinite where the peer %s', (_, found) => {
    expect(relativeError(sample(found as Record<string, Float32Array>), expected)).toBe(Infinity);
  });

  it('sees the first and last elements of a large result', () => {
    const values = Float32Array.from({ length: 100_003 }, (_, i) => i);
    const { y } = sample({ y: values });
    expect(y).toHaveLength(3000);
    expect([y![0], y![999], y![1000], y![1999]]).toEqual([0, 999, 99_003, 100_002]);
  });
});

describe('the inputs', () => {
  const tiny: Workload = {
    name: 'tiny',
    inputs: { x: input([100, 100], 2), labels: labels([500], 7) },
    body: { kind: 'forward', apply: (ops, { x }) => ({ y: ops.softmax(x!) }), role: 'plain' },
    tolerance: 1e-3,
  };

  it('are the same at every call, of the distribution asked for', () => {
    const { x, labels: classes } = hostInputs(tiny);
    expect(hostInputs(tiny)).toEqual({ x, labels: classes });
    const variance = [...x!].reduce((sum, value) => sum + value * value, 0) / x!.length;
    expect(variance).toBeGreaterThan(3.7);
    expect(variance).toBeLessThan(4.3);
    expect(new Set(classes)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6]));
  });

  it('move channels to the front and back', () => {
    const shape = [2, 3, 4, 5];
    const x = Float32Array.from({ length: 120 }, (_, i) => i);
    const order = channelsFirst(4, 'image');
    const first = permute(x, shape, order);
    expect(permuteShape(shape, order)).toEqual([2, 5, 3, 4]);
    // [1, 4, 2, 3] of [N, C, H, W] is [1, 2, 3, 4] of [N, H, W, C].
    expect(first[((1 * 5 + 4) * 3 + 2) * 4 + 3]).toBe(x[((1 * 3 + 2) * 4 + 3) * 5 + 4]);
    expect(permute(first, permuteShape(shape, order), inverse(order))).toEqual(x);
    expect(permuteShape([3, 3, 8, 16], channelsFirst(4, 'kernel'))).toEqual([16, 8, 3, 3]);
  });

  it('have names of their own in every workload', () => {
    const names = WORKLOADS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { body, inputs } of WORKLOADS) {
      const wanted = body.kind === 'gradient' || body.kind === 'step' ? body.wrt : Object.keys(inputs);
      expect(Object.keys(inputs)).toEqual(expect.arrayContaining([...wanted]));
    }
  });
});

/** A library that answers at once, and writes down who was asked what. */
function pretend(name: LibraryName, log: string[], answer: (request: Request) => Reply): LibraryProcess {
  const ask = async (request: Request) => {
    log.push(`${name} ${request.ask}`);
    return answer(request);
  };
  return { name, ask } as unknown as LibraryProcess;
}

function answers(ms: number, value: number): (request: Request) => Reply {
  return ({ ask }) => {
    if (ask === 'prepare') return { told: 'prepared', samples: { y: [value, 1] }, ms };
    return ask === 'time' ? { told: 'timed', ms } : { told: 'done' };
  };
}

describe('measuring', () => {
  const workload = WORKLOADS[0]!;

  it('interleaves ours with each peer', async () => {
    const log: string[] = [];
    const ours = pretend('ours', log, answers(100, 2));
    const peers = [pretend('jaxjs', log, answers(300, 2.0001)), pretend('tfjs', log, answers(200, 2))];
    const { line, notes } = await measure(workload, ours, peers, 2);
    const round = ['ours time', 'jaxjs time', 'ours time', 'tfjs time'];
    expect(log.filter((entry) => entry.endsWith('time'))).toEqual([...round, ...round]);
    expect(line).toMatchObject({ ours: 100, peers: { jaxjs: 300, tfjs: 200, ort: null }, ratio: 2 });
    expect(line.error).toBeGreaterThan(0);
    expect(notes).toEqual([]);
  });

  it('goes on without a peer that ends half way', async () => {
    const log: string[] = [];
    const good = answers(200, 2);
    const fails = (request: Request): Reply =>
      request.ask === 'time' ? { told: 'failed', why: 'device lost' } : good(request);
    const peers = [pretend('jaxjs', log, fails), pretend('tfjs', log, good)];
    const { line, notes } = await measure(workload, pretend('ours', log, answers(100, 2)), peers, 2);
    expect(line).toMatchObject({ peers: { jaxjs: null, tfjs: 200 }, ratio: 2 });
    expect(notes).toEqual([{ workload: workload.name, peer: 'jaxjs', why: 'failed: device lost' }]);
    expect(log.filter((entry) => entry === 'jaxjs time')).toHaveLength(1);
  });

  it('throws where ours fails', async () => {
    const log: string[] = [];
    const ours = pretend('ours', log, () => ({ told: 'failed', why: 'no memory' }));
    await expect(measure(workload, ours, [], 1)).rejects.toThrow(/ours failed.*no memory/);
  });

  it('gives no figure to a peer that lacks the op, fails, or is wrong, and says why', async () => {
    const log: string[] = [];
    const peers = [
      pretend('jaxjs', log, answers(1, 3)),
      pretend('tfjs', log, () => ({ told: 'lacks', why: 'no such op' })),
      pretend('ort', log, () => ({ told: 'failed', why: 'out of memory' })),
    ];
    const { line, notes } = await measure(workload, pretend('ours', log, answers(100, 2)), peers, 1);
    expect(line).toMatchObject({ peers: { jaxjs: null, tfjs: null, ort: null }, ratio: null, error: null });
    expect(notes.map(({ peer, why }) => `${peer} ${why}`)).toEqual([
      expect.stringMatching(/^jaxjs wrong: its result is off by 2\.\de-1$/),
      'tfjs lacks: no such op',
      'ort failed: out of memory',
    ]);
    expect(log.filter((entry) => entry.endsWith('time'))).toEqual(['ours time']);
  });
});
