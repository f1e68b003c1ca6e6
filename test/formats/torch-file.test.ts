import { describe, expect, test } from 'vitest';
import { FormatError } from '../../src/errors.ts';
import { decodeArrays } from '../../src/formats/decode.ts';
import type { StoredTensor } from '../../src/formats/stored.ts';
import { decodeTorch } from '../../src/formats/torch-file.ts';
import {
  call,
  dict,
  floats,
  global,
  int,
  legacyFile,
  list,
  MAGIC,
  NONE,
  PROTO,
  pickle,
  refusal,
  type Storage,
  SYSTEM,
  state,
  storageId,
  str,
  tensor,
  text,
  tuple,
  u32,
  zipFile,
} from './pickle-tools.ts';
import { GOLDEN, GOLDEN_STATE } from './torch-golden.ts';
import { zipOf } from './zip-tools.ts';

const w = floats('0', 1, 2, 3, 4, 5, 6);
const one = tensor(w, [2, 3], [3, 1]);

/** What the tensor of a state_dict with one of them is. */
async function only(file: Uint8Array): Promise<StoredTensor> {
  const found = await decodeTorch(file, 'x.pth');
  expect([...found.keys()]).toEqual(['w']);
  return found.get('w') as StoredTensor;
}

test.each(['zip', 'legacy'] as const)('a file that PyTorch wrote in its %s format', async (format) => {
  const found = await decodeArrays(GOLDEN[format], 'x.pth');
  expect([...found]).toEqual(Object.entries(GOLDEN_STATE));
});

describe.each([
  ['zip', zipFile, false],
  ['legacy', legacyFile, true],
] as const)('%s', (_, write, legacy) => {
  const view = (shape: number[], strides: number[], offset = 0) =>
    only(write(state(['w', tensor(w, shape, strides, { offset, legacy })]), [w]));

  test.each([
    ['dense', [2, 3], [3, 1], 0, [1, 2, 3, 4, 5, 6]],
    ['transposed', [3, 2], [1, 3], 0, [1, 4, 2, 5, 3, 6]],
    ['a part', [2], [2], 3, [4, 6]],
    ['a scalar', [], [], 5, [6]],
    ['repeated', [2, 2], [0, 1], 1, [2, 3, 2, 3]],
    ['empty', [0, 3], [3, 1], 0, []],
    ['of axes of size 1', [1, 6, 1], [99, 1, 7], 0, [1, 2, 3, 4, 5, 6]],
  ])('a tensor that is %s', async (__, shape, strides, offset, expected) => {
    const found = await view(shape, strides, offset);
    expect(found).toEqual({ dtype: 'F32', shape, data: Float32Array.from(expected) });
  });

  test.each([
    ['beyond its storage', [7], [1], 0],
    ['beyond it from an offset', [2], [1], 5],
    ['beyond it by its stride', [2], [6], 0],
    ['of a negative offset', [1], [1], -1],
    ['of a negative size', [-1], [1], 0],
    ['of a negative stride', [2], [-1], 3],
    ['of more strides than axes', [2], [1, 1], 0],
    ['of 2³² elements by a stride of 0', [65536, 65536], [0, 0], 0],
  ])('a tensor %s is refused', async (__, shape, strides, offset) => {
    await expect(view(shape, strides, offset)).rejects.toThrow(FormatError);
  });

  test('every element type', async () => {
    const cases: [string, string, StoredTensor['data']][] = [
      ['DoubleStorage', 'F64', Float64Array.of(0.1, -2)],
      ['HalfStorage', 'F16', Uint16Array.of(0x3c00, 1)],
      ['BFloat16Storage', 'BF16', Uint16Array.of(0x3f80, 1)],
      ['LongStorage', 'I64', BigInt64Array.of(-(2n ** 62n), 5n)],
      ['IntStorage', 'I32', Int32Array.of(-5, 5)],
      ['ShortStorage', 'I16', Int16Array.of(-5, 5)],
      ['CharStorage', 'I8', Int8Array.of(-5, 5)],
      ['ByteStorage', 'U8', Uint8Array.of(255, 5)],
      ['BoolStorage', 'BOOL', Uint8Array.of(0, 1)],
    ];
    for (const [type, dtype, data] of cases) {
      const storage: Storage = { key: 'k', type, size: 2, data };
      const file = write(state(['w', tensor(storage, [2], [1], { legacy })]), [storage]);
      expect(await only(file)).toEqual({ dtype, shape: [2], data });
    }
  });

  test('tied tensors, parameters, and values that are no tensors', async () => {
    const [a, b] = [tensor(w, [6], [1], { legacy }), tensor(w, [2], [1], { legacy })];
    const parameter = call(global('torch._utils', '_rebuild_parameter'), tuple(b, [0x88], NONE));
    const object = state(['a', a], ['epoch', int(3)], ['p', parameter], ['name', str('x')], ['none', NONE]);
    const found = await decodeTorch(write(object, [w]), 'x.pth');
    expect([...found].map(([name, { data }]) => [name, [...data]])).toEqual([
      ['a', [1, 2, 3, 4, 5, 6]],
      ['p', [1, 2]],
    ]);
  });
});

