import { expect, test } from 'vitest';
import { type Lifetime, planMemory } from '../../src/tensor/memory-plan.ts';
import { random } from '../ops/nd.ts';

const life = (bytes: number, first: number, last: number): Lifetime => ({ bytes, first, last });

/** The plan, with places as `slot@offset` in the order of the lifetimes. */
function plan(lifetimes: readonly Lifetime[], dispatches: Parameters<typeof planMemory>[1] = []) {
  const { slots, places } = planMemory(lifetimes, dispatches);
  const named = lifetimes.map((lifetime) => {
    const { slot, offset } = places.get(lifetime) ?? {};
    return `${slot}@${offset}`;
  });
  return { slots, places: named };
}

test('lifetimes that touch at a dispatch do not share, those that follow one another do', () => {
  expect(plan([life(8, 0, 1), life(8, 1, 2), life(8, 2, 3)])).toEqual({
    slots: [8, 8],
    places: ['0@0', '1@0', '0@0'],
  });
});

test('a small value takes the smallest gap that is free', () => {
  const lifetimes = [life(1000, 0, 1), life(300, 0, 1), life(290, 2, 3)];
  expect(plan(lifetimes)).toEqual({ slots: [1000, 300], places: ['0@0', '1@0', '1@0'] });
});

test('small values lie side by side in a slot that a large one has left, at multiples of 256', () => {
  const lifetimes = [life(1124, 0, 1), life(300, 2, 3), life(500, 2, 3), life(100, 2, 3), life(80, 2, 3)];
  expect(plan(lifetimes)).toEqual({
    slots: [1124, 80],
    places: ['0@0', '0@512', '0@0', '0@1024', '1@0'],
  });
});

test('what a dispatch reads and what it writes share no slot; what it only reads may', () => {
  const [large, a, b, out] = [life(1024, 0, 1), life(256, 2, 3), life(256, 2, 3), life(256, 3, 4)];
  const dispatch = { values: [a, b, out], written: [false, false, true] };
  expect(plan([large, a, b, out], [dispatch])).toEqual({
    slots: [1024, 256],
    places: ['0@0', '0@0', '0@256', '1@0'],
  });
});

test('whatever the lifetimes: everything fits, nothing overlaps, no dispatch reads and writes one slot', () => {
  const uniform = random(7);
  const next = (n: number) => Math.floor(n * uniform());
  const sum = (values: readonly number[]) => values.reduce((x, y) => x + y, 0);
  for (let trial = 0; trial < 50; trial++) {
    const lives = Array.from({ length: 40 }, () => {
      const first = next(60);
      return life(1 + next(5000), first, first + next(12));
    });
    const dispatches = Array.from({ length: 60 }, (_, at) => {
      const values = lives.filter(({ first, last }) => first <= at && at <= last);
      return { values, written: values.map(({ first }) => first === at) };
    });
    const { slots, places } = planMemory(lives, dispatches);
    const placeOf = (lifetime: Lifetime) => places.get(lifetime)!;
    for (const [i, a] of lives.entries()) {
      const { slot, offset } = placeOf(a);
      expect(offset % 256).toBe(0);
      expect(slots[slot]).toBeGreaterThanOrEqual(offset + a.bytes);
      for (const b of lives.slice(i + 1)) {
        const other = placeOf(b);
        const apart = offset + a.bytes <= other.offset || other.offset + b.bytes <= offset;
        if (other.slot === slot && !apart) expect(a.last < b.first || b.last < a.first).toBe(true);
      }
    }
    for (const { values, written } of dispatches) {
      const slotsOf = (isWritten: boolean) =>
        values.filter((_, i) => written[i] === isWritten).map((value) => placeOf(value).slot);
      expect(slotsOf(true).filter((slot) => slotsOf(false).includes(slot))).toEqual([]);
    }
    expect(sum(slots)).toBeLessThanOrEqual(sum(lives.map(({ bytes }) => bytes)));
  }
});
