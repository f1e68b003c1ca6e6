import { createReadStream, createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { type BuildOptions, build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import { DeviceError } from '../src/errors.ts';
import { cached, chromiumPackage, unpackArchive } from '../src/node/unpack.ts';

const ARCHIVES = ['swiftshader', 'al2023', 'fonts'];
const ARGS = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
// The package's own fonts.conf looks for the fonts below /tmp.
const FONTS_CONF =
  '<fontconfig><dir prefix="relative">fonts</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>';
const PAGE =
  '<!doctype html><meta charset="utf-8"><title>test</title><script type="module" src="/entry.js"></script>';

/** A page of the test browser, with all that went wrong on it so far. */
export interface TestPage {
  readonly page: Page;
  /** Errors thrown on the page or logged with `console.error`, in order. */
  readonly errors: readonly string[];
  /** Closes the page and its server. */
  close(): Promise<void>;
}

/**
 * Starts a headless Chromium whose WebGPU adapter is SwiftShader, from `@sparticuz/chromium` alone: the libraries and
 * fonts it needs come from there too. Linux x64 only. Throws `DeviceError` where that package is missing.
 */
export async function launchBrowser(): Promise<Browser> {
  const folder = await browserFolder();
  return chromium.launch({
    executablePath: join(folder, 'chromium'),
    args: ARGS,
    env: { ...process.env, LD_LIBRARY_PATH: join(folder, 'lib'), FONTCONFIG_PATH: folder },
  });
}

async function browserFolder(): Promise<string> {
  const source = await chromiumPackage();
  if (source === undefined) {
    throw new DeviceError(
      'launchBrowser',
      "the package '@sparticuz/chromium' is not installed: npm i -D @sparticuz/chromium",
    );
  }
  return cached(`chromium-${source.version}`, async (folder) => {
    await Promise.all([
      unpackFile(join(source.bin, 'chromium.br'), join(folder, 'chromium')),
      ...ARCHIVES.map((name) => unpackArchive(join(source.bin, `${name}.tar.br`), folder)),
    ]);
    await writeFile(join(folder, 'fonts.conf'), FONTS_CONF);
  });
}

async function unpackFile(compressed: string, file: string): Promise<void> {
  const output = createWriteStream(file, { mode: 0o755 });
  await pipeline(createReadStream(compressed), createBrotliDecompress({ chunkSize: 1 << 20 }), output);
}

/**
 * Bundles a TypeScript file for browsers, serves it on localhost (WebGPU wants a secure context) and opens it.
 * The page is returned when the module has run. What the entry wants a test to call it puts on `globalThis`.
 * Throws what esbuild reports, and an error where the module throws.
 */
export async function openTestPage(
  browser: Browser,
  entryFile: string,
  options: BuildOptions = {},
): Promise<TestPage> {
  const server = await serve({ '/': PAGE, '/entry.js': await bundle(entryFile, options) });
  const page = await browser.newPage();
  const errors = collectErrors(page);
  const close = async () => {
    await page.close();
    server.close();
  };
  const { port } = server.address() as AddressInfo;
  await page.goto(`http://localhost:${port}/`); // module scripts are run before the load event
  if (errors.length === 0) return { page, errors, close };
  await close();
  throw new Error(`${entryFile}: ${errors.join('; ')}`);
}

async function bundle(entryFile: string, options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entryFile],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    sourcemap: 'inline',
    loader: { '.wgsl': 'text' },
    ...options,
  });
  return outputFiles![0]!.text;
}

function collectErrors(page: Page): string[] {
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  return errors;
}

async function serve(files: Record<string, string>): Promise<Server> {
  const server = createServer((request, response) => {
    const body = files[request.url ?? ''];
    const type = request.url === '/' ? 'text/html' : 'text/javascript';
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': `${type}; charset=utf-8` });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return server;
}
