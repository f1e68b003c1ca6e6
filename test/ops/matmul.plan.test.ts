import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { matmulPlan, splitsOf } from '../../src/kernels/matmul-launch.ts';
import type { Product } from '../../src/kernels/matmul-product.ts';
import { sideBySide, wholeRow } from '../../src/kernels/matmul-shared.ts';
import {
  columnBlocks,
  groupsFor,
  matmulVariants,
  type SwapTraits,
  type TileVariant,
  tileConstants,
  tileSize,
  tileVariants,
} from '../../src/kernels/matmul-tiles.ts';

const NO_BATCH = { batch: [1, 1, 1], aStrides: [0, 0, 0], bStrides: [0, 0, 0], sumBatches: false } as const;

const SWIFTSHADER = { software: true, subgroupMinSize: 4 } as const;
const LAVAPIPE = { software: true, subgroupMinSize: 8 } as const;

function product(m: number, n: number, k: number): Product {
  return { m, n, k, transposeA: false, transposeB: false, ...NO_BATCH };
}

describe('matmulPlan', () => {
  test('narrow results get narrow tiles', () => {
    expect([1, 4, 5, 8, 9, 12, 16, 24, 64].map((n) => columnBlocks(n))).toEqual([1, 1, 2, 2, 4, 4, 4, 4, 4]);
  });

  test('few tiles with a long k are split, in whole steps that cover k', () => {
    const plan = matmulPlan(product(16, 16, 10_001), 'quad', SWIFTSHADER, true);
    expect(plan.splits).toBeGreaterThan(8);
    expect(plan.kChunk % 4).toBe(0);
    expect(plan.kChunk * plan.splits).toBeGreaterThanOrEqual(10_001);
    expect(plan.kChunk * (plan.splits - 1)).toBeLessThan(10_001);
    expect(plan.tail).toBe(true);
  });

  test('large tiles take two steps along k at a time where that leaves no rest, in splits as well', () => {
    const plan = (k: number, variant: 'largeQuad' | 'quad' = 'largeQuad') =>
      matmulPlan(product(64, 32, k), variant, SWIFTSHADER, true);
    expect([plan(64).steps, plan(68).steps, plan(64, 'quad').steps]).toEqual([2, 1, 1]);
    expect(plan(10_008).splits).toBeGreaterThan(8);
    expect(plan(10_008).kChunk % 8).toBe(0);
  });

  test('large tiles have 64 columns where lanes swap, and enough tiles and work are left', () => {
    const plan = (given: Product, traits: SwapTraits = SWIFTSHADER, variant: TileVariant = 'largeQuad') =>
      matmulPlan(given, variant, traits, true);
    const columns = (...given: Parameters<typeof plan>) => plan(...given).size.columns;
    expect(plan(product(512, 512, 64))).toMatchObject({
      size: { columns: 16, wide: true },
      steps: 1,
      splits: 1,
    });
    expect(columns(product(500, 516, 72))).toBe(16); // the op tests' cases
    expect(columns({ ...product(500, 516, 70), transposeA: true })).toBe(16);
    const batched = { ...product(128, 252, 64), batch: [1, 1, 9] } as const;
    expect([columns(batched), columns({ ...batched, sumBatches: true })]).toEqual([16, 8]);
    const inRuns = { columns: 8, width: 8, bStride: 512, outStride: 4096 };
    expect(columns({ ...product(512, 1024, 64), transposeA: true, transposeB: true, runs: inRuns })).toBe(16);
    const summed = { ...product(512, 512, 64), batch: [1, 1, 64], sumBatches: true } as const;
    expect(plan(summed)).toMatchObject({ size: { wide: true }, splits: 1, batchChunk: 64 });

    const narrow = { size: { columns: 8 }, steps: 2 };
    expect(plan(product(512, 512, 56))).toMatchObject(narrow); // little work
    expect(plan(product(480, 512, 1024))).toMatchObject(narrow); // few tiles
    expect(plan(product(4096, 96, 64))).toMatchObject(narrow); // a quarter of the columns of two tiles would be missing
    expect(columns(product(512, 514, 64))).toBe(8); // no whole vectors of b
    const outRows = { start: 2, row: 512, strides: [0, 0, 0] } as const;
    expect(columns({ ...product(512, 512, 64), outRows })).toBe(8); // nor of the result
    expect(columns(product(512, 512, 64), LAVAPIPE)).toBe(8);
    expect(columns(product(512, 512, 64), { software: false, subgroupMinSize: 4 })).toBe(8);
    expect(columns(product(512, 512, 64), SWIFTSHADER, 'quad')).toBe(4);
  });

  test('eight lanes have wide tiles where operands are whole vectors', () => {
    expect(matmulPlan(product(64, 64, 64), 'octet', LAVAPIPE, true).size.columns).toBe(8);
    expect(matmulPlan(product(64, 63, 64), 'octet', LAVAPIPE, true).size.columns).toBe(4);
    expect(tileSize('register', 64, { vectors: false }).columns).toBe(1);
  });

  test('workgroups are small where few tiles would leave cores idle, and where four lanes are a subgroup', () => {
    const size = tileSize('octet', 64, { vectors: true });
    const groups = (tiles: number, subgroupMinSize: number, software = true) =>
      groupsFor(tiles, size, { software, subgroupMinSize });
    expect(groups(3, 8)).toEqual({ threads: 16, count: 2 });
    expect(groups(64, 8)).toEqual({ threads: 64, count: 8 });
    expect(groups(64, 4)).toEqual({ threads: 16, count: 32 });
    expect(groups(3, 32, false)).toEqual({ threads: 64, count: 1 });
  });

  test('lanes swap what they share where four of them are a subgroup of a software adapter', () => {
    const swaps = (variant: 'quad' | 'octet' | 'register', subgroupMinSize: number, software = true) =>
      tileConstants(tileSize(variant, 64, { vectors: true }), { software, subgroupMinSize }).SWAP;
    expect([swaps('quad', 4), swaps('register', 4), swaps('quad', 8), swaps('octet', 8)]).toEqual([
      1, 0, 0, 0,
    ]);
    expect(swaps('quad', 4, false)).toBe(0);
  });

  test('an activation forbids splits', () => {
    expect(matmulPlan(product(16, 16, 10_000), 'quad', SWIFTSHADER, false).splits).toBe(1);
  });

  test('many tiles are not split', () => {
    expect(splitsOf(1000, 4096, 128, { software: true })).toBe(1);
  });

  test('tiles are as large as the adapter’s subgroups and the product allow', () => {
    const variants = (subgroupMinSize: number, m = 1024, software = true, work = 2 ** 24) =>
      tileVariants({ m, n: 64, work }, { software, subgroups: subgroupMinSize > 0, subgroupMinSize });
    expect(variants(0)).toEqual(['register']);
    expect(variants(4)).toEqual(['largeQuad', 'quad', 'register']);
    expect(variants(4, 12)).toEqual(['quad', 'register', 'largeQuad']);
    expect(variants(4, 1024, true, 2 ** 19)).toEqual(['quad', 'register', 'largeQuad']);
    expect([variants(4, 1024, true, 2 ** 20)[0], variants(4, 64, true, 2 ** 20)[0]]).toEqual([
      'largeQuad',
      'quad',
    ]);
    expect(variants(4, 64, true, 2 ** 22)[0]).toBe('largeQuad');
    expect(variants(8)).toEqual(['octet', 'quad', 'register']);
    expect(variants(8, 4)).toEqual(['quad', 'register', 'octet']);
    expect(variants(32, 1024, false)).toEqual(['quad', 'register', 'octet']);
  });

  test('a GPU computes large products by workgroups of 64 rows and columns; others come to them last, small ones never', () => {
    const gpu = { software: false, subgroups: true, subgroupMinSize: 32 };
    const first = (m: number, n: number, work: number, traits = gpu) =>
      matmulVariants({ m, n, work }, traits)[0];
    expect(first(256, 256, 2 ** 24)).toBe('workgroup');
    expect(first(256, 256, 2 ** 24, { ...gpu, subgroups: false })).toBe('workgroup');
    expect([first(63, 4096, 2 ** 30), first(4096, 63, 2 ** 30), first(256, 256, 2 ** 23)]).toEqual([
      ...['quad', 'quad', 'quad'],
    ]);
    const lavapipe = { software: true, subgroups: true, subgroupMinSize: 8 };
    expect(matmulVariants({ m: 1024, n: 1024, work: 2 ** 30 }, lavapipe)).toEqual([
      ...['octet', 'quad', 'register', 'workgroup'],
    ]);
    expect(matmulVariants({ m: 16, n: 1024, work: 2 ** 24 }, gpu)).not.toContain('workgroup');
  });

  test('a workgroup has eight tiles side by side, one more for the rest, and 16 steps along k', () => {
    const plan = (m: number, n: number, k: number) =>
      matmulPlan(product(m, n, k), 'workgroup', { software: false, subgroupMinSize: 32 }, true);
    expect(plan(64, 64, 16)).toMatchObject({ tilesM: 1, tilesN: 8, tiles: 8, kChunk: 16, tail: false });
    expect(plan(65, 72, 20)).toMatchObject({ tilesM: 2, tilesN: 16, tiles: 32, kChunk: 32, tail: true });
    expect(plan(64, 64, 10_001).kChunk % 16).toBe(0);
    const { size, tiles } = plan(65, 72, 20);
    expect(groupsFor(tiles, size, SWIFTSHADER)).toEqual({ threads: 64, count: 4 });
  });

  test('batches of few columns that share a are side by side', () => {
    const frames = { ...product(75, 3, 25), batch: [1, 1, 40], bStrides: [0, 0, 75] } as const;
    const joined = sideBySide(frames);
    expect(joined).toMatchObject({ m: 75, n: 160, k: 25, batch: [1, 1, 1], bStrides: [0, 0, 0] });
    expect(joined.runs).toEqual({ columns: 4, width: 3, bStride: 75, outStride: 225 });
    expect(sideBySide({ ...frames, n: 6 })).toMatchObject({ n: 320, runs: { columns: 8, width: 6 } });
    const others = [
      { ...frames, n: 9 },
      { ...frames, n: 0 },
      { ...frames, aStrides: [0, 0, 75 * 25] as const },
      { ...frames, batch: [1, 2, 40] as const },
      { ...frames, sumBatches: true },
      product(75, 3, 25),
    ];
    for (const other of others) expect(sideBySide(other)).toBe(other);
  });

  test('a matrix that many columns share is copied to rows of whole vectors where that pays', () => {
    const lavapipe = { software: true, subgroups: true, subgroupMinSize: 8 };
    const frames = { ...product(75, 16, 25), batch: [1, 1, 64], bStrides: [0, 0, 400] } as const;
    expect(wholeRow(frames, lavapipe)).toBe(28);
    expect(wholeRow({ ...frames, transposeA: true }, lavapipe)).toBe(76);
    expect(wholeRow(product(75, 1024, 25), lavapipe)).toBe(28);
    expect(wholeRow(sideBySide({ ...frames, n: 6, batch: [1, 1, 171] }), lavapipe)).toBe(28);
    const others = [
      { ...frames, batch: [1, 1, 63] as const },
      { ...frames, k: 24 },
      { ...frames, m: 15 },
      { ...frames, aStrides: [0, 0, 75 * 25] as const },
      { ...frames, aRows: { start: 0, row: 27 } },
      sideBySide({ ...frames, n: 6, batch: [1, 1, 170] }), // columns that are not there do not count
    ];
    for (const other of others) expect(wholeRow(other, lavapipe)).toBeUndefined();
    expect(wholeRow(frames, { ...lavapipe, subgroupMinSize: 4 })).toBeUndefined();
    expect(wholeRow(frames, { ...lavapipe, software: false })).toBeUndefined();
  });

  test('wide tiles are no wider than the columns', () => {
    expect([8, 16, 20, 24, 32, 100].map((n) => columnBlocks(n, 8))).toEqual([2, 4, 8, 8, 8, 8]);
  });
});

