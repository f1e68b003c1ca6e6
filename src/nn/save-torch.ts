import type { StoredTensor } from '../formats/stored.ts';
import { encodeTorch } from '../formats/torch-writer.ts';
import { isFloat } from '../tensor/shape.ts';
import { checkModule, type Module } from './module.ts';
import { inverse, permute, type TorchEntry, type TorchTensor } from './torch-state.ts';

/**
 * The state of a network under the names and in the layouts of PyTorch, in its order, as `encodeTorch` and
 * `encodeSafetensors` take it. f32 from a file come back bit for bit.
 */
export async function torchStateDict(model: Module): Promise<Map<string, StoredTensor>> {
  checkModule('saveTorch', model);
  const state = new Map<string, StoredTensor>();
  for (const entry of model.torchState()) {
    const stored = await storedOf(entry);
    if (stored) state.set(entry.name, stored);
  }
  return state;
}

/**
 * A network as a file that PyTorch reads: `model.load_state_dict(torch.load(file))`. Loaded weights come back bit for bit.
 * Throws what `encodeTorch` throws, and `DeviceError` for what the GPU reports.
 */
export async function saveTorch(model: Module): Promise<Uint8Array<ArrayBuffer>> {
  return encodeTorch(await torchStateDict(model));
}

async function storedOf(entry: TorchEntry): Promise<StoredTensor | undefined> {
  if ('parts' in entry) return tensorOf(entry);
  const { value } = entry.counter;
  return value === undefined ? undefined : { dtype: 'I64', shape: [], data: BigInt64Array.of(value) };
}

async function tensorOf({ shape, view, order, parts }: TorchTensor): Promise<StoredTensor> {
  const words = new Uint32Array(parts.reduce((sum, { size }) => sum + size, 0));
  let at = 0;
  for (const part of parts) {
    const data = await part.read();
    words.set(new Uint32Array(data.buffer, data.byteOffset, data.length), at);
    at += data.length;
  }
  const ours = order.map((axis) => view[axis] ?? 1);
  const { buffer } = permute(words, ours, inverse(order));
  const dtype = parts[0]?.dtype ?? 'f32';
  const size = [...shape];
  if (isFloat(dtype)) return { dtype: 'F32', shape: size, data: new Float32Array(buffer) };
  if (dtype === 'i32') return { dtype: 'I32', shape: size, data: new Int32Array(buffer) };
  return { dtype: 'U32', shape: size, data: new Uint32Array(buffer) };
}
