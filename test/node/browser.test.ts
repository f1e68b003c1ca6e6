import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchBrowser, openTestPage } from '../../scripts/browser.ts';
import type { PageApi } from './page.ts';
import { makeTemporaryFolder } from './temporary.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await launchBrowser();
}, 60_000);
afterAll(() => browser.close());

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

async function writeEntry(source: string): Promise<string> {
  const file = join(await makeTemporaryFolder(), 'entry.ts');
  await writeFile(file, source);
  return file;
}

it('computes on SwiftShader in a page', async () => {
  const { page, errors, close } = await openTestPage(browser, here('page.ts'));
  const report = await page.evaluate(() => (globalThis as unknown as PageApi).report());
  expect(report).toEqual({ vendor: 'google', architecture: 'swiftshader', doubled: [2, -5, 6, 0, 14] });
  expect(errors).toEqual([]);
  await close();
});

it('draws text: the fonts are found', async () => {
  const { page, close } = await openTestPage(browser, await writeEntry('export {};'));
  const width = await page.evaluate(() => {
    const context = new OffscreenCanvas(1, 1).getContext('2d')!;
    context.font = '20px "Open Sans", monospace';
    return [context.measureText('i').width, context.measureText('W').width];
  });
  expect(width[1]).toBeGreaterThan(2 * width[0]!);
  await close();
});

it('throws what the entry throws, with its message', async () => {
  const entry = await writeEntry('throw new Error("out of cheese")');
  await expect(openTestPage(browser, entry)).rejects.toThrow('out of cheese');
});

it('collects errors that come later', async () => {
  const { page, errors, close } = await openTestPage(browser, await writeEntry('export {};'));
  await page.evaluate(() => console.error('one'));
  await page.evaluate(() => void setTimeout(() => Promise.reject(new Error('two'))));
  await expect.poll(() => errors).toEqual(['one', 'Error: two']);
  await close();
});
