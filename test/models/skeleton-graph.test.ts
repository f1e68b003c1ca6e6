import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import {
  centreOf,
  directedPartition,
  hopDistances,
  PARTITIONS,
  NTU_PARENTS as PUBLIC,
  skeletonPartition,
  spatialPartition,
} from '../../src/models/skeleton-graph.ts';
import { NTU_PARENTS, SMALL_PARENTS, UTD_PARENTS } from './trees.ts';

/** Hops by way of the closest common ancestor: another method than that of the library. */
function hops(parents: readonly number[], u: number, v: number): number {
  const path = (joint: number): number[] => (joint < 0 ? [] : [joint, ...path(parents[joint] ?? -1)]);
  const [a, b] = [path(u), path(v)];
  const meet = a.findIndex((joint) => b.includes(joint));
  return meet + b.indexOf(a[meet] ?? -1);
}

const TREES = [
  ['NTU RGB+D from joint 21', NTU_PARENTS, 20],
  ['NTU RGB+D from the left hand', NTU_PARENTS, 7],
  ['UTD-MHAD from the spine', UTD_PARENTS, 2],
  ['a small tree', SMALL_PARENTS, 2],
  ['one joint', [-1], 0],
] as const;

describe.each(TREES)('%s', (_, parents, centre) => {
  const joints = parents.length;
  const every = Array.from({ length: joints }, (_, v) => v);
  const adjacency = spatialPartition(parents, centre);
  const at = (p: number, u: number, v: number) => adjacency[(p * joints + u) * joints + v] ?? Number.NaN;

  test('distances are true graph distances', () => {
    expect(hopDistances(parents)).toEqual(every.map((u) => every.map((v) => hops(parents, u, v))));
  });

  test('every joint receives a mean over itself and its neighbours: columns add up to 1', () => {
    for (const v of every) {
      const sum = [0, 1, 2].flatMap((p) => every.map((u) => at(p, u, v))).reduce((a, b) => a + b, 0);
      expect(sum).toBeCloseTo(1, 6);
    }
  });

  test('links lie in the partition of their direction: itself, nearer to the centre, farther', () => {
    for (const u of every) {
      for (const v of every) {
        const nearer = hops(parents, u, centre) - hops(parents, v, centre);
        const partition = hops(parents, u, v) > 1 ? -1 : nearer === 0 ? 0 : nearer < 0 ? 1 : 2;
        const degree = every.filter((w) => hops(parents, w, v) <= 1).length;
        const expected = [0, 1, 2].map((p) => (p === partition ? Math.fround(1 / degree) : 0));
        expect([0, 1, 2].map((p) => at(p, u, v))).toEqual(expected);
      }
    }
  });

  test('the centre receives from no joint nearer, every other joint from exactly one', () => {
    expect(adjacency.length).toBe(PARTITIONS * joints ** 2);
    const nearer = every.map((v) => every.filter((u) => at(1, u, v) > 0).length);
    expect(nearer).toEqual(every.map((v) => (v === centre ? 0 : 1)));
  });
});

test.each([
  ['two roots', [-1, -1, 0], 0],
  ['a loop without a root', [1, 2, 0], 0],
  ['a loop beside the tree', [-1, 0, 3, 2], 0],
  ['a parent that is no joint', [-1, 0, 9], 0],
  ['no joints', [], 0],
  ['a centre that is no joint', [-1, 0], 2],
  ['a negative centre', [-1, 0], -1],
])('%s is a ShapeError', (_, parents, centre) => {
  expect(() => spatialPartition(parents, centre)).toThrow(ShapeError);
});

test('centreOf finds the joint with the least sum of distances, the first of equals', () => {
  expect(centreOf([-1, 0, 1, 2, 3])).toBe(2);
  expect(centreOf([-1, 0, 1, 2])).toBe(1);
  expect(centreOf([-1, 0, 0, 0])).toBe(0);
  expect(centreOf([-1])).toBe(0);
  for (const parents of [NTU_PARENTS, UTD_PARENTS]) {
    const sums = parents.map((_, v) => parents.reduce((sum, _, u) => sum + hops(parents, u, v), 0));
    expect(sums[centreOf(parents)]).toBe(Math.min(...sums));
  }
  expect(centreOf(NTU_PARENTS)).toBe(20);
});

