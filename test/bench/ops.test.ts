import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BenchCase, gradientOf, workload } from '../../bench/case.ts';
import { type Line, measureOps, wrongPicks } from '../../bench/ops.ts';
import { formatLines, formatWrongPicks } from '../../bench/report.ts';
import { measurable, opCases, select, shapes } from '../../bench/shapes/index.ts';
import { convVariants } from '../../src/kernels/conv-launch.ts';
import { convShape } from '../../src/kernels/conv-shape.ts';
import { softmax } from '../../src/kernels/softmax.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { line } from './line.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const quick = { rounds: 1, roundTime: 0.01, seconds: 0.1, variants: false, grad: false };

describe('workloads', () => {
  const all = Object.values(shapes).flat();

  test('have names of their own, after their use', () => {
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    for (const { name } of all) expect(name).toMatch(/^[a-z0-9]+(\.[A-Za-z0-9]+)*( grad)?$/);
  });

  test('every case of test/ops is one too', () => {
    const cases = Object.values(opCases).flat();
    expect(cases.length).toBeGreaterThan(200);
    expect(Object.keys(shapes)).toEqual(expect.arrayContaining(['matmul', 'conv', 'attention']));
  });

  test('are selected by family and by part of a name, each once', () => {
    expect(select(shapes, [])).toEqual(all);
    expect(select(shapes, ['conv']).map(({ name }) => name)).toEqual(shapes.conv?.map(({ name }) => name));
    expect(select(shapes, ['stgcn.graphconv']).map(({ name }) => name)).toEqual([
      'stgcn.graphconv',
      'stgcn.graphconv.first',
    ]);
    expect(select(shapes, ['conv', 'conv3x3s2'])).toEqual(select(shapes, ['conv']));
    expect(() => select(shapes, ['matmul', 'nosuch'])).toThrow(
      /'nosuch' names no workload; families are matmul/,
    );
    expect(() => select(shapes, [''])).toThrow("'' names no workload");
    expect(() => select(shapes, ['constructor'])).toThrow("'constructor' names no workload");
    expect(() => select(shapes, ['model'])).toThrow("did you mean the command 'models'?");
  });

  test('that are for GPUs are measured on a software adapter by their whole name only', () => {
    const names = (ops: string[], software: boolean) =>
      measurable(select(shapes, ops), ops, software).map(({ name }) => name);
    expect(names(['square.matmul'], false)).toContain('square.matmul4096');
    expect(names(['square.matmul'], true)).toContain('square.matmul1024');
    expect(names(['square.matmul'], true)).not.toContain('square.matmul4096');
    expect(names(['square.matmul4096'], true)).toEqual(['square.matmul4096']);
  });

  const products = all.filter(({ flops = Number.POSITIVE_INFINITY }) => flops < 3.5e8);
  test.each(products)('$name counts the operations its kernels count', async (each) => {
    expect(await flopsOf(each)).toBe(each.flops);
    if (each.wrt.length > 0 && (each.flops ?? 0) < 7e7)
      expect(await flopsOf(gradientOf(each))).toBe(each.gradFlops);
  });

  async function flopsOf(each: BenchCase): Promise<number> {
    return device.scope(async () => {
      const inputs = each.make(device);
      // Strips of rows compute some scores that a causal mask hides.
      device.variants.forced.set('attention', 'tile');
      // Minimal filtering multiplies less than a convolution asks for.
      device.variants.forced.set('conv', 'register');
      const { kernels } = await device.profile(() => void each.op(inputs));
      device.variants.forced.clear();
      return kernels.reduce((sum, { flops }) => sum + (flops ?? 0), 0);
    });
  }
});

