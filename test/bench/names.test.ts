import { expect, test } from 'vitest';
import { UserError } from '../../bench/exit.ts';
import { chosen, named, nearCommand } from '../../bench/names.ts';

test('names are those of a table, each once', () => {
  const table = { a: 1, b: 2, c: 3 };
  expect(chosen(table, [], 'letter')).toEqual(['a', 'b', 'c']);
  expect(chosen(table, [], 'letter', ['b'])).toEqual(['b']);
  expect(chosen(table, ['c', 'a', 'c'], 'letter')).toEqual(['c', 'a']);
  expect(() => chosen(table, ['a', 'd'], 'letter')).toThrow(`'d' is no letter; there are a, b, c`);
  expect(() => named(table, 'toString', 'letter')).toThrow(UserError);
});

test('a command is known by a slip', () => {
  expect(['rofline', 'Roofline', 'model', 'attcaks', 'scalling'].map(nearCommand)).toEqual([
    ...['roofline', 'roofline', 'models', 'attacks', 'scaling'],
  ]);
  expect(['conv', 'pool', 'softmax', ''].map(nearCommand)).toEqual(Array(4).fill(undefined));
});