describe('partitions by other strategies', () => {
  const joints = NTU_PARENTS.length;
  const every = Array.from({ length: joints }, (_, v) => v);
  const linked = (u: number, v: number) => hops(NTU_PARENTS, u, v) <= 1;
  const at = (data: Float32Array, k: number, u: number, v: number) =>
    data[(k * joints + u) * joints + v] ?? 0;
  const whole = skeletonPartition(NTU_PARENTS, 20, 'uniform');

  test.each([
    ['uniform', 1],
    ['distance', 2],
    ['mmskeleton', 3],
  ] as const)('%s splits the same mean into %i', (strategy, kinds) => {
    const split = skeletonPartition(NTU_PARENTS, 20, strategy);
    expect(split.length).toBe(kinds * joints ** 2);
    for (const u of every) {
      for (const v of every) {
        const own = Array.from({ length: kinds }, (_, k) => at(split, k, u, v));
        expect(own.filter((value) => value > 0).length).toBe(linked(u, v) ? 1 : 0);
        expect(Math.max(...own)).toBe(at(whole, 0, u, v));
        if (kinds > 1 && linked(u, v)) expect((own[0] ?? 0) > 0).toBe(u === v);
      }
    }
  });

  test('mmskeleton knows no distance beyond one hop: there, all neighbours fall together', () => {
    const split = skeletonPartition(NTU_PARENTS, 20, 'mmskeleton');
    const nearer = every.flatMap((u) => every.filter((v) => at(split, 2, u, v) > 0).map((v) => [u, v]));
    // Only the centre and its four neighbours are nearer than anything.
    const first = [1, 2, 4, 8];
    const outward = [0, 3, 5, 9];
    expect(nearer).toEqual([...first.map((u, i) => [u, outward[i]]), ...first.map((v) => [20, v])]);
    expect(at(split, 1, 4, 20)).toBeGreaterThan(0);
    expect([at(split, 1, 6, 5), at(split, 1, 5, 6)].every((value) => value > 0)).toBe(true);
    expect(at(skeletonPartition(NTU_PARENTS, 20, 'spatial'), 1, 5, 6)).toBeGreaterThan(0);
    expect(at(split, 2, 5, 6)).toBe(0);
  });

  test('by direction: itself, its children, its parent, columns adding up to 1 or 0', () => {
    const split = directedPartition(NTU_PARENTS);
    for (const u of every) {
      for (const v of every) {
        const siblings = NTU_PARENTS.filter((parent) => parent === v).length;
        expect(at(split, 0, u, v)).toBe(u === v ? 1 : 0);
        expect(at(split, 1, u, v)).toBe(NTU_PARENTS[v] === u ? 1 : 0);
        expect(at(split, 2, u, v)).toBe(NTU_PARENTS[u] === v ? Math.fround(1 / siblings) : 0);
      }
    }
    expect(() => directedPartition([-1, -1])).toThrow(ShapeError);
  });

  test('the joints of NTU RGB+D are those of the public code', () => {
    // (child, parent), counted from 1.
    const edges =
      '1,2 2,21 3,21 4,3 5,21 6,5 7,6 8,7 9,21 10,9 11,10 12,11 13,1 14,13 15,14 16,15 17,1 18,17 19,18 20,19';
    const hands = '22,23 23,8 24,25 25,12';
    const expected = new Array<number>(25).fill(-1);
    for (const edge of `${edges} ${hands}`.split(' ')) {
      const [child = 0, parent = 0] = edge.split(',').map(Number);
      expected[child - 1] = parent - 1;
    }
    expect(PUBLIC).toEqual(expected);
  });
});
