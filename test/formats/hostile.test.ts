import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/data/rng.ts';
import { FormatError } from '../../src/errors.ts';
import { decodeArrays } from '../../src/formats/decode.ts';
import { encodeSafetensors } from '../../src/formats/safetensors.ts';
import { dict, floats, legacyFile, pickle, str, tensor, u32 } from './pickle-tools.ts';
import { GOLDEN } from './torch-golden.ts';
import { zipOf } from './zip-tools.ts';

const npy = Uint8Array.from([
  ...[0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 60, 0],
  ...new TextEncoder().encode("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }".padEnd(60)),
  ...new Uint8Array(24),
]);
const w = floats('0', 1, 2, 3, 4);
const object = (legacy: boolean) => dict([str('w'), tensor(w, [2, 2], [1, 2], { legacy })]);

/** Small files of every format, as they should be. */
const FILES: Record<string, Uint8Array> = {
  safetensors: encodeSafetensors(
    [
      ['a', { dtype: 'F32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
      ['b', { dtype: 'I64', shape: [], data: BigInt64Array.of(1n) }],
    ],
    { by: 'test' },
  ),
  'PyTorch, zip': GOLDEN.zip,
  'PyTorch, older': legacyFile(object(true), [w]),
  npy,
  'npz, stored': zipOf([{ name: 'a.npy', data: npy }]),
  'npz, deflated': zipOf([
    { name: 'a.npy', data: npy, deflated: true },
    { name: 'b.npy', data: npy, deflated: true },
  ]),
};

/** Arrays of a file in proportion to it, or a `FormatError`: anything else fails the test. */
async function survives(bytes: Uint8Array): Promise<'read' | 'refused'> {
  try {
    const arrays = await decodeArrays(bytes, 'file');
    const total = [...arrays.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
    expect(total).toBeLessThanOrEqual(1100 * bytes.length + 2 ** 20);
    return 'read';
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    expect((error as FormatError).message.length).toBeLessThan(1000);
    return 'refused';
  }
}

/** A file changed in one to four places: a bit, a byte, a word that is a size or an offset, a piece moved or left out. */
function mutate(bytes: Uint8Array, rng: Rng): Uint8Array {
  let out = Uint8Array.from(bytes);
  for (let times = 1 + rng.integer(4); times > 0; times--) {
    const at = rng.integer(Math.max(out.length, 1));
    const words = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, out.length, 0x10000];
    switch (rng.integer(5)) {
      case 0:
        out[at] = (out[at] ?? 0) ^ (1 << rng.integer(8));
        break;
      case 1:
        out[at] = rng.integer(256);
        break;
      case 2:
        out.set(u32(words[rng.integer(words.length)] ?? 0).slice(0, out.length - at), at);
        break;
      case 3:
        out.copyWithin(at, rng.integer(out.length), rng.integer(out.length));
        break;
      default:
        out = Uint8Array.from([...out.subarray(0, at), ...out.subarray(at + rng.integer(16))]);
    }
  }
  return out;
}

describe.each(Object.entries(FILES))('%s', (_, file) => {
  test('is read as it is', async () => {
    expect(await survives(file)).toBe('read');
  });

  test('is refused when cut at any byte', async () => {
    for (let length = 0; length < file.length; length++)
      expect(`${length}: ${await survives(file.subarray(0, length))}`).toBe(`${length}: refused`);
  });

  test('is read or refused, and nothing else, when changed at random', async () => {
    const rng = new Rng(2024);
    const seen = new Set<string>();
    for (let i = 0; i < 300; i++) seen.add(await survives(mutate(file, rng)));
    expect(seen).toContain('refused');
  });
});

test('a pickle changed at random in an archive whose checksums hold', async () => {
  const rng = new Rng(7);
  const data = new Uint8Array((w.data as Float32Array).buffer);
  const seen = new Set<string>();
  for (let i = 0; i < 600; i++) {
    const changed = mutate(pickle(object(false)), rng);
    seen.add(
      await survives(
        zipOf([
          { name: 'm/data.pkl', data: changed },
          { name: 'm/data/0', data },
        ]),
      ),
    );
  }
  expect([...seen].sort()).toEqual(['read', 'refused']);
});

test('pickles of random opcodes', async () => {
  const rng = new Rng(11);
  const opcodes = [...'(0N}])tauesJKMXUcRbQqhj.']
    .map((char) => char.charCodeAt(0))
    .concat(0x85, 0x86, 0x87, 0x8a, 0x94);
  for (let i = 0; i < 600; i++) {
    const body = Array.from({ length: rng.integer(60) }, () =>
      rng.integer(4) === 0 ? rng.integer(256) : (opcodes[rng.integer(opcodes.length)] ?? 0),
    );
    await survives(zipOf([{ name: 'm/data.pkl', data: pickle(body) }]));
  }
});

describe('headers of safetensors', () => {
  const file = (header: string, data = 0, length = header.length) => {
    const out = new Uint8Array(8 + header.length + data);
    new DataView(out.buffer).setBigUint64(0, BigInt(length), true);
    out.set(new TextEncoder().encode(header), 8);
    return out;
  };
  const entry = '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}';

  test.each<[string, Uint8Array, string]>([
    ['of 10 GB', file('{}', 0, 10e9), 'its header ends at byte 10000000008'],
    ['of 2⁶⁴ bytes', file('{}', 0, 2 ** 64 - 2048), 'its header ends at byte'],
    ['that is no text', new Uint8Array(16).fill(255), 'is none of safetensors, PyTorch, .npz and .npy'],
    [
      'of an error page',
      new TextEncoder().encode('<!doctype html><title>404</title>'),
      'is none of safetensors',
    ],
    ['of no bytes', new Uint8Array(0), 'is none of safetensors'],
    ['with an array twice', file(`{"a":${entry},"a":${entry}}`, 1), 'has the key "a" twice'],
    ['with an array twice, once in other letters', file(`{"a":${entry},"\\u0061":${entry}}`, 1), '"a" twice'],
    [
      'with a field twice',
      file('{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}', 1),
      '"dtype" twice',
    ],
    ['with NaN', file('{"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,1]}}', 1), 'not a JSON object'],
    ['with a size of 1e400', file('{"a":{"dtype":"U8","shape":[1e400],"data_offsets":[0,1]}}', 1), 'shape'],
    [
      'with offsets that descend',
      file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}', 1),
      'has -1 bytes',
    ],
    [
      'with negative offsets',
      file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}}', 1),
      'data_offsets [-1,0]',
    ],
    ['nested 100,000 deep', file(`{"a":${'['.repeat(1e5)}${']'.repeat(1e5)}}`), 'is not'],
  ])('%s', async (_, bytes, message) => {
    await expect(decodeArrays(bytes, 'file')).rejects.toThrow(FormatError);
    await expect(decodeArrays(bytes, 'file')).rejects.toThrow(message);
  });

  test('a name that is text in another value is no key', async () => {
    const text =
      '{"__metadata__":{"a":"\\"b\\":","c":"a"},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
    expect([...(await decodeArrays(file(text, 1), 'file')).keys()]).toEqual(['b']);
  });
});