describe('where the weights are', () => {
  const keys = async (object: number[], root?: string) => [
    ...(await decodeTorch(zipFile(object, [w]), 'x.pth', { root })).keys(),
  ];
  const inner = state(['w', one]);

  test.each([
    [
      'under state_dict, beside others',
      state(['epoch', int(1)], ['ema', inner], ['state_dict', inner]),
      ['w'],
    ],
    ['at the top, beside a number', state(['w', one], ['v', one], ['epoch', int(1)]), ['w', 'v']],
    ['in the one dictionary that holds tensors', state(['lr', int(1)], ['generator', inner]), ['w']],
    ['in nested containers', state(['a', state(['b', list(one, state(['c', one]))])]), ['a.b.0', 'a.b.1.c']],
    ['in a list', list(one, one), ['0', '1']],
    ['nowhere but in the tensor itself', one, ['']],
  ])('%s', async (_, object, expected) => {
    expect(await keys(object)).toEqual(expected);
  });

  test('root says which', async () => {
    const object = state(['a', inner], ['b', state(['c', inner])]);
    expect(await keys(object, 'b.c')).toEqual(['w']);
    expect(await keys(object, '')).toEqual(['a.w', 'b.c.w']);
    await expect(keys(object, 'b.d')).rejects.toThrow('holds nothing under "d" of the root "b.d"');
  });

  test('several at once need a root', async () => {
    await expect(keys(state(['g', inner], ['d', inner]))).rejects.toThrow('name one as root: g, d');
  });

  test('two tensors of one name are refused', async () => {
    const object = state(['a', state(['b', one])], ['a.b', one]);
    await expect(keys(object, '')).rejects.toThrow('two tensors have the name "a.b"');
  });
});

describe('what is refused', () => {
  test.each([
    ['os.system', call(global('os', 'system'), tuple(str('true'))), 'refuses the global "os.system"'],
    ['a class of a model', global('models', 'Net'), 'refuses the global "models.Net"'],
    [
      'a global named on the stack',
      [...str('posix'), ...str('system'), 0x93],
      'refuses the global "posix.system"',
    ],
    ['__reduce__ of builtins', call(global('builtins', 'eval'), tuple(str('1'))), '"builtins.eval"'],
    ['nested pickles', global('torch.storage', '_load_from_bytes'), '"torch.storage._load_from_bytes"'],
    ['complex numbers', global('torch', 'ComplexFloatStorage'), '"torch.ComplexFloatStorage"'],
    ['__proto__', global('__proto__', 'x'), 'refuses the global "__proto__.x"'],
    ['NEWOBJ', [...global('torch', 'Size'), 0x29, 0x81], 'refuses the opcode NEWOBJ (0x81) at byte 15'],
    ['INST', [0x28, 0x69, ...text('os\nsystem\n')], 'refuses the opcode INST (0x69) at byte 3'],
    ['OBJ', [0x28, 0x6f], 'OBJ (0x6f)'],
    ['EXT1', [0x82, 1], 'EXT1 (0x82)'],
    ['a set', [0x8f], 'EMPTY_SET (0x8f)'],
    ['a byte that is no opcode', [0xff], 'refuses the opcode 0xff'],
    ['a call of a value', call(int(1), tuple()), 'calls what cannot be called'],
    ['attributes of a list', [...list(), ...dict(), 0x62], 'a dictionary'],
    ['a key that comes twice', state(['w', int(1)], ['w', int(2)]), 'has the key "w" twice'],
    ['a key that is a list', dict([list(), int(1)]), 'neither text nor a number'],
    ['a key without a value', [0x7d, 0x28, ...int(1), 0x75], 'a key without a value'],
    ['an empty stack', [0x30], 'nothing to take from the stack'],
    ['no mark', [0x74], 'there is no mark'],
    ['a forgotten value', [0x68, 9], 'nothing was remembered as 9'],
    ['values left over', [...int(1), ...int(2)], 'values left over'],
    ['an integer of 300 bytes', [0x8b, ...u32(300)], 'an integer has 300 bytes'],
    ['text that is not UTF-8', [0x58, ...u32(1), 0xff], 'not UTF-8'],
    ['text of 4 GB', [0x58, ...u32(0xffffffff)], 'truncated: 4294967295 bytes are needed'],
    ['text of 2⁶³ bytes', [0x8d, 0, 0, 0, 0, 0, 0, 0, 0x80], 'truncated'],
    ['a storage of -1 elements', storageId({ ...w, size: -1 }), 'not that of a storage'],
    ['another persistent id', [...tuple(str('module')), 0x51], 'not that of a storage'],
    [
      'a tensor of no storage',
      call(global('torch._utils', '_rebuild_tensor'), tuple(int(1))),
      'without a storage',
    ],
  ])('%s', async (_, object, message) => {
    expect(await refusal(zipFile(object, []))).toContain(message);
  });
});

