import { describe, expect, test } from 'vitest';
import { FormatError, ShapeError } from '../../src/errors.ts';
import { crc32 } from '../../src/formats/crc32.ts';
import { ZipArchive } from '../../src/formats/zip.ts';
import { encodeZip } from '../../src/formats/zip-writer.ts';
import { type Entry, zipOf } from './zip-tools.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const a: Entry = { name: 'a', data: bytes('alpha') };
const b: Entry = { name: 'b', data: bytes('beta'.repeat(100)) };
/** More than one chunk of a `DecompressionStream`. */
const long: Entry = { name: 'long', data: Uint8Array.from({ length: 70_000 }, (_, i) => (i * i) >> 5) };

async function readAll(file: Uint8Array): Promise<Record<string, string>> {
  const archive = new ZipArchive(file, 'test', 'x.zip');
  const found: Record<string, string> = {};
  for (const name of archive.names) found[name] = new TextDecoder().decode(await archive.read(name));
  return found;
}

test('the checksum is the published one', () => {
  expect(crc32(bytes('123456789'))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array(0))).toBe(0);
});

test.each([false, true])(
  'reads stored and deflated entries, and a comment (deflated: %s)',
  async (deflated) => {
    const file = zipOf(
      [
        { ...a, deflated },
        { ...b, deflated },
        { name: 'ü', data: new Uint8Array(0), deflated },
      ],
      { comment: 'hi' },
    );
    expect(await readAll(file)).toEqual({ a: 'alpha', b: 'beta'.repeat(100), ü: '' });
  },
);

test('reads what it writes, aligned to 64 bytes, and equal entries give equal bytes', async () => {
  const entries = [
    ['x/one', bytes('1')],
    ['x/two', bytes('22')],
    ['none', new Uint8Array(0)],
  ] as const;
  const file = encodeZip(entries, 'test');
  expect(await readAll(file)).toEqual({ 'x/one': '1', 'x/two': '22', none: '' });
  expect(encodeZip(entries, 'test')).toEqual(file);
  const text = new TextDecoder('latin1').decode(file);
  expect([text.indexOf('1', 60) % 64, text.indexOf('22') % 64]).toEqual([0, 0]);
});

test('writes no more than 4 GB', () => {
  const large = { length: 2 ** 32 } as Uint8Array;
  expect(() => encodeZip([['a', large]], 'test')).toThrow(ShapeError);
});

describe('refuses', () => {
  test.each<[string, Uint8Array, string]>([
    ['a name that comes twice', zipOf([a, a]), 'two entries have the name "a"'],
    ['entries in the same bytes', zipOf([a, { ...b, offset: 0 }]), 'overlaps'],
    ['another name at the data', zipOf([{ ...a, localName: 'b' }]), '"a" has another name'],
    ['the same data under two names', zipOf([{ ...a, compressed: 60, size: 60 }, b]), 'overlaps'],
    ['a checksum that differs', zipOf([{ ...a, crc: 5 }]), '"a": its bytes are damaged'],
    ['damaged deflate', zipOf([{ ...a, method: 8 }]), '"a": its compressed bytes'],
    [
      'a deflated checksum that differs',
      zipOf([{ ...b, deflated: true, crc: 5 }]),
      '"b": its compressed bytes',
    ],
    ['less than it promises', zipOf([{ ...b, deflated: true, size: 401 }]), '"b": its compressed bytes'],
    ['more than it promises', zipOf([{ ...b, deflated: true, size: 399 }]), '"b": its compressed bytes'],
    ['much more than it promises', zipOf([{ ...b, deflated: true, size: 1 }]), '"b": its compressed bytes'],
    [
      'a chunk of the stream less than there is',
      zipOf([{ ...long, deflated: true, size: 16384 }]),
      '"long": its compressed bytes',
    ],
    [
      'the same with another checksum',
      zipOf([{ ...long, deflated: true, size: 65536, crc: 12345 }]),
      '"long": its compressed bytes',
    ],
    [
      'a size that deflate cannot reach',
      zipOf([{ ...b, deflated: true, size: 2 ** 31 }]),
      'cannot hold 2147483648',
    ],
    ['two sizes of a stored entry', zipOf([{ ...a, size: 9 }]), 'stored with two different sizes'],
    ['encryption', zipOf([{ ...a, flags: 1 }]), '"a" is encrypted'],
    ['another compression', zipOf([{ ...a, method: 12 }]), 'method 12'],
    ['an entry outside the file', zipOf([{ ...a, offset: 5000 }]), 'does not begin at byte 5000'],
    [
      'an entry that runs into the directory',
      zipOf([{ ...a, compressed: 99, size: 99 }]),
      'in the directory',
    ],
    ['fewer entries than it counts', zipOf([a], { count: 2 }), 'no entry begins'],
    ['more entries than it counts', zipOf([a, b], { count: 1 }), 'does not have'],
    ['no archive', bytes('hello'.repeat(10)), 'no end record'],
    ['nothing', new Uint8Array(0), 'no end record'],
  ])('%s', async (_, file, message) => {
    await expect(readAll(file)).rejects.toThrow(FormatError);
    await expect(readAll(file)).rejects.toThrow(message);
  });

  test('zip64 records that are not there', async () => {
    const file = zipOf([a]);
    new DataView(file.buffer).setUint32(file.length - 6, 0xffffffff, true);
    await expect(readAll(file)).rejects.toThrow('has no zip64 end record');
    const sizes = zipOf([{ ...a, compressed: 0xffffffff, size: 0xffffffff }]);
    await expect(readAll(sizes)).rejects.toThrow('"a" has no zip64 sizes');
  });
});
