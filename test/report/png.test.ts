import { inflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { encodePng } from '../../experiments/report/png.ts';

test('a picture of one pixel is the file everyone knows', () => {
  const png = encodePng(Uint8Array.of(255, 0, 0), 1, 1, 3);
  expect(png.subarray(0, 33).toString('hex')).toBe(
    '89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de', // signature, IHDR and its CRC
  );
  expect(png.subarray(-12).toString('hex')).toBe('0000000049454e44ae426082');
});

test.each([1, 3] as const)('rows of %i channels keep their pixels', (channels) => {
  const [width, height] = [3, 2];
  const pixels = Uint8Array.from({ length: width * height * channels }, (_, i) => 7 * i);
  const png = encodePng(pixels, width, height, channels);
  const start = png.indexOf('IDAT') + 4;
  const rows = inflateSync(png.subarray(start, start + png.readUInt32BE(start - 8)));
  const row = width * channels;
  expect([rows[0], rows[row + 1]]).toEqual([0, 0]);
  expect([...rows.subarray(1, row + 1), ...rows.subarray(row + 2)]).toEqual([...pixels]);
});
