import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UsageError } from './errors.ts';

/** The folder of one run. Every file is written under a temporary name and renamed, so none is ever half there. */
export class RunFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get name(): string {
    return basename(this.path);
  }

  async write(name: string, content: string | Uint8Array): Promise<void> {
    const target = join(this.path, name);
    await mkdir(dirname(target), { recursive: true });
    // One name, so that what a killed run left is written over when a later one gets there.
    const temporary = `${target}.tmp`;
    try {
      const file = await open(temporary, 'w');
      try {
        await file.writeFile(content);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  writeJson(name: string, value: unknown): Promise<void> {
    return this.write(name, `${JSON.stringify(value, undefined, 1)}\n`);
  }

  /** The bytes of a file, or undefined when it is not there. */
  async read(name: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(join(this.path, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** The value of a JSON file, or undefined when it is not there. Throws `UsageError` when it is damaged. */
  async readJson<T>(name: string, revive?: (key: string, value: unknown) => unknown): Promise<T | undefined> {
    const bytes = await this.read(name);
    if (!bytes) return undefined;
    try {
      return JSON.parse(new TextDecoder().decode(bytes), revive) as T;
    } catch {
      throw new UsageError(`${join(this.path, name)} is damaged; delete it and resume again`);
    }
  }

  /** The stored value of `name`, or what `make` gives, which is stored: finished work is never done again. */
  async once<T>(name: string, make: () => Promise<T>): Promise<T> {
    if ((await this.read(name)) === undefined) await this.writeJson(name, await make());
    // As a resumed run would read it: JSON has no NaN and no infinity, and writes null for both.
    return (await this.readJson<T>(name, (_, value) => value ?? Number.NaN)) as T;
  }

  remove(name: string): Promise<void> {
    return rm(join(this.path, name), { force: true });
  }
}
