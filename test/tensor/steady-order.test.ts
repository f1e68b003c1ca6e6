import { describe, expect, test } from 'vitest';
import type { Launch, Value } from '../../src/tensor/recording.ts';
import { steadyFirst } from '../../src/tensor/steady.ts';

describe('steadyFirst', () => {
  const value = (bytes: number, inner = true): Value =>
    ({ bytes, inner, constant: false, first: -1, last: -1 }) as unknown as Value;
  /** Reads all values but the last, which it writes. */
  const launch = (...values: Value[]): Launch =>
    ({ values, written: values.map((_, i) => i === values.length - 1), scalars: [] }) as unknown as Launch;

  const [weight, x] = [value(8, false), value(8, false)];
  const [small, large, mixed, last] = [value(10), value(100), value(10), value(10)];
  const all = [
    launch(weight, small),
    launch(x, small, mixed),
    launch(weight, large),
    launch(mixed, large, last),
  ];

  test('keeps the order of what is steady and of what is not', () => {
    const { launches: ordered, steady } = steadyFirst(all, [x]);
    expect(steady).toBe(2);
    expect(ordered).toEqual([all[0], all[2], all[1], all[3]]);
    expect([small.last, large.last]).toEqual([4, 4]);
    expect(last.last).toBe(3);
  });

  test('keeps no more bytes than it may, the smallest longest', () => {
    expect(steadyFirst(all, [x], 110).steady).toBe(2);
    const { launches: ordered, steady } = steadyFirst(all, [x], 109);
    expect(steady).toBe(1);
    expect(ordered).toEqual(all);
    expect(steadyFirst(all, [x], 9).steady).toBe(0);
  });
});
