import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exitWith, UserError } from '../../bench/exit.ts';
import { outputFile } from '../../bench/files.ts';
import { secondsOption } from '../../bench/flags.ts';
import { runScript } from './run.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'flags-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

test('results go to a file in a folder that is there', () => {
  const file = join(folder, 'a.json');
  expect(outputFile(file)).toBe(file);
  expect(outputFile('a.json')).toBe('a.json');
  expect(() => outputFile('')).toThrow('needs the name of a file');
  expect(() => outputFile(folder)).toThrow('needs a file; that is a folder');
  expect(() => outputFile(join(folder, 'none', 'a.json'))).toThrow(`there is no folder ${folder}/none`);
  writeFileSync(file, '');
  expect(() => outputFile(join(file, 'a.json'))).toThrow(`there is no folder ${file}`);
});

test('seconds are a number above 0', () => {
  const read = (text: string) => secondsOption(4).parseArg?.(text, 0);
  expect(read('0.5')).toBe(0.5);
  for (const text of ['abc', '', '0', '-5', 'Infinity', 'NaN']) expect(() => read(text)).toThrow('above 0');
});

test('sizes know their options only', async () => {
  const done = await runScript('scripts/size.ts', '--jsn');
  expect(done).toMatchObject({ code: 2, stdout: '' });
  expect(done.stderr).toMatch(/^error: unknown option '--jsn'/);
});

test('a fault of ours is code 1', async () => {
  const codes: unknown[] = [];
  const exit = process.exit;
  const write = process.stderr.write;
  const lines: unknown[] = [];
  process.exit = ((code?: number) => void codes.push(code)) as typeof process.exit;
  process.stderr.write = ((line: unknown) => lines.push(line) > 0) as typeof process.stderr.write;
  for (const error of [new UserError('mend it'), new RangeError('ours')])
    await exitWith(() => Promise.reject(error));
  process.exit = exit;
  process.stderr.write = write;
  expect(codes).toEqual([2, 1]);
  expect(lines).toEqual(['error: mend it\n', expect.stringMatching(/RangeError: ours\n +at /)]);
});
