import { describe, expect, test } from 'vitest';
import { cosine, stepDecay, warmUp } from '../../src/nn/schedules.ts';

describe('cosine', () => {
  test('falls from base through the middle to the floor, and stays', () => {
    const rate = cosine(1, 100, 0.2);
    expect(rate(0)).toBe(1);
    expect(rate(50)).toBeCloseTo(0.6, 12);
    expect(rate(25)).toBeCloseTo(0.2 + 0.8 * (0.5 + Math.SQRT1_2 / 2), 12);
    expect(rate(100)).toBe(0.2);
    expect(rate(1000)).toBe(0.2);
  });

  test('is finite with no steps at all', () => {
    expect(cosine(1, 0)(0)).toBe(1);
    expect(cosine(1, 0)(5)).toBe(0);
  });
});

test('stepDecay falls by the factor at each milestone, whatever their order', () => {
  const rate = stepDecay(2, [20, 10], 0.5);
  expect([0, 9, 10, 19, 20, 99].map(rate)).toEqual([2, 2, 1, 1, 0.5, 0.5]);
  expect(stepDecay(1, [1])(1)).toBe(0.1);
});

test('warmUp rises linearly and reaches the schedule at its last step', () => {
  const rate = warmUp(() => 8, 4);
  expect([0, 1, 2, 3, 4, 5].map(rate)).toEqual([2, 4, 6, 8, 8, 8]);
  expect(warmUp(() => 8, 0)(0)).toBe(8);
  expect(warmUp(cosine(1, 10), 2)(5)).toBe(cosine(1, 10)(5));
});
