import { describe, expect, it } from 'vitest';
import { FormatError, ShapeError } from '../../src/errors.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/formats/safetensors.ts';
import type { StoredTensor } from '../../src/formats/stored.ts';

const TENSORS: [string, StoredTensor][] = [
  ['weight', { dtype: 'F32', shape: [2, 2], data: Float32Array.of(1, -2.5, Number.NaN, 1e30) }],
  ['bytes', { dtype: 'U8', shape: [3], data: Uint8Array.of(0, 7, 255) }],
  ['ids', { dtype: 'I64', shape: [1], data: BigInt64Array.of(-5n) }],
  ['steps', { dtype: 'I32', shape: [], data: Int32Array.of(-9) }],
  ['state', { dtype: 'U32', shape: [2], data: Uint32Array.of(1, 4294967295) }],
  ['joints', { dtype: 'I16', shape: [1, 2], data: Int16Array.of(-300, 300) }],
  ['empty', { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) }],
];

/** A file with this header and data, which may be wrong in any way. */
function file(header: unknown, data: number): Uint8Array {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const json = new TextEncoder().encode(text);
  const out = new Uint8Array(8 + json.length + data);
  new DataView(out.buffer).setBigUint64(0, BigInt(json.length), true);
  out.set(json, 8);
  return out;
}

describe('safetensors', () => {
  it('reads back what it writes, metadata included', () => {
    const { tensors, metadata } = decodeSafetensors(encodeSafetensors(TENSORS, { b: '2', a: '1' }), 'x');
    expect(Object.fromEntries(tensors)).toEqual(Object.fromEntries(TENSORS));
    expect(metadata).toEqual({ a: '1', b: '2' });
    expect(decodeSafetensors(encodeSafetensors([]), 'x').tensors.size).toBe(0);
  });

  it('writes the same bytes in whatever order the arrays and metadata come', () => {
    const reversed = encodeSafetensors([...TENSORS].reverse(), { a: '1', b: '2' });
    expect(reversed).toEqual(encodeSafetensors(TENSORS, { b: '2', a: '1' }));
  });

  it('writes the published layout: length, JSON padded to eight bytes, data', () => {
    const bytes = encodeSafetensors([['a', { dtype: 'U8', shape: [2], data: Uint8Array.of(5, 6) }]]);
    const header = '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}';
    const length = Math.ceil(header.length / 8) * 8;
    expect(bytes.length).toBe(8 + length + 2);
    expect(new TextDecoder().decode(bytes.subarray(8, 8 + length))).toBe(header.padEnd(length));
    expect([...bytes.subarray(-2)]).toEqual([5, 6]);
  });

  it('reads arrays that are not aligned, from a view that is not either', () => {
    const shifted = new Uint8Array(200);
    const bytes = file({ u: entry('U8', [1], 0, 1), f: entry('F32', [1], 1, 5) }, 5);
    new DataView(bytes.buffer).setFloat32(bytes.length - 4, 1.5, true);
    shifted.set(bytes, 3);
    const { tensors } = decodeSafetensors(shifted.subarray(3, 3 + bytes.length), 'x');
    expect(tensors.get('f')!.data).toEqual(Float32Array.of(1.5));
  });

  it('writes only the part of a buffer that a view shows', () => {
    const data = Float32Array.of(1, 2, 3, 4).subarray(1, 3);
    const { tensors } = decodeSafetensors(
      encodeSafetensors([['v', { dtype: 'F32', shape: [2], data }]]),
      'x',
    );
    expect(tensors.get('v')!.data).toEqual(Float32Array.of(2, 3));
  });

  it('rejects a file cut at any byte', () => {
    const bytes = encodeSafetensors(TENSORS);
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeSafetensors(bytes.subarray(0, length), 'cut')).toThrow(FormatError);
  });

  it.each([
    ['not JSON', file('{"a":', 0), 'not a JSON object'],
    ['a list', file([], 0), 'not a JSON object'],
    ['an unknown dtype', file({ a: entry('Q7', [1], 0, 1) }, 1), 'dtype "Q7"'],
    [
      'a dtype that is a property of objects',
      file({ a: entry('toString', [1], 0, 1) }, 1),
      'dtype "toString"',
    ],
    ['a negative size', file({ a: entry('U8', [-1], 0, 1) }, 1), 'shape [-1]'],
    ['no offsets', file({ a: { dtype: 'U8', shape: [1] } }, 1), 'data_offsets undefined'],
    ['an entry that is no object', file({ a: 5 }, 0), 'the header of "a" is not an object'],
    [
      'a size that is not the shape',
      file({ a: entry('F32', [2], 0, 4) }, 4),
      '"a" has 4 bytes; F32 [2] needs 8',
    ],
    ['offsets out of range', file({ a: entry('U8', [9], 0, 9) }, 4), 'truncated'],
    ['an overlap', file({ a: entry('U8', [4], 0, 4), b: entry('U8', [4], 2, 6) }, 6), 'overlap'],
    ['a gap', file({ a: entry('U8', [1], 0, 1), b: entry('U8', [1], 2, 3) }, 3), 'gap'],
    ['bytes left over', file({ a: entry('U8', [1], 0, 1) }, 2), 'end at data byte 1'],
    ['metadata that is no map of strings', file({ __metadata__: { a: 1 } }, 0), '__metadata__'],
    ['a header longer than the file', new Uint8Array(16).fill(255), 'header ends'],
  ])('rejects %s', (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes, 'file.safetensors')).toThrow(FormatError);
    expect(() => decodeSafetensors(bytes, 'file.safetensors')).toThrow(message);
    expect(() => decodeSafetensors(bytes, 'file.safetensors')).toThrow('file.safetensors');
  });

  it('says in a few lines what is wrong with a huge name or shape', () => {
    const bytes = file({ ['n'.repeat(10_000)]: entry('U8', [...new Array(5000).fill(3), -1], 0, 1) }, 1);
    const said = (() => {
      try {
        decodeSafetensors(bytes, 'file.safetensors');
      } catch (error) {
        return String(error);
      }
      return '';
    })();
    expect(said).toContain('nnnn');
    expect(said.length).toBeLessThan(2100);
  });

  it('does not write arrays that are not what their entry says', () => {
    const wrong = { dtype: 'F32', shape: [3], data: new Float32Array(2) } as const;
    expect(() => encodeSafetensors([['w', { ...wrong, shape: [3] }]])).toThrow(ShapeError);
    const mixed = { dtype: 'F32', shape: [2], data: new Int32Array(2) } as unknown as StoredTensor;
    expect(() => encodeSafetensors([['w', mixed]])).toThrow(ShapeError);
    const named = { dtype: 'U8', shape: [1], data: new Uint8Array(1) } as StoredTensor;
    expect(() => encodeSafetensors([['__metadata__', named]])).toThrow(ShapeError);
  });
});

function entry(dtype: string, shape: number[], begin: number, end: number) {
  return { dtype, shape, data_offsets: [begin, end] };
}
