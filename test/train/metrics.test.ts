import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { mcnemar, modalityBalance, proportion, relativeImprovement } from '../../src/train/metrics.ts';

describe('proportion', () => {
  // Newcombe 1998, Statistics in Medicine 17, table I, method 3 (Wilson without continuity correction).
  test.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('%i of %i has the published Wilson interval', (successes, n, low, high) => {
    const found = proportion(successes, n);
    expect(found.value).toBe(successes / n);
    expect(found.n).toBe(n);
    expect(found.interval[0]).toBeCloseTo(low, 4);
    expect(found.interval[1]).toBeCloseTo(high, 4);
  });

  test('is symmetric and stays in [0, 1]', () => {
    const [few, many] = [proportion(3, 40).interval, proportion(37, 40).interval];
    expect(few[0]).toBeCloseTo(1 - many[1], 12);
    expect(few[1]).toBeCloseTo(1 - many[0], 12);
    expect(proportion(20, 20).interval[1]).toBe(1);
    expect(proportion(0, 1).interval[0]).toBe(0);
  });

  test.each([
    [0, 0],
    [-1, 5],
    [6, 5],
    [Number.NaN, 5],
  ])('%f of %f is a ShapeError', (successes, n) => {
    expect(() => proportion(successes, n)).toThrow(ShapeError);
  });
});

test('RI is the gain in clean plus robust accuracy', () => {
  const ri = relativeImprovement({ clean: 0.8, robust: 0.5 }, { clean: 0.9, robust: 0.1 });
  expect(ri).toBeCloseTo(0.3, 12);
  expect(relativeImprovement({ clean: 0.5, robust: 0 }, { clean: 0.9, robust: 0 })).toBeCloseTo(-0.4, 12);
});

test('balance is the difference and the ratio of the robust accuracies', () => {
  expect(modalityBalance(0.2, 0.8)).toEqual({ difference: expect.closeTo(0.6, 12), ratio: 0.25 });
  expect(modalityBalance(0.8, 0.2)).toEqual(modalityBalance(0.2, 0.8));
  expect(modalityBalance(0.3, 0.3)).toEqual({ difference: 0, ratio: 1 });
  expect(modalityBalance(0, 0.3)).toEqual({ difference: 0.3, ratio: 0 });
  expect(modalityBalance(0, 0)).toEqual({ difference: 0, ratio: undefined });
});

describe('mcnemar', () => {
  /** Two networks of which one alone is right `b` times, the other alone `c` times; both `both` times. */
  const outcomes = (b: number, c: number, both = 3) => {
    const row = (first: boolean, second: boolean, n: number) =>
      Array.from({ length: n }, () => [first, second] as const);
    const rows = [
      ...row(true, false, b),
      ...row(false, true, c),
      ...row(true, true, both),
      ...row(false, false, 2),
    ];
    return [rows.map(([first]) => first), rows.map(([, second]) => second)] as const;
  };

  // 2 · P(X ≤ min | n, ½) from tables of the binomial distribution.
  test.each([
    [5, 15, 43400 / 2 ** 20],
    [2, 8, 112 / 2 ** 10],
    [0, 5, 2 / 2 ** 5],
    [1, 0, 1],
    [4, 4, 1],
    [0, 0, 1],
  ])('%i against %i', (b, c, expected) => {
    expect(mcnemar(...outcomes(b, c))).toBeCloseTo(expected, 12);
    expect(mcnemar(...outcomes(c, b))).toBeCloseTo(expected, 12);
    expect(mcnemar(...outcomes(b, c, 1000))).toBeCloseTo(expected, 12);
  });

  test('is finite for thousands of samples', () => {
    expect(mcnemar(...outcomes(1000, 1000))).toBe(1);
    const p = mcnemar(...outcomes(1000, 1400));
    expect(p).toBeGreaterThan(1e-18);
    expect(p).toBeLessThan(1e-13);
  });

  test('other numbers of samples are a ShapeError', () => {
    expect(() => mcnemar([true], [true, false])).toThrow(ShapeError);
  });
});