describe('measured lines', () => {
  test('a workload has times, rates and a share', async () => {
    const rows = workload('test.rows', {
      inputs: { x: [64, 100] },
      op: ({ x }) => softmax(x),
      ...{ writes: 4 * 6400, wrt: ['x'] },
    });
    const { live } = device.memory();
    const { bounds, lines } = await measureOps(device, [rows], { ...quick, grad: true });
    expect(lines.map(({ name }) => name)).toEqual(['test.rows', 'test.rows grad']);
    const [line] = lines as [Line];
    expect(line).toMatchObject({ bytes: 8 * 6400, flops: undefined, gflops: undefined, bound: 'memory' });
    const time = (line.gpu ?? line.wall).median;
    expect(line.gbs).toBeCloseTo((8 * 6400) / time / 1e6, 9);
    expect(line.share).toBeCloseTo((line.gbs ?? 0) / bounds.copy, 9);
    expect(lines[1]?.dispatches).toBeGreaterThan(line.dispatches);
    expect(device.memory().live).toBe(live);
    expect(device.memory().pooled).toBe(0);
  });

  test('an empty workload has no rates', async () => {
    const empty = workload('test.empty', {
      inputs: { x: [0, 100] },
      op: ({ x }) => softmax(x),
      ...{ flops: 0, writes: 0, wrt: ['x'] },
    });
    const { lines } = await measureOps(device, [empty], { ...quick, variants: true });
    for (const each of lines)
      expect(each).toMatchObject({ gflops: undefined, gbs: undefined, share: undefined });
    expect(formatLines(lines)).not.toMatch(/NaN|Infinity/);
    expect(wrongPicks(lines)).toEqual([]);
  });

  test('every variant that is on offer is forced once, the pick first', async () => {
    const [conv] = select(opCases, ['conv: ']).filter(({ flops }) => flops) as [BenchCase];
    const { x, w } = conv.make(device) as { x: Tensor; w: Tensor };
    const shape = convShape('test', x, w, w.shape.length - 2, { padding: 1, stride: [1, 2, 2] });
    const { lines } = await measureOps(device, [conv], { ...quick, variants: true });
    const offered = convVariants(shape, 'forward', device.traits);
    const names = offered.length > 1 ? offered.map((name) => `conv=${name}`) : [undefined];
    // Where the pick is a product of matrices, its variants come behind.
    const own = lines.filter(({ variant }) => !variant?.startsWith('matmul='));
    expect(own.map(({ variant }) => variant?.split(' ')[0])).toEqual(names);
    expect(own.map(({ picked }) => picked)).toEqual(offered.map((_, i) => i === 0));
    expect([...device.variants.forced]).toEqual([]);
  });

  test('what a gradient picks is told for every family it uses', async () => {
    const [grad] = select(shapes, ['resnet18.globalpool']) as [BenchCase];
    const { lines } = await measureOps(device, [grad], { ...quick, variants: true, grad: true });
    const picked = lines.filter(({ picked }) => picked);
    expect(picked.map(({ name }) => name)).toEqual(['resnet18.globalpool', 'resnet18.globalpool grad']);
    expect(lines.length).toBeGreaterThan(picked.length);
  });
});

describe('wrong picks', () => {
  const [fast, slow] = [line('a', 'v=fast', false, [8, 10]), line('a', 'v=slow', true, [10, 12])];

  test('are beaten by more than 15 %, in the median and at best', () => {
    expect(wrongPicks([slow, fast])).toEqual([
      { name: 'a', picked: 'v=slow', better: 'v=fast', factor: 1.2 },
    ]);
    expect(formatWrongPicks(wrongPicks([slow, fast]))).toBe(
      'wrong pick: a: v=fast is 1.20 × as fast as v=slow\n',
    );
  });

  test('are none within the noise, nor where the pick wins, nor of another workload', () => {
    expect(wrongPicks([slow, { ...fast, wall: { min: 8, median: 11.8, max: 12 } }])).toEqual([]);
    expect(wrongPicks([slow, { ...fast, wall: { min: 9.9, median: 10, max: 11 } }])).toEqual([]);
    expect(
      wrongPicks([
        { ...slow, picked: false },
        { ...fast, picked: true },
      ]),
    ).toEqual([]);
    expect(wrongPicks([slow, { ...fast, name: 'b' }])).toEqual([]);
    expect(wrongPicks([line('a', undefined, true, [1, 1])])).toEqual([]);
  });
});
