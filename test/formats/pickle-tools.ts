// Pickles and files of torch.save, written byte by byte.
import { expect } from 'vitest';
import { FormatError } from '../../src/errors.ts';
import { decodeTorch } from '../../src/formats/torch-file.ts';
import { type Entry, zipOf } from './zip-tools.ts';

type Bytes = readonly number[];

export const text = (value: string): number[] => [...new TextEncoder().encode(value)];
export const u32 = (value: number): number[] => [0, 8, 16, 24].map((bits) => (value >>> bits) & 255);
export const u64 = (value: bigint): number[] =>
  Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));

export const PROTO = [0x80, 2];
export const STOP = [0x2e];
export const NONE = [0x4e];
export const int = (value: number): number[] => [0x4a, ...u32(value)];
export const long = (value: bigint): number[] => [0x8a, 8, ...u64(value)];
export const str = (value: string): number[] => [0x58, ...u32(text(value).length), ...text(value)];
export const global = (module: string, name: string): number[] => [0x63, ...text(`${module}\n${name}\n`)];
export const tuple = (...items: Bytes[]): number[] => [0x28, ...items.flat(), 0x74];
export const list = (...items: Bytes[]): number[] => [0x5d, 0x28, ...items.flat(), 0x65];
export const dict = (...pairs: [Bytes, Bytes][]): number[] => [0x7d, 0x28, ...pairs.flat(2), 0x75];
/** A state_dict. */
export const state = (...pairs: [string, number[]][]): number[] =>
  dict(...pairs.map(([key, value]) => [str(key), value] as [number[], number[]]));
export const call = (callable: Bytes, args: Bytes): number[] => [...callable, ...args, 0x52];
export const pickle = (...body: Bytes[]): Uint8Array => Uint8Array.from([...PROTO, ...body.flat(), ...STOP]);

/** The elements that a tensor is a view of. */
export interface Storage {
  readonly key: string;
  readonly type: string;
  readonly size: number;
  readonly data: ArrayBufferView;
}

export const floats = (key: string, ...values: number[]): Storage => {
  return { key, type: 'FloatStorage', size: values.length, data: Float32Array.from(values) };
};

export const storageId = ({ key, type, size }: Storage, legacy = false): number[] => {
  const id = [str('storage'), global('torch', type), str(key), str('cpu'), int(size)];
  return [...tuple(...id, ...(legacy ? [NONE] : [])), 0x51];
};

export const tensor = (
  storage: Storage,
  shape: readonly number[],
  strides: readonly number[],
  { offset = 0, legacy = false } = {},
): number[] => {
  const counts = (values: readonly number[]) => tuple(...values.map(int));
  const hooks = call(global('collections', 'OrderedDict'), [0x29]);
  const args = [storageId(storage, legacy), int(offset), counts(shape), counts(strides), [0x89], hooks];
  return call(global('torch._utils', '_rebuild_tensor_v2'), tuple(...args));
};

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** A file of the zip format around an object. */
export function zipFile(
  object: Bytes,
  storages: readonly Storage[],
  more: readonly Entry[] = [],
): Uint8Array {
  const data = storages.map((storage) => ({ name: `m/data/${storage.key}`, data: bytesOf(storage.data) }));
  return zipOf([{ name: 'm/data.pkl', data: pickle(object) }, ...data, ...more]);
}

export const MAGIC = pickle([0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]);
export const SYSTEM = pickle(dict([str('protocol_version'), int(1001)], [str('little_endian'), [0x88]]));

/** A file of the older format around an object. */
export function legacyFile(object: Bytes, storages: readonly Storage[]): Uint8Array {
  const keys = pickle(list(...storages.map(({ key }) => str(key))));
  const head = [MAGIC, pickle(int(1001)), SYSTEM, pickle(object), keys];
  const data = storages.flatMap((storage) => [...u64(BigInt(storage.size)), ...bytesOf(storage.data)]);
  return Uint8Array.from([...head.flatMap((part) => [...part]), ...data]);
}

/** The message that a file is refused with. */
export async function refusal(file: Uint8Array): Promise<string> {
  const error = await decodeTorch(file, 'x.pth').then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(FormatError);
  expect((error as FormatError).message).toContain('x.pth');
  return (error as FormatError).message;
}