const read = (file: string) =>
  readFileSync(new URL(`../../src/kernels/wgsl/${file}.wgsl`, import.meta.url), 'utf8');

test('matmul-workgroup.wgsl stores as matmul.wgsl does', () => {
  const storing = (text: string) =>
    text.slice(text.indexOf('\n// The activations are')).replace('select(v, ordered(v), TRANSPOSE_B)', 'v'); // lanes swap nothing
  expect(storing(read('matmul-workgroup'))).toBe(storing(read('matmul')));
  expect(storing(read('matmul')).length).toBeGreaterThan(3000);
});

test('matmul-wide.wgsl finishes what it stores, and finds batches and runs, as matmul.wgsl does', () => {
  const finishing = (text: string) =>
    text.slice(text.indexOf('\n// The activations are'), text.indexOf('\n// N, the columns'));
  expect(finishing(read('matmul-wide'))).toBe(finishing(read('matmul')));
  for (const name of ['inRun', 'fromFirst', 'alongAxes']) {
    const line = new RegExp(`^fn ${name}\\(.*}$`, 'm');
    expect(line.exec(read('matmul-wide'))?.[0]).toBe(line.exec(read('matmul'))?.[0] ?? name);
  }
  expect(finishing(read('matmul')).length).toBeGreaterThan(1500);
});

