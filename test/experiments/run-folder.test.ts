import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { explain } from '../../experiments/errors.ts';
import { RunFolder } from '../../experiments/run-folder.ts';

const fresh = async () => new RunFolder(await mkdtemp(join(tmpdir(), 'run-folder-')));

test('a file is written whole, with no temporary file left', async () => {
  const folder = await fresh();
  await folder.write('a/b.bin', new Uint8Array([1, 2, 3]));
  expect(await readdir(join(folder.path, 'a'))).toEqual(['b.bin']);
  expect([...(await readFile(join(folder.path, 'a/b.bin')))]).toEqual([1, 2, 3]);
});

test('what a killed run left of a file is written over', async () => {
  const folder = await fresh();
  await writeFile(join(folder.path, 'a.txt.tmp'), 'half of');
  await folder.write('a.txt', 'whole');
  expect(await readdir(folder.path)).toEqual(['a.txt']);
  expect(await readFile(join(folder.path, 'a.txt'), 'utf8')).toBe('whole');
});

test('a failed write leaves the old file and no temporary one', async () => {
  const folder = await fresh();
  await folder.write('a.txt', 'old');
  await expect(folder.write('a.txt', { length: 1 } as unknown as string)).rejects.toThrow();
  expect(await readdir(folder.path)).toEqual(['a.txt']);
  expect(await readFile(join(folder.path, 'a.txt'), 'utf8')).toBe('old');
});

test('finished work is not done again', async () => {
  const folder = await fresh();
  let calls = 0;
  const work = async () => {
    calls++;
    return { value: 0.1 + 0.2 };
  };
  expect(await folder.once('x.json', work)).toEqual(await folder.once('x.json', work));
  expect(calls).toBe(1);
});

test('what is no number when stored is no number when read', async () => {
  const folder = await fresh();
  const work = async () => ({ losses: [1, Number.NaN, Number.POSITIVE_INFINITY], range: undefined });
  const expected = { losses: [1, Number.NaN, Number.NaN] };
  expect(await folder.once('x.json', work)).toEqual(expected);
  expect(await folder.once('x.json', work)).toEqual(expected);
});

test('a damaged file is named, in one line', async () => {
  const folder = await fresh();
  await writeFile(join(folder.path, 'x.json'), '{"a":');
  const error = await folder.readJson('x.json').catch((e: unknown) => e);
  expect(explain(error)).toMatch(/x\.json is damaged/);
});

test('a file in the way and a full disk are explained, a bug is not', async () => {
  const folder = await fresh();
  await writeFile(join(folder.path, 'file'), '');
  const error = await new RunFolder(join(folder.path, 'file')).write('x', 'y').catch((e: unknown) => e);
  expect(explain(error)).toMatch(/--out/);
  expect(
    explain(Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write', path: '/x' })),
  ).toMatch(/disk is full.*--resume/);
  expect(explain(new TypeError('undefined is not a function'))).toBeUndefined();
});
