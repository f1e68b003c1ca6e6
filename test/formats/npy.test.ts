import { describe, expect, test } from 'vitest';
import { FormatError } from '../../src/errors.ts';
import { decodeArrays } from '../../src/formats/decode.ts';
import { decodeNpy, decodeNpz } from '../../src/formats/npy.ts';
import type { StoredDtype, StoredTensor } from '../../src/formats/stored.ts';
import { zipOf } from './zip-tools.ts';

/** A .npy file, written byte by byte. */
function npy(
  descr: string,
  shape: string,
  data: ArrayBufferView,
  { fortran = 'False', version = 1 } = {},
): Uint8Array {
  const header = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': (${shape}), }\n`;
  return npyOf(header, data, version);
}

function npyOf(header: string, data: ArrayBufferView, version = 1): Uint8Array {
  const text = new TextEncoder().encode(header);
  const length = [text.length & 255, text.length >> 8, ...(version === 1 ? [] : [0, 0])];
  const body = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return Uint8Array.from([
    0x93,
    ...new TextEncoder().encode('NUMPY'),
    version,
    0,
    ...length,
    ...text,
    ...body,
  ]);
}

const six = Float32Array.of(1, 2, 3, 4, 5, 6);

test.each<[string, StoredDtype, StoredTensor['data']]>([
  ['<f8', 'F64', Float64Array.of(0.1, 2)],
  ['<f4', 'F32', Float32Array.of(0.5, 2)],
  ['<f2', 'F16', Uint16Array.of(0x3c00, 1)],
  ['<i8', 'I64', BigInt64Array.of(-5n, 1n)],
  ['<i4', 'I32', Int32Array.of(-5, 1)],
  ['<i2', 'I16', Int16Array.of(-5, 1)],
  ['|i1', 'I8', Int8Array.of(-5, 1)],
  ['<u8', 'U64', BigUint64Array.of(2n ** 63n, 1n)],
  ['<u4', 'U32', Uint32Array.of(2 ** 31, 1)],
  ['<u2', 'U16', Uint16Array.of(65535, 1)],
  ['|u1', 'U8', Uint8Array.of(255, 1)],
  ['|b1', 'BOOL', Uint8Array.of(0, 1)],
])('%s is %s', (descr, dtype, data) => {
  expect(decodeNpy(npy(descr, '2,', data), 'x.npy')).toEqual({ dtype, shape: [2], data });
});

describe('layouts', () => {
  test.each([
    ['a matrix', '2, 3', [2, 3]],
    ['a scalar', '', []],
    ['no elements', '0, 3', [0, 3]],
    ['sizes of Python 2', '2L, 3L', [2, 3]],
  ])('%s', (_, shape, expected) => {
    const size = expected.reduce((x, y) => x * y, 1);
    expect(decodeNpy(npy('<f4', shape, six.subarray(0, size)), 'x.npy')).toEqual({
      dtype: 'F32',
      shape: expected,
      data: six.slice(0, size),
    });
  });

  test('Fortran order becomes row-major', () => {
    const found = decodeNpy(
      npy('<f4', '2, 3', Float32Array.of(1, 4, 2, 5, 3, 6), { fortran: 'True' }),
      'x.npy',
    );
    expect(found).toEqual({ dtype: 'F32', shape: [2, 3], data: six });
  });

  test('big-endian elements are turned round', () => {
    expect([...decodeNpy(npy('>i2', '2,', Uint8Array.of(1, 2, 255, 254)), 'x.npy').data]).toEqual([258, -2]);
  });

  test.each([1, 2, 3])('version %i', (version) => {
    expect(decodeNpy(npy('<f4', '6,', six, { version }), 'x.npy').data).toEqual(six);
  });
});

describe('refuses', () => {
  test.each<[string, Uint8Array, string]>([
    ['objects', npy('|O', '6,', six), "type '|O'"],
    [
      'records',
      npyOf("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }", six),
      'its header is',
    ],
    ['text', npy('<U3', '2,', six), "type '<U3'"],
    ['a type that is a property of objects', npy('<constructor', '6,', six), 'elements of type'],
    ['no order', npy('f4', '6,', six), "type 'f4'"],
    ['a negative size', npy('<f4', '-1,', six), 'its header is'],
    ['a size beyond 2⁵³', npy('<f4', '99999999999999999999,', six), 'has the shape'],
    ['two commas', npy('<f4', '2,,3', six), 'has the shape'],
    ['65 axes', npy('<f4', '1, '.repeat(65), six), 'has the shape'],
    ['too little', npy('<f4', '7,', six), 'has 24 bytes of data; F32 [7] needs 28'],
    ['too much', npy('<f4', '5,', six), 'has 24 bytes of data; F32 [5] needs 20'],
    [
      'sizes whose product is no size',
      npy('<f4', '9007199254740991, 9007199254740991, 0', six),
      'has 24 bytes',
    ],
    ['version 4', npy('<f4', '6,', six, { version: 4 }), 'version 4'],
    ['a header that is code', npyOf('__import__("os").system("true")', six), 'its header is'],
    ['other bytes', new Uint8Array(20), 'is no .npy file'],
  ])('%s', (_, file, message) => {
    expect(() => decodeNpy(file, 'x.npy')).toThrow(FormatError);
    expect(() => decodeNpy(file, 'x.npy')).toThrow(message);
    expect(() => decodeNpy(file, 'x.npy')).toThrow('x.npy');
  });
});

describe('.npz', () => {
  const file = (deflated: boolean) =>
    zipOf(['a', 'b/c'].map((name) => ({ name: `${name}.npy`, data: npy('<f4', '6,', six), deflated })));

  test.each([false, true])('is an archive of arrays (deflated: %s)', async (deflated) => {
    const found = await decodeArrays(file(deflated), 'x.npz');
    expect(Object.fromEntries(found)).toEqual({
      a: { dtype: 'F32', shape: [6], data: six },
      'b/c': { dtype: 'F32', shape: [6], data: six },
    });
  });

  test('a single array has no name', async () => {
    expect([...(await decodeArrays(npy('<f4', '6,', six), 'x.npy')).keys()]).toEqual(['']);
  });

  test('a bomb is refused before it is decompressed', async () => {
    const data = npy('|u1', '20000000,', new Uint8Array(20_000_000));
    const bomb = zipOf([{ name: 'a.npy', data, deflated: true }]);
    expect(bomb.length).toBeLessThan(50_000);
    await expect(decodeNpz(bomb, 'x.npz', { limit: 10_000_000 })).rejects.toThrow('the limit is 10000000');
    expect((await decodeNpz(bomb, 'x.npz')).get('a')?.shape).toEqual([20_000_000]);
  });

  test('anything but arrays is refused', async () => {
    const mixed = zipOf([{ name: 'readme', data: new Uint8Array(1) }]);
    await expect(decodeNpz(mixed, 'x.npz')).rejects.toThrow('"readme" is no .npy file');
  });
});
