import { checkNames, FormatError, kindOf, type StateDifference, StateError, shown } from '../errors.ts';
import { checkRoot, decodeArrays } from '../formats/decode.ts';
import {
  asFloats,
  asIntegers,
  checkStored,
  describe,
  nativeDtype,
  type StoredTensor,
} from '../formats/stored.ts';
import { formatShape, isFloat, sameShape } from '../tensor/shape.ts';
import type { TypedArray } from '../tensor/tensor.ts';
import { checkModule, type Module } from './module.ts';
import { permute, type TorchCounter, type TorchEntry, type TorchTensor } from './torch-state.ts';

const OP = 'loadTorch';
/** What wrappers put before every name: DataParallel, DistributedDataParallel, torch.compile. */
const PREFIXES = ['module.', '_orig_mod.'];

export interface LoadTorchOptions {
  /** Missing, unexpected and misshapen tensors are an error (the default), or left alone and returned. */
  readonly strict?: boolean;
  /** Whether NaN and ±∞ are loaded; an error when left out. */
  readonly nonFinite?: boolean;
  /** Path of the state_dict in the file, keys joined by dots, '' for all of it; found by itself when left out. Of PyTorch's formats. */
  readonly root?: string;
  /** What the file is called in errors. */
  readonly what?: string;
}

type State = ReadonlyMap<string, StoredTensor>;

/** What is to be written once all is known to fit. */
type Write = () => void;

/**
 * Fills a network from weights that PyTorch saved: a file of any format that `decodeArrays` reads, or its arrays. Names and
 * layouts are translated by each layer's `torchState`; `module.` and `_orig_mod.` before all names are dropped. Returns how
 * the file and the network differ, which is nothing when `strict`. Changes nothing when it throws: `StateError` with all
 * missing, unexpected and misshapen tensors, or `FormatError` for a broken file and numbers that are not finite.
 */
export async function loadTorch(
  model: Module,
  file: Uint8Array | State,
  options: LoadTorchOptions = {},
): Promise<StateDifference> {
  checkModule(OP, model);
  checkNames(OP, options, ['strict', 'nonFinite', 'root', 'what']);
  const { strict = true, nonFinite = false, root, what = 'the file' } = options;
  const entries = new Map(model.torchState().map((entry) => [entry.name, entry]));
  const state = file instanceof Uint8Array ? await decodeArrays(file, what, { root }) : file;
  if (kindOf(state) !== 'Map')
    throw new FormatError(
      OP,
      `needs the bytes of a file (Uint8Array) or a Map of its arrays; got ${shown(file)}${typeof file === 'string' ? '; read the file first' : ''}`,
    );
  if (state === file) checkRoot(OP, what, root);
  for (const [name, stored] of state) checkStored(OP, name, stored);
  const found = withoutPrefixes(state, entries);
  const difference = {
    missing: [...entries.values()].filter((entry) => 'parts' in entry && !found.has(entry.name)).map(nameOf),
    unexpected: [...found.keys()].filter((name) => !entries.has(name)),
    misshapen: [...entries.values()].flatMap((entry) => misfit(entry, found.get(entry.name))),
  };
  if (strict && Object.values(difference).some((list) => list.length > 0))
    throw new StateError(OP, what, difference);
  const wrong = new Set(difference.misshapen.map(nameOf));
  const writes: Write[] = [];
  for (const entry of entries.values()) {
    const stored = found.get(entry.name);
    if (!('parts' in entry)) writes.push(counterWrite(entry, stored, strict));
    else if (stored && !wrong.has(entry.name)) writes.push(tensorWrite(entry, stored, nonFinite));
  }
  for (const write of writes) write();
  return difference;
}

function nameOf({ name }: { readonly name: string }): string {
  return name;
}

/** The state without what stands before every name, unless the network has names that begin so. */
function withoutPrefixes(state: State, entries: ReadonlyMap<string, TorchEntry>): State {
  const names = [...state.keys()];
  const prefix = PREFIXES.find((one) => names.length > 0 && names.every((name) => name.startsWith(one)));
  if (prefix === undefined || [...entries.keys()].some((name) => name.startsWith(prefix))) return state;
  const shorter = new Map([...state].map(([name, stored]) => [name.slice(prefix.length), stored]));
  return withoutPrefixes(shorter, entries);
}

function misfit(entry: TorchEntry, stored: StoredTensor | undefined): StateDifference['misshapen'][number][] {
  if (!stored) return [];
  const dtype = 'parts' in entry ? (entry.parts[0]?.dtype ?? 'f32') : 'i32';
  const shape = 'parts' in entry ? entry.shape : [];
  const alike = (nativeDtype(stored.dtype) === 'f32') === isFloat(dtype);
  if (alike && sameShape(stored.shape, shape)) return [];
  return [{ name: entry.name, found: describe(stored), expected: `${dtype} ${formatShape(shape)}` }];
}

/** A counter that a whole checkpoint lacks is left out when it is saved again. */
function counterWrite({ counter }: TorchCounter, stored: StoredTensor | undefined, strict: boolean): Write {
  const [value] = stored && stored.shape.length === 0 ? stored.data : [];
  const count = typeof value === 'undefined' || !Number.isInteger(Number(value)) ? undefined : BigInt(value);
  return () => {
    if (strict || count !== undefined) counter.value = count;
  };
}

function tensorWrite(entry: TorchTensor, stored: StoredTensor, nonFinite: boolean): Write {
  const { name, parts, view, order } = entry;
  const dtype = parts[0]?.dtype ?? 'f32';
  const values = isFloat(dtype) ? asFloats(stored, name) : asIntegers(stored, dtype, name);
  if (!nonFinite) checkFinite(values, name);
  const words = permute(new Uint32Array(values.buffer, values.byteOffset, values.length), view, order);
  const arrays = { f32: Float32Array, f16: Float32Array, i32: Int32Array, u32: Uint32Array };
  return () => {
    let offset = 0;
    for (const tensor of parts) {
      const part: TypedArray = new arrays[tensor.dtype](words.buffer, offset, tensor.size);
      tensor.device.write(tensor, part);
      offset += part.byteLength;
    }
  };
}

function checkFinite(values: TypedArray, name: string): void {
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong < 0) return;
  const problem = `"${name}": element ${wrong} is ${values[wrong]}; give nonFinite: true to load it all the same`;
  throw new FormatError(OP, problem);
}
