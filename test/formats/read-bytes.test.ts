import { describe, expect, test } from 'vitest';
import { FormatError } from '../../src/errors.ts';
import { readBytes } from '../../src/formats/read-bytes.ts';

const stream = (...chunks: number[][]) =>
  new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const next = chunks.shift();
      if (next) controller.enqueue(Uint8Array.from(next));
      else controller.close();
    },
  });
const response = (headers: Record<string, string>) => new Response(stream([1, 2], [3, 4, 5]), { headers });

test('joins the chunks of a stream and tells how far it is', async () => {
  const seen: [number, number | undefined][] = [];
  const onProgress = (bytes: number, total: number | undefined) => seen.push([bytes, total]);
  expect(await readBytes(stream([1, 2], [], [3]), { onProgress })).toEqual(Uint8Array.of(1, 2, 3));
  expect(seen.at(-1)).toEqual([3, undefined]);
  seen.length = 0;
  await readBytes(response({ 'content-length': '5' }), { onProgress });
  expect(seen).toEqual([
    [2, 5],
    [5, 5],
  ]);
});

test('a length of what is compressed on the way is not that of the file', async () => {
  const compressed = response({ 'content-length': '3', 'content-encoding': 'gzip' });
  expect(await readBytes(compressed)).toHaveLength(5);
});

test('nothing is a file of no bytes', async () => {
  expect(await readBytes(new Response(null))).toHaveLength(0);
});

describe('refuses', () => {
  test.each<[string, () => Response, string]>([
    [
      'what is not found',
      () => new Response('no', { status: 404, statusText: 'Not Found' }),
      'HTTP status 404 Not Found',
    ],
    ['what ends too early', () => response({ 'content-length': '9' }), 'ended after 5 of 9 bytes'],
    ['more than the limit', () => response({}), 'has more than 4 bytes'],
  ])('%s', async (_, make, message) => {
    const options = { limit: 4 + Number(make().headers.has('content-length')) * 9, what: 'w.pth' };
    await expect(readBytes(make(), options)).rejects.toThrow(FormatError);
    await expect(readBytes(make(), options)).rejects.toThrow(`w.pth: ${message}`);
  });

  test('and wants no more of a stream that is too long', async () => {
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(1000)),
      cancel: () => {
        cancelled = true;
      },
    });
    await expect(readBytes(endless, { limit: 10_000 })).rejects.toThrow('has more than 10000 bytes');
    expect(cancelled).toBe(true);
  });
});
