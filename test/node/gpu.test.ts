import { execFile } from 'node:child_process';
import { readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DeviceError } from '../../src/errors.ts';
import { type AdapterKind, nullGpu, type OpenedGpu, openGpu } from '../../src/node/index.ts';
import { swiftShaderDriver } from '../../src/node/swiftshader.ts';
import { doubleOn } from './double.ts';
import { makeTemporaryFolder } from './temporary.ts';

const KINDS: AdapterKind[] = ['gpu', 'lavapipe', 'swiftshader'];
const repository = fileURLToPath(new URL('../..', import.meta.url));

afterEach(() => vi.unstubAllEnvs());

/** Opens all kinds of adapter that this machine has; another error than a missing adapter is not swallowed. */
async function openAll(): Promise<OpenedGpu[]> {
  const opened: OpenedGpu[] = [];
  for (const adapter of KINDS) {
    try {
      opened.push(await openGpu({ adapter }));
    } catch (error) {
      expect(error).toBeInstanceOf(DeviceError);
      expect((error as Error).message).toContain(`no adapter '${adapter}'`);
    }
  }
  return opened;
}

describe('openGpu', () => {
  it('opens every kind that there is in one process, and each computes', async () => {
    const opened = await openAll();
    expect(opened.map(({ kind }) => kind)).toContain('swiftshader');
    for (const { adapter } of opened)
      expect(await doubleOn(adapter, [1, -2.5, 3, 0, 7])).toEqual([2, -5, 6, 0, 14]);
  });

  it("takes the first of gpu, lavapipe, swiftshader for 'auto'", async () => {
    const [best] = await openAll();
    expect((await openGpu()).kind).toBe(best!.kind);
  });

  it('opens adapters at the same time', async () => {
    const opened = await Promise.all([openGpu(), openGpu({ adapter: 'swiftshader' }), openGpu()]);
    expect(opened[1].kind).toBe('swiftshader');
    expect(opened[2].kind).toBe(opened[0].kind);
  });

  it('describes the adapter', async () => {
    const { description } = await openGpu({ adapter: 'swiftshader' });
    expect(description).toMatch(/^swiftshader.*\(SwiftShader driver [\d.]+\)$/i);
  });

  it('measures time without rounding', async () => {
    const { adapter } = await openGpu({ adapter: 'swiftshader' });
    const stamps = await readTimestamps(
      await adapter.requestDevice({ requiredFeatures: ['timestamp-query'] }),
    );
    expect(stamps.some((stamp) => stamp % 65536n !== 0n)).toBe(true);
  });

  it('looks only at the drivers the user names, and leaves the variable as it was', async () => {
    const driver = (await swiftShaderDriver())!;
    vi.stubEnv('VK_DRIVER_FILES', driver);
    expect((await openGpu()).kind).toBe('swiftshader');
    await expect(openGpu({ adapter: 'gpu' })).rejects.toThrow(/no adapter 'gpu' \(found .*SwiftShader/);
    await openGpu({ adapter: 'swiftshader' });
    expect(process.env.VK_DRIVER_FILES).toBe(driver);
  });

  it('says in one line what it looked at where there is no adapter', async () => {
    vi.stubEnv('VK_DRIVER_FILES', '/no/such.json');
    const error = await openGpu().catch((error: unknown) => error);
    expect(error).toBeInstanceOf(DeviceError);
    expect((error as Error).message).toMatch(
      /^openGpu: no adapter 'auto' \(found \/no\/such\.json: none\); install .*$/,
    );
  });

  it('refuses an unknown adapter', async () => {
    const opening = openGpu({ adapter: 'voodoo' as 'auto' });
    await expect(opening).rejects.toThrow(DeviceError);
    await expect(opening).rejects.toThrow(
      "unknown adapter 'voodoo', expected one of auto, gpu, lavapipe, swiftshader",
    );
  });
});

async function readTimestamps(device: GPUDevice): Promise<bigint[]> {
  const querySet = device.createQuerySet({ type: 'timestamp', count: 2 });
  const resolved = device.createBuffer({ size: 16, usage: 0x200 | 0x4 }); // QUERY_RESOLVE | COPY_SRC
  const result = device.createBuffer({ size: 16, usage: 0x8 | 0x1 }); // COPY_DST | MAP_READ
  const encoder = device.createCommandEncoder();
  const timestampWrites = { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
  encoder.beginComputePass({ timestampWrites }).end();
  encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, result, 0, 16);
  device.queue.submit([encoder.finish()]);
  await result.mapAsync(0x1);
  const stamps = [...new BigUint64Array(result.getMappedRange())];
  device.destroy();
  return stamps;
}

describe('nullGpu', () => {
  it('compiles shaders and locates their errors', async () => {
    const adapter = await (await nullGpu()).requestAdapter();
    const device = await adapter!.requestDevice();
    device.pushErrorScope('validation');
    const good = device.createShaderModule({ code: '@compute @workgroup_size(1) fn main() {}' });
    expect(await device.popErrorScope()).toBeNull();
    expect((await good.getCompilationInfo()).messages).toEqual([]);
    device.pushErrorScope('validation');
    const bad = device.createShaderModule({ code: '@compute @workgroup_size(1)\nfn main() { x = 1; }' });
    expect(await device.popErrorScope()).not.toBeNull();
    const [message] = (await bad.getCompilationInfo()).messages;
    expect(message).toMatchObject({ type: 'error', lineNum: 2, linePos: 13 });
    device.destroy();
  });
});

describe('a program of its own', () => {
  const OPEN = `
    import { openGpu } from './node.mjs';
    const { adapter, kind } = await openGpu({ adapter: 'swiftshader' });
    await adapter.requestDevice(); // left open, as programs do
    console.log(kind);`;

  async function makeProgram(source: string): Promise<string> {
    const folder = await makeTemporaryFolder();
    await build({
      entryPoints: [join(repository, 'src/node/index.ts')],
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: ['webgpu'],
      outfile: join(folder, 'node.mjs'),
    });
    await writeFile(join(folder, 'main.mjs'), source);
    return folder;
  }

  const installPackages = (folder: string) =>
    symlink(join(repository, 'node_modules'), join(folder, 'node_modules'), 'dir');

  async function run(folder: string, env: Record<string, string>): Promise<string> {
    const options = { cwd: folder, env: { PATH: process.env.PATH, ...env }, timeout: 30_000 };
    const { stdout } = await promisify(execFile)(process.execPath, ['main.mjs'], options); // rejects unless it exits with 0
    return stdout.trim();
  }

  it('unpacks SwiftShader in several processes at once, and each ends cleanly', async () => {
    const folder = await makeProgram(OPEN);
    await installPackages(folder);
    const env = { XDG_CACHE_HOME: join(folder, 'cache') };
    expect(await Promise.all([1, 2, 3].map(() => run(folder, env)))).toEqual(Array(3).fill('swiftshader'));
    expect(await readdir(join(folder, 'cache/kernelwright'))).toEqual([
      expect.stringMatching(/^swiftshader-[\d.]+$/),
    ]);
  }, 60_000);

  it('does without a cache, and leaves no temporary files', async () => {
    const folder = await makeProgram(OPEN);
    await installPackages(folder);
    const temporary = await makeTemporaryFolder();
    expect(await run(folder, { XDG_CACHE_HOME: '/dev/null', TMPDIR: temporary })).toBe('swiftshader');
    expect(await readdir(temporary)).toEqual([]);
  }, 60_000);

  it('says that a worker thread cannot choose the driver', async () => {
    const folder = await makeProgram(`
      import { Worker, isMainThread } from 'node:worker_threads';
      import { openGpu } from './node.mjs';
      if (isMainThread) new Worker(new URL(import.meta.url));
      else await openGpu({ adapter: 'swiftshader' }).catch((error) => console.log(error.message));`);
    await installPackages(folder);
    const message = await run(folder, { VK_DRIVER_FILES: '/no/such.json' });
    expect(message).toMatch(/no adapter 'swiftshader' .*; open it in the main thread/);
  }, 60_000);

  it("names the remedy where the package 'webgpu' is missing", async () => {
    const folder = await makeProgram(`
      import { openGpu } from './node.mjs';
      await openGpu().catch((error) => console.log(error.name, error.message));`);
    expect(await run(folder, {})).toBe(
      "DeviceError openGpu: the package 'webgpu' is not installed: npm i webgpu",
    );
  }, 60_000);
});
