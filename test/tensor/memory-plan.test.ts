import { expect, test } from 'vitest';
import { planMemory } from '../../src/tensor/memory-plan.ts';

test('lifetimes that touch at a dispatch do not share, those that follow one another do', () => {
  const life = (bytes: number, first: number, last: number) => ({ bytes, first, last });
  expect(planMemory([life(8, 0, 1), life(8, 1, 2), life(8, 2, 3)])).toEqual({
    slots: [8, 8],
    assigned: [0, 1, 0],
  });
});

test('a small value takes the smallest slot that is free', () => {
  const { slots, assigned } = planMemory([
    { bytes: 100, first: 0, last: 1 },
    { bytes: 10, first: 0, last: 1 },
    { bytes: 9, first: 2, last: 3 },
  ]);
  expect(slots).toEqual([100, 10]);
  expect(assigned).toEqual([0, 1, 1]);
});

test('whatever the lifetimes: everything fits, nothing overlaps, and never more than memory for each alone', () => {
  let state = 7;
  const next = (n: number) => {
    state = (state * 48271) % 2147483647;
    return state % n;
  };
  for (let trial = 0; trial < 50; trial++) {
    const lives = Array.from({ length: 40 }, () => {
      const first = next(60);
      return { bytes: 1 + next(500), first, last: first + next(12) };
    });
    const { slots, assigned } = planMemory(lives);
    for (const [i, a] of lives.entries()) {
      expect(slots[assigned[i]!]).toBeGreaterThanOrEqual(a.bytes);
      for (const [j, b] of lives.entries())
        if (i < j && assigned[i] === assigned[j]) expect(a.last < b.first || b.last < a.first).toBe(true);
    }
    const sum = (values: readonly number[]) => values.reduce((x, y) => x + y, 0);
    expect(sum(slots)).toBeLessThanOrEqual(sum(lives.map(({ bytes }) => bytes)));
  }
});
