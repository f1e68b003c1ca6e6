import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { FormatError } from '../../src/errors.ts';
import { cached, readTar, unpackArchive } from '../../src/node/unpack.ts';
import { makeTemporaryFolder } from './temporary.ts';

/** One entry of a tar archive: a header block and the padded data. */
function tarEntry(path: string, text = '', { type = '0', mode = 0o644, size = text.length } = {}): Buffer {
  const entry = Buffer.alloc(512 + Math.ceil(text.length / 512) * 512);
  entry.write(path, 0);
  entry.write(mode.toString(8).padStart(7, '0'), 100);
  entry.write(size.toString(8).padStart(11, '0'), 124);
  entry.write(type, 156);
  entry.write(text, 512);
  return entry;
}

const tar = (...entries: Buffer[]) => Buffer.concat([...entries, Buffer.alloc(1024)]);

describe('readTar', () => {
  it('lists files with their modes, and skips folders', () => {
    const long = 'x'.repeat(513);
    const archive = tar(
      tarEntry('a/', '', { type: '5' }),
      tarEntry('a/b', long),
      tarEntry('c', 'run', { mode: 0o755 }),
    );
    const entries = readTar(archive).map(({ path, mode, data }) => [path, mode, data.toString()]);
    expect(entries).toEqual([
      ['a/b', 0o644, long],
      ['c', 0o755, 'run'],
    ]);
  });

  it.each([
    ['a link', tarEntry('a', '', { type: '2' })],
    ['a path upwards', tarEntry('a/../../b')],
    ['an absolute path', tarEntry('/etc/passwd')],
    ['data that is cut off', tarEntry('a', 'short', { size: 5000 })],
  ])('refuses %s', (_, entry) => {
    expect(() => readTar(tar(entry))).toThrow(FormatError);
  });
});

it('unpacks a compressed archive, executables as such', async () => {
  const folder = await makeTemporaryFolder();
  const archive = join(folder, 'x.tar.br');
  await writeFile(archive, brotliCompressSync(tar(tarEntry('bin/tool', 'run', { mode: 0o755 }))));
  await unpackArchive(archive, join(folder, 'out'));
  expect(await readFile(join(folder, 'out/bin/tool'), 'utf8')).toBe('run');
  expect((await stat(join(folder, 'out/bin/tool'))).mode & 0o111).not.toBe(0);
});

describe('cached', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('fills a folder once', async () => {
    const root = await makeTemporaryFolder();
    vi.stubEnv('XDG_CACHE_HOME', root);
    const fill = vi.fn((folder: string) => writeFile(join(folder, 'x'), 'data'));
    const [first, second] = await Promise.all([cached('once', fill), cached('once', fill)]);
    expect(first).toBe(join(root, 'kernelwright', 'once'));
    expect(second).toBe(first);
    expect(fill).toHaveBeenCalledTimes(1);
    expect(await readFile(join(first, 'x'), 'utf8')).toBe('data');
  });

  it('leaves nothing behind when filling fails, and tries again', async () => {
    const root = await makeTemporaryFolder();
    vi.stubEnv('XDG_CACHE_HOME', root);
    await expect(cached('again', () => Promise.reject(new Error('disk full')))).rejects.toThrow('disk full');
    expect(await readdir(join(root, 'kernelwright'))).toEqual([]);
    await cached('again', async () => {});
    expect(await readdir(join(root, 'kernelwright'))).toEqual(['again']);
  });

  it('gives way to another process that was faster', async () => {
    const root = await makeTemporaryFolder();
    vi.stubEnv('XDG_CACHE_HOME', root);
    const folder = await cached('race', async () => {
      await cached('race/winner', async () => {}); // the folder exists now, and is not empty
    });
    expect(await readdir(folder)).toEqual(['winner']);
    expect(await readdir(join(root, 'kernelwright'))).toEqual(['race']);
  });
});