describe.each(['matmul', 'conv', 'conv-weight'])('%s-subgroup.wgsl', (name) => {
  /** The shader without its header and without what may differ: how a block is loaded, and how threads are counted. */
  const common = (text: string) =>
    text
      .slice(text.indexOf('\nstruct '))
      .replace(/var<private> octet: .*\n/, '')
      .replaceAll(/(\/\/.*\n)?alias Own = .*\n/g, '')
      .replaceAll(
        /(\/\/.*\n)?fn ([bg]Block|quadBlock|octetBlock|ownOf|[bg]Pair)\((.*}\n|[\s\S]*?\n}\n)\n?/g,
        '',
      )
      .replace(/\/\/ The thread's number,[^\n]*\nfn in(Quads|Groups)\([\s\S]*?\n}\n\n/, '')
      .replaceAll(/\s*@builtin\(subgroup_invocation_id\) subgroupLane: u32,/g, '')
      .replaceAll(/in(Quads|Groups)\(thread, subgroupLane\)/g, 'thread')
      .replaceAll(/\n\n/g, '\n');

  test('differs from its twin only in how a block of the shared operand is loaded', () => {
    expect(common(read(`${name}-subgroup`))).toBe(common(read(name)));
  });

  test('takes no lane of a quad for granted', () => {
    const products = read(`${name}-subgroup`).match(/tileProduct\((?!thread:)\S+/g);
    expect(products).toHaveLength(2);
    for (const product of products ?? []) expect(product).toMatch(/^tileProduct\(in(Quads|Groups)\(thread,$/);
  });
});
