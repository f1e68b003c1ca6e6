import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchBrowser, openTestPage } from '../../scripts/browser.ts';
import type { Copied, ImagePageApi } from './image-page.ts';

const [WIDTH, HEIGHT] = [70, 3];

let browser: Browser;
let found: Record<string, Copied>;
beforeAll(async () => {
  browser = await launchBrowser();
  const page = await openTestPage(browser, fileURLToPath(new URL('image-page.ts', import.meta.url)));
  found = await page.page.evaluate(() => (globalThis as unknown as ImagePageApi).copyAll());
  expect(page.errors).toEqual([]);
});
afterAll(() => browser?.close());

const colourAt = (x: number, y: number) => [3 * x, 50 * y + 20, 255 - x, 255];

/** Bytes of the rows `ys`, r, g, b and perhaps a. */
const bytesOf = (ys: readonly number[], channels: number) =>
  ys.flatMap((y) => Array.from({ length: WIDTH }, (_, x) => colourAt(x, y).slice(0, channels)).flat());

/** The largest difference from what was drawn. */
function error({ bytes }: Copied, expected: readonly number[]): number {
  expect(bytes).toHaveLength(expected.length);
  return Math.max(...bytes.map((byte, i) => Math.abs(byte - (expected[i] ?? 0))));
}

test.each(['canvas', 'element', 'bitmap', 'image', 'pixels'])('%s: every pixel, exactly', (name) => {
  const copy = found[name] as Copied;
  expect(copy.shape).toEqual([HEIGHT, WIDTH, 3]);
  expect(error(copy, bytesOf([0, 1, 2], 3))).toBeLessThan(1e-3);
});

test('a frame of a video: every pixel, but for the conversion of its colours', () => {
  const copy = found.frame as Copied;
  expect(copy.shape).toEqual([HEIGHT, WIDTH, 3]);
  expect(error(copy, bytesOf([0, 1, 2], 3))).toBeLessThan(4);
});

test('with alpha, the last row first', () => {
  const copy = found.flipped as Copied;
  expect(copy.shape).toEqual([HEIGHT, WIDTH, 4]);
  expect(error(copy, bytesOf([2, 1, 0], 4))).toBeLessThan(1e-3);
});

test('is a tensor like any other: resized', () => {
  expect(found.small?.shape).toEqual([1, 1, 35, 3]);
});

test('a picture that was closed is an error', () => {
  expect(found.closed?.error).toBe(
    'ShapeError: tensorFromImage: the image is 0 × 0; wait until it is loaded',
  );
});
