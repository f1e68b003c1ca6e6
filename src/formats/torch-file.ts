// Files of torch.save: the zip format (PyTorch 1.6 and later) and the one before it (torch/serialization.py).
import { FormatError } from '../errors.ts';
import { ByteReader } from './byte-reader.ts';
import { PickleMachine } from './pickle.ts';
import { ARRAYS, arrayOf, checkBytes, elements, type StoredTensor } from './stored.ts';
import { endOfView, gatherView, isDense } from './strided.ts';
import { type TorchStorage, type TorchView, torchGlobal, torchStorage } from './torch-pickle.ts';
import { findState, namedViews } from './torch-tree.ts';
import { type InflateOptions, ZipArchive } from './zip.ts';

const OP = 'decodeTorch';
const MAGIC = '119547037146038801333356';
const PROTOCOL = 1001;
/** Copies of tensors that are not dense may take this many bytes beside four times those of the file. */
const ROOM = 2 ** 20;

export interface DecodeTorchOptions extends InflateOptions {
  /** Path of the state_dict in the file, keys joined by dots, '' for all of it; found by itself when left out. */
  readonly root?: string | undefined;
}

/** An object as it was pickled, and the bytes of the storages it refers to. */
interface Content {
  readonly value: unknown;
  readonly storages: ReadonlyMap<string, Uint8Array>;
}

type Fail = (problem: string) => never;

/**
 * The tensors of a file that `torch.save` wrote, by name and in its order: those of the state_dict where it stands beside
 * other things (`{state_dict, epoch, …}`), and of nested containers with keys joined by dots. Both formats of PyTorch are
 * read. The pickle in it is never run: it may hold tensors, numbers, texts, lists, tuples and dictionaries. Arrays may share
 * memory with `bytes` and with each other, as tied weights do.
 * Throws `FormatError`, which names the opcode or global it refuses, for anything else, and for a file that is truncated or
 * damaged, a key that comes twice, tensors beyond their storage, and several state_dicts side by side without a `root`.
 */
export async function decodeTorch(
  bytes: Uint8Array,
  what: string,
  { root, limit }: DecodeTorchOptions = {},
): Promise<Map<string, StoredTensor>> {
  const fail: Fail = (problem) => {
    throw new FormatError(OP, `${what}: ${problem}`);
  };
  checkBytes(OP, bytes, what);
  const { value, storages } = isZip(bytes)
    ? await readZip(bytes, what, limit, fail)
    : readLegacy(bytes, what, fail);
  const views = namedViews(findState(value, root, fail), bytes.length, fail);
  return denseTensors(views, storages, 4 * bytes.length + ROOM, fail);
}

/** Whether a file begins as a zip archive does. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;
}

/** `name/data.pkl` is the object, `name/data/<key>` its storages; `name/byteorder` is there since PyTorch 2.1. */
async function readZip(
  bytes: Uint8Array,
  what: string,
  limit: number | undefined,
  fail: Fail,
): Promise<Content> {
  const archive = new ZipArchive(bytes, OP, what, limit);
  const [pickle, ...others] = archive.names.filter((name) => /(^|\/)data\.pkl$/.test(name));
  if (pickle === undefined || others.length > 0)
    return fail('is no archive of torch.save: it needs one data.pkl');
  const folder = pickle.slice(0, -'data.pkl'.length);
  if (archive.sizeOf(`${folder}byteorder`) !== undefined) {
    const order = new TextDecoder().decode(await archive.read(`${folder}byteorder`));
    if (order !== 'little') fail(`its byte order is ${JSON.stringify(order)}; expected "little"`);
  }
  const { value, seen } = unpickle(await archive.read(pickle), `${what}/${pickle}`);
  const storages = new Map<string, Uint8Array>();
  for (const storage of seen.values()) {
    const data = await archive.read(`${folder}data/${storage.key}`);
    if (data.length !== bytesOf(storage))
      fail(
        `storage "${storage.key}" has ${data.length} bytes; ${storage.size} ${storage.dtype} need another size`,
      );
    storages.set(storage.key, data);
  }
  return { value, storages };
}