describe('archives', () => {
  const object = state(['w', one]);

  test('of big-endian machines are refused, of little-endian ones not', async () => {
    const order = (value: string) =>
      zipFile(object, [w], [{ name: 'm/byteorder', data: Uint8Array.from(text(value)) }]);
    expect((await only(order('little'))).data[5]).toBe(6);
    expect(await refusal(order('big'))).toContain('byte order is "big"');
  });

  test('need one data.pkl, and all storages in their size', async () => {
    expect(await refusal(zipOf([{ name: 'a/b', data: new Uint8Array(1) }]))).toContain('needs one data.pkl');
    const two = ['a/data.pkl', 'b/data.pkl'].map((name) => ({ name, data: pickle(int(1)) }));
    expect(await refusal(zipOf(two))).toContain('needs one data.pkl');
    expect(await refusal(zipFile(object, []))).toContain('the archive has no "m/data/0"');
    expect(await refusal(zipFile(object, [{ ...w, data: new Uint8Array(23) }]))).toContain(
      'storage "0" has 23 bytes',
    );
  });

  test('that are deflated are read too', async () => {
    const data = new Uint8Array((w.data as Float32Array).buffer);
    const entries = [
      { name: 'data.pkl', data: pickle(object) },
      { name: 'data/0', data },
    ];
    expect((await only(zipOf(entries.map((entry) => ({ ...entry, deflated: true }))))).data[5]).toBe(6);
  });

  test('that decompress to more than the limit are refused before they are', async () => {
    const data = new Uint8Array(4_000_000);
    const large: Storage = { key: '0', type: 'FloatStorage', size: 1_000_000, data };
    const object = state(['w', tensor(large, [1_000_000], [1])]);
    const bomb = zipOf([
      { name: 'm/data.pkl', data: pickle(object) },
      { name: 'm/data/0', data, deflated: true },
    ]);
    expect(bomb.length).toBeLessThan(10_000);
    await expect(decodeArrays(bomb, 'x', { limit: 3_000_000 })).rejects.toThrow('the limit is 3000000');
    expect((await decodeTorch(bomb, 'x')).get('w')?.data).toHaveLength(1_000_000);
  });

  test('storages described in two ways are refused', async () => {
    const other = { ...w, type: 'IntStorage' };
    const twice = state(['a', one], ['b', tensor(other, [6], [1])]);
    expect(await refusal(zipFile(twice, [w]))).toContain('storage "0" is described in two ways');
  });
});

describe('the older format', () => {
  const good = legacyFile(state(['w', tensor(w, [6], [1], { legacy: true })]), [w]);
  const parts = (...all: Uint8Array[]) => Uint8Array.from(all.flatMap((part) => [...part]));

  test('has a magic number, a version and a byte order', async () => {
    expect(await refusal(pickle(int(5)))).toContain('magic number');
    expect(await refusal(parts(MAGIC, pickle(int(1000))))).toContain('version 1000; expected 1001');
    const big = pickle(dict([str('little_endian'), [0x89]]));
    expect(await refusal(parts(MAGIC, pickle(int(1001)), big))).toContain('byte order');
    expect(await refusal(parts(MAGIC, pickle(int(1001)), SYSTEM))).toContain('truncated');
    expect(await refusal(Uint8Array.from([0x80, 9]))).toContain('pickle protocol 9; expected 2 to 5');
    expect(PROTO).toEqual([0x80, 2]);
  });

  test('lists each storage once, in its size, and ends with the last', async () => {
    const object = state(['w', tensor(w, [6], [1], { legacy: true })]);
    expect(await refusal(legacyFile(object, []))).toContain('lists other storages than the 1');
    expect(await refusal(legacyFile(object, [w, w]))).toContain('lists other storages than the 1');
    expect(await refusal(legacyFile(object, [{ ...w, key: '7' }]))).toContain(
      'lists the storage "7", which no tensor has',
    );
    expect(await refusal(legacyFile(object, [{ ...w, size: 5 }]))).toContain('has 5 elements; expected 6');
    expect(await refusal(parts(good, Uint8Array.of(0)))).toContain('goes on after its last storage');
  });
});
