import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  columnBlocks,
  matmulPlan,
  type Product,
  splitsOf,
  tileVariants,
} from '../../src/kernels/matmul-launch.ts';

const NO_BATCH = { batch: [1, 1, 1], aStrides: [0, 0, 0], bStrides: [0, 0, 0], sumBatches: false } as const;

function product(m: number, n: number, k: number): Product {
  return { m, n, k, transposeA: false, transposeB: false, ...NO_BATCH };
}

describe('matmulPlan', () => {
  test('narrow results get narrow tiles', () => {
    expect([1, 4, 5, 8, 9, 12, 16, 24, 64].map(columnBlocks)).toEqual([1, 1, 2, 2, 4, 4, 4, 4, 4]);
  });

  test('few tiles with a long k are split, in whole steps that cover k', () => {
    const plan = matmulPlan(product(16, 16, 10_001), 'quad', { software: true }, true);
    expect(plan.splits).toBeGreaterThan(8);
    expect(plan.kChunk % 4).toBe(0);
    expect(plan.kChunk * plan.splits).toBeGreaterThanOrEqual(10_001);
    expect(plan.kChunk * (plan.splits - 1)).toBeLessThan(10_001);
    expect(plan.tail).toBe(true);
  });

  test('an activation forbids splits', () => {
    expect(matmulPlan(product(16, 16, 10_000), 'quad', { software: true }, false).splits).toBe(1);
  });

  test('many tiles are not split', () => {
    expect(splitsOf(1000, 4096, 128, { software: true })).toBe(1);
  });

  test('quads need subgroups of four lanes', () => {
    expect(tileVariants({ subgroups: true, subgroupMinSize: 8 })).toEqual(['quad', 'register']);
    expect(tileVariants({ subgroups: false, subgroupMinSize: 4 })).toEqual(['register']);
  });
});

describe.each(['matmul', 'conv', 'conv-weight'])('%s-subgroup.wgsl', (name) => {
  const read = (file: string) =>
    readFileSync(new URL(`../../src/kernels/wgsl/${file}.wgsl`, import.meta.url), 'utf8');
  /** The shader without its header and without what may differ: how a block is loaded, and how threads are counted. */
  const common = (text: string) =>
    text
      .slice(text.indexOf('\nstruct '))
      .replace(/fn [bg]Block\([\s\S]*?\n}\n/, '')
      .replace(/\/\/ The thread's number,[^\n]*\nfn inQuads\([\s\S]*?\n}\n\n/, '')
      .replaceAll('  @builtin(subgroup_invocation_id) subgroupLane: u32,\n', '')
      .replaceAll('inQuads(thread, subgroupLane)', 'thread');

  test('differs from its twin only in how a block of the shared operand is loaded', () => {
    expect(common(read(`${name}-subgroup`))).toBe(common(read(name)));
  });

  test('takes no lane of a quad for granted', () => {
    const products = read(`${name}-subgroup`).match(/tileProduct\(\S+/g);
    expect(products).toEqual([
      'tileProduct(thread:',
      'tileProduct(inQuads(thread,',
      'tileProduct(inQuads(thread,',
    ]);
  });
});
