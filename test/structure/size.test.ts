import { describe, expect, test } from 'vitest';
import { filesIn, functionsOf, linesIn, textOf } from './source.ts';

const GENERATED = 'src/kernels/wgsl.gen.ts';
const files = ['src', 'experiments', 'scripts', 'demo', 'bench']
  .flatMap((folder) => filesIn(folder))
  .filter((file) => file !== GENERATED);
const functions = files.flatMap((file) =>
  functionsOf(file).map(({ name, lines }) => ({ name: `${file}: ${name}`, lines })),
);
// One-line functions would make any rule hold.
const lengths = functions
  .map(({ lines }) => lines)
  .filter((lines) => lines > 1)
  .sort((a, b) => a - b);

test('functions are counted', () => {
  const text = `function f() {
  return 1;
}
const g = () => 2;
class C {
  m(): void {
    f();
  }
  get n() { return 1; }
}
const rule = {
  h(x: number) {
    return x;
  },
};`;
  expect(functionsOf('x.ts', text)).toEqual([
    { name: 'f', lines: 3 },
    { name: 'g', lines: 1 },
    { name: 'm', lines: 3 },
    { name: 'n', lines: 1 },
    { name: 'h', lines: 3 },
  ]);
});

describe('functions of more than a line', () => {
  test('half of them are under 10 lines', () => {
    expect(lengths.length).toBeGreaterThan(200);
    expect(lengths[Math.floor(lengths.length / 2)]).toBeLessThan(10);
  });

  test('nine in ten are under 25 lines', () => {
    expect(lengths[Math.floor(lengths.length * 0.9)]).toBeLessThan(25);
  });

  test('none is over 60 lines', () => {
    expect(functions.filter(({ lines }) => lines > 60)).toEqual([]);
  });
});

test('no file is over 300 lines', () => {
  const shaders = filesIn('src', '.wgsl');
  const long = [...files, ...shaders, ...filesIn('test')].filter((file) => linesIn(textOf(file)) > 300);
  expect(long).toEqual([]);
});