/** Five pickles (magic number, protocol, system, the object, keys of its storages), then each storage: size, elements. */
function readLegacy(bytes: Uint8Array, what: string, fail: Fail): Content {
  let at = 0;
  const next = () => {
    const read = unpickle(bytes, what, at);
    at = read.end;
    return read;
  };
  if (String(next().value) !== MAGIC) fail('is no file of torch.save: its magic number differs');
  const protocol = next().value;
  if (protocol !== PROTOCOL) fail(`has version ${String(protocol)}; expected ${PROTOCOL}`);
  const system = next().value;
  if (!(system instanceof Map) || system.get('little_endian') !== true)
    fail('its byte order is not "little"');
  const { value, seen } = next();
  const keys = next().value;
  if (!Array.isArray(keys) || keys.length !== seen.size || new Set(keys).size !== seen.size)
    return fail(`lists other storages than the ${seen.size} that its tensors have`);
  const reader = new ByteReader(bytes, { op: OP, what, at });
  const storages = new Map<string, Uint8Array>();
  for (const key of keys) {
    const storage = seen.get(String(key)) ?? fail(`lists the storage "${String(key)}", which no tensor has`);
    const size = reader.i64();
    if (size !== storage.size)
      fail(`storage "${storage.key}" has ${size} elements; expected ${storage.size}`);
    storages.set(storage.key, reader.take(bytesOf(storage)));
  }
  if (reader.at !== bytes.length) fail(`goes on after its last storage, at byte ${reader.at}`);
  return { value, storages };
}

/** One pickle, where it ends, and the storages it names. */
function unpickle(bytes: Uint8Array, what: string, at = 0) {
  const seen = new Map<string, TorchStorage>();
  const persistent = (id: unknown, fail: Fail): TorchStorage => {
    const storage = torchStorage(id, fail);
    const earlier = seen.get(storage.key) ?? storage;
    if (earlier.dtype !== storage.dtype || earlier.size !== storage.size)
      fail(`storage "${storage.key}" is described in two ways`);
    seen.set(storage.key, earlier);
    return earlier;
  };
  const machine = new PickleMachine(bytes, { op: OP, what, at, global: torchGlobal, persistent });
  return { value: machine.run(), end: machine.reader.at, seen };
}

function bytesOf({ dtype, size }: TorchStorage): number {
  return size * ARRAYS[dtype].BYTES_PER_ELEMENT;
}

/** Dense tensors are views of their storage, the others copies, which together take at most `room` bytes. */
function denseTensors(
  views: ReadonlyMap<string, TorchView>,
  storages: ReadonlyMap<string, Uint8Array>,
  room: number,
  fail: Fail,
): Map<string, StoredTensor> {
  let left = room;
  const aligned = new Map<string, Uint8Array>();
  const found = new Map<string, StoredTensor>();
  for (const [name, view] of views) {
    const { storage, offset, strides } = view;
    const shape = [...view.shape];
    if (endOfView(offset, shape, strides) > storage.size)
      fail(`"${name}" reaches beyond its storage of ${storage.size} elements`);
    const width = ARRAYS[storage.dtype].BYTES_PER_ELEMENT;
    const size = elements(shape) * width;
    const bytes = aligned.get(storage.key) ?? alignedTo(width, storages.get(storage.key) as Uint8Array);
    aligned.set(storage.key, bytes);
    const dense = isDense(shape, strides);
    if (!dense) left -= size;
    if (!(left >= 0))
      fail(`"${name}" repeats the elements of its storage too often; save a contiguous() copy`);
    const data = dense
      ? bytes.subarray(size > 0 ? offset * width : 0, size > 0 ? offset * width + size : 0)
      : gatherView(bytes, storage.dtype, { offset, shape, strides });
    found.set(name, { dtype: storage.dtype, shape, data: arrayOf(storage.dtype, data) } as StoredTensor);
  }
  return found;
}

function alignedTo(width: number, bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
}
