import { expect, test } from 'vitest';
import * as kernelwright from '../../src/index.ts';
import * as node from '../../src/node/index.ts';
import { filesIn, textOf } from '../structure/source.ts';

/** Code in the pages of docs/: spans in backticks, and blocks. */
const code = filesIn('docs', '.md')
  .flatMap((page) => textOf(page).match(/^```[\s\S]*?^```|`[^`\n]+`/gm) ?? [])
  .join('\n');
const words = new Set(code.match(/\w+/g));

const isClass = (value: unknown) => /^class\b/.test(Function.prototype.toString.call(value));

test.each([
  ['kernelwright', kernelwright],
  ['kernelwright/node', node],
])('every function of %s stands in a page of docs/', (_, exported) => {
  const functions = Object.entries(exported).filter(
    ([, value]) => typeof value === 'function' && !isClass(value),
  );
  expect(functions.length).toBeGreaterThan(2);
  expect(functions.map(([name]) => name).filter((name) => !words.has(name))).toEqual([]);
});
