import { describe, expect, test } from 'vitest';
import { floatToHalf, halfToFloat } from '../../src/formats/half.ts';

const { NaN: NAN, POSITIVE_INFINITY: INF } = Number;

describe('f16 and back', () => {
  test('every number of 16 bits is itself again', () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = halfToFloat(bits);
      const back = floatToHalf(value);
      if (Number.isNaN(value) ? !Number.isNaN(halfToFloat(back)) : back !== bits) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  test('what lies between two neighbours goes to the nearest, a tie to the even one', () => {
    const wrong: string[] = [];
    for (let bits = 0; bits < 0x7c00; bits++) {
      const low = halfToFloat(bits);
      const high = bits === 0x7bff ? 65536 : halfToFloat(bits + 1);
      const middle = (low + high) / 2;
      const [below, above] = [middle - (high - low) / 64, middle + (high - low) / 64];
      const even = bits % 2 === 0 ? bits : bits + 1;
      const got = [below, middle, above].map(floatToHalf).join();
      if (got !== `${bits},${even},${bits + 1}`) wrong.push(`${middle}: ${got}`);
      if (floatToHalf(-above) !== ((bits + 1) | 0x8000)) wrong.push(`${-above}`);
    }
    expect(wrong).toEqual([]);
  });

  test.each([
    [1, 0x3c00],
    [-2, 0xc000],
    [0, 0],
    [-0, 0x8000],
    [65504, 0x7bff],
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [1e30, 0x7c00],
    [-1e30, 0xfc00],
    [INF, 0x7c00],
    [-INF, 0xfc00],
    [NAN, 0x7e00],
    [2 ** -14, 0x0400],
    [2 ** -24, 1],
    [2 ** -25, 0],
    [1.5 * 2 ** -25, 1],
    [-(2 ** -24), 0x8001],
    [1e-40, 0],
  ])('%s is %s', (value, bits) => {
    expect(floatToHalf(value)).toBe(bits);
  });
});
