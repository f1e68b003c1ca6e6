import { existsSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import { FormatError } from '../errors.ts';

const OP = 'unpack';
const BLOCK = 512;
const FILE_TYPES = new Set(['0', '\0']);
const FOLDER_TYPE = '5';

/** A regular file inside a tar archive. */
export interface TarEntry {
  readonly path: string;
  readonly mode: number;
  readonly data: Buffer;
}

/** An npm package that carries archives in its `bin` folder. */
export interface BinaryPackage {
  readonly version: string;
  readonly bin: string;
}

/**
 * Finds `@sparticuz/chromium`, which carries SwiftShader, a Vulkan loader and a headless browser for Linux x64.
 * Returns `undefined` where it is not installed; throws nothing.
 */
export async function chromiumPackage(): Promise<BinaryPackage | undefined> {
  const entry = resolveModule('@sparticuz/chromium');
  if (entry === undefined) return undefined;
  const root = join(dirname(entry), '..', '..');
  const manifest: unknown = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  return { version: String((manifest as { version: unknown }).version), bin: join(root, 'bin') };
}

function resolveModule(name: string): string | undefined {
  try {
    return createRequire(import.meta.url).resolve(name);
  } catch {
    return undefined;
  }
}

const folders = new Map<string, Promise<string>>();

/**
 * Returns the folder `name` of the user's cache, calling `fill` with a folder to write into where it does not exist yet.
 * The folder appears in one rename, so processes may race. Where the cache cannot be written to, the folder is a
 * temporary one that goes when the process ends. Throws what `fill` throws.
 */
export function cached(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = folders.get(name) ?? makeFolder(name, fill);
  folders.set(name, folder);
  folder.catch(() => folders.delete(name));
  return folder;
}

async function makeFolder(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(cacheRoot(), name);
  if (existsSync(folder)) return folder;
  const draft = await makeDraft(folder);
  try {
    await fill(draft);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
  return publish(draft, folder);
}

function cacheRoot(): string {
  return join(process.env.XDG_CACHE_HOME || join(home(), '.cache'), 'kernelwright');
}

function home(): string {
  try {
    return homedir();
  } catch {
    return '/nonexistent'; // a user without an entry in passwd: cannot be written to, hence a temporary folder
  }
}

async function makeDraft(folder: string): Promise<string> {
  try {
    await mkdir(dirname(folder), { recursive: true, mode: 0o700 });
    return await mkdtemp(`${folder}.tmp-`);
  } catch {
    return mkdtemp(join(tmpdir(), `kernelwright-${basename(folder)}-`));
  }
}

async function publish(draft: string, folder: string): Promise<string> {
  try {
    await rename(draft, folder);
    return folder;
  } catch {
    if (!existsSync(folder)) return removedAtExit(draft);
    await rm(draft, { recursive: true, force: true }); // another process was faster
    return folder;
  }
}

function removedAtExit(folder: string): string {
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes the files of a brotli-compressed tar archive below `folder`. Throws `FormatError` as `readTar` does. */
export async function unpackArchive(archive: string, folder: string): Promise<void> {
  const tar = await promisify(brotliDecompress)(await readFile(archive));
  for (const { path, mode, data } of readTar(tar)) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, data, { mode });
  }
}

/**
 * Lists the files of an uncompressed tar archive (POSIX 1003.1 ustar header: 512-byte blocks, octal numbers).
 * Throws `FormatError` for anything but files and folders, and for a path that leads out of the archive.
 */
export function readTar(tar: Buffer): TarEntry[] {
  const entries: TarEntry[] = [];
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0; ) {
    const { path, mode, size, type } = readHeader(tar.subarray(at, at + BLOCK));
    const start = at + BLOCK;
    if (start + size > tar.length)
      throw new FormatError(OP, `'${path}' is cut off after ${tar.length - start} of ${size} bytes`);
    if (type !== FOLDER_TYPE) entries.push({ path, mode, data: tar.subarray(start, start + size) });
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
  return entries;
}

function readHeader(header: Buffer) {
  const text = (from: number, to: number) => header.toString('latin1', from, to).replace(/\0.*$/s, '');
  const octal = (from: number, to: number) => Number.parseInt(text(from, to).trim() || '0', 8);
  const path = text(0, 100);
  const type = header.toString('latin1', 156, 157);
  if (!FILE_TYPES.has(type) && type !== FOLDER_TYPE) {
    throw new FormatError(OP, `'${path}' has the tar type '${type}', expected a file or a folder`);
  }
  if (path.startsWith('/') || path.split('/').includes('..')) {
    throw new FormatError(OP, `'${path}' leads out of its archive`);
  }
  return { path, mode: octal(100, 108), size: octal(124, 136), type };
}
