import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/data/rng.ts';

function take(rng: Rng, n: number): number[] {
  return Array.from({ length: n }, () => rng.uint32());
}

describe('Rng', () => {
  it('is xoshiro128**: the published outputs from state 1, 2, 3, 4', () => {
    expect(take(Rng.fromState([1, 2, 3, 4]), 10)).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  it('depends on all keys and their order', () => {
    const keys = [[], [0], [1], [0, 0], [0, 1], [1, 0], [1, 1], [2 ** 31, 0], [-1]];
    const firsts = keys.map((k) => take(new Rng(...k), 2).join());
    expect(new Set(firsts).size).toBe(keys.length);
    expect(take(new Rng(5, 6), 5)).toEqual(take(new Rng(5, 6), 5));
  });

  it('has uniform, gaussian and integer draws of the right moments', () => {
    const rng = new Rng(3);
    const n = 20_000;
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / n;
    const draw = (f: () => number) => Array.from({ length: n }, f);
    const uniform = draw(() => rng.uniform(2, 4));
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(2);
    expect(Math.max(...uniform)).toBeLessThan(4);
    expect(mean(uniform)).toBeCloseTo(3, 1);
    const gaussian = draw(() => rng.gaussian());
    expect(Math.abs(mean(gaussian))).toBeLessThan(0.03);
    expect(mean(gaussian.map((x) => x * x))).toBeCloseTo(1, 1);
    expect(new Set(draw(() => rng.integer(5)))).toEqual(new Set([0, 1, 2, 3, 4]));
  });

  it('shuffles a copy', () => {
    const items = [...Array(50).keys()];
    const shuffled = new Rng(1).shuffled(items);
    expect(items).toEqual([...Array(50).keys()]);
    expect(shuffled).not.toEqual(items);
    expect(shuffled.sort((a, b) => a - b)).toEqual(items);
  });
});
