import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchBrowser, openTestPage, type TestPage } from '../../scripts/browser.ts';
import { minifiedShaders } from '../../scripts/shaders-plugin.ts';
import { families } from '../ops/index.ts';
import type { PageApi } from './page.ts';

let browser: Browser;
let page: TestPage;

beforeAll(async () => {
  browser = await launchBrowser();
  // With the shaders as they are shipped.
  const entry = fileURLToPath(new URL('page.ts', import.meta.url));
  page = await openTestPage(browser, entry, { plugins: [minifiedShaders] });
  const adapter = await page.page.evaluate(() => (globalThis as unknown as PageApi).open());
  expect(adapter).toBe('swiftshader');
});
afterAll(() => browser?.close());

test.each(Object.entries(families))(
  '%s',
  async (family, cases) => {
    // Variants are forced in Node.
    const check = (asked: string) => (globalThis as unknown as PageApi).checkFamily(asked);
    const report = await page.page.evaluate(check, family);
    expect(report.failures).toEqual([]);
    expect(report.checked).toBe(cases.filter(({ large }) => !large).length);
    expect(report.checked).toBeGreaterThan(0);
    expect(page.errors).toEqual([]);
  },
  600_000,
);
