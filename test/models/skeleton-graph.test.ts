import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { centreOf, hopDistances, PARTITIONS, spatialPartition } from '../../src/models/skeleton-graph.ts';
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
