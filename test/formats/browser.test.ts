import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchBrowser, openTestPage, type TestPage } from '../../scripts/browser.ts';
import { decodeArrays } from '../../src/formats/decode.ts';
import type { PageApi } from './page.ts';
import { GOLDEN } from './torch-golden.ts';
import { zipOf } from './zip-tools.ts';

let browser: Browser;
let page: TestPage;
beforeAll(async () => {
  browser = await launchBrowser();
  page = await openTestPage(browser, fileURLToPath(new URL('page.ts', import.meta.url)));
});
afterAll(() => browser?.close());

const npy = Uint8Array.from([
  ...[0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 59, 0],
  ...new TextEncoder().encode("{'descr': '|u1', 'fortran_order': False, 'shape': (1000,)}".padEnd(59)),
  ...new Uint8Array(1000).fill(7),
]);
const FILES = { ...GOLDEN, npz: zipOf([{ name: 'a.npy', data: npy, deflated: true }]) };

function fetched(file: Uint8Array) {
  const load = (bytes: number[]) => (globalThis as unknown as PageApi).fetchArrays(bytes);
  return page.page.evaluate(load, [...file]);
}

test.each(Object.entries(FILES))('a browser reads %s as Node does, with progress', async (_, file) => {
  const found = await fetched(file);
  if (typeof found === 'string') throw new Error(found);
  const expected = [...(await decodeArrays(file, 'file'))];
  expect(found.arrays).toEqual(
    expected.map(([name, { dtype, data }]) => [name, dtype, Array.from(data, String)]),
  );
  expect(found.progress.at(-1)).toEqual([file.length, file.length]);
});

test('and refuses damaged ones with the same words', async () => {
  const damaged = FILES.npz.map((byte, i) => (i === 50 ? byte ^ 255 : byte));
  const message = await decodeArrays(damaged, 'file').catch(String);
  expect(message).toContain('FormatError');
  expect(await fetched(damaged)).toBe(message);
  expect(page.errors).toEqual([]);
});
