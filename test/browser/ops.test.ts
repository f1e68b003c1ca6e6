import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchBrowser, openTestPage, type TestPage } from '../../scripts/browser.ts';
import { minifiedShaders } from '../../scripts/shaders-plugin.ts';
import { openTestGpu } from '../open.ts';
import { families } from '../ops/index.ts';
import type { PageApi } from './page.ts';

let browser: Browser;
let page: TestPage;
/** Where the tests in Node run on the browser's adapter, they have forced each variant on it. */
let force: boolean;

beforeAll(async () => {
  browser = await launchBrowser();
  // With the shaders as they are shipped.
  const entry = fileURLToPath(new URL('page.ts', import.meta.url));
  page = await openTestPage(browser, entry, { plugins: [minifiedShaders] });
  const adapter = await page.page.evaluate(() => (globalThis as unknown as PageApi).open());
  expect(adapter).toBe('swiftshader');
  force = (await openTestGpu()).kind !== 'swiftshader';
});
afterAll(() => browser?.close());

test.each(Object.entries(families))(
  '%s',
  async (family, cases) => {
    const check = (asked: readonly [string, boolean]) =>
      (globalThis as unknown as PageApi).checkFamily(asked);
    const report = await page.page.evaluate(check, [family, force] as const);
    expect(report.failures).toEqual([]);
    expect(report.checked).toBe(cases.filter(({ large }) => !large).length);
    expect(report.checked).toBeGreaterThan(0);
    expect(page.errors).toEqual([]);
  },
  600_000,
);
