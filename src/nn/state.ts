import { need, type StateDifference, StateError } from '../errors.ts';
import { decodeSafetensors, encodeSafetensors } from '../formats/safetensors.ts';
import { describe, type StoredTensor } from '../formats/stored.ts';
import { formatShape, sameShape } from '../tensor/shape.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { NamedTensors } from './module.ts';

/** The tensors as a `.safetensors` file (little-endian f32; metadata as strings). Equal tensors give equal bytes. */
export async function encodeState(
  tensors: NamedTensors,
  metadata: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
  checkTensors('encodeState', tensors);
  const entries = new Map();
  for (const [name, tensor] of tensors) {
    entries.set(name, { dtype: 'F32', shape: [...tensor.shape], data: await tensor.read() });
  }
  return encodeSafetensors(entries, metadata);
}

/**
 * Fills `tensors` in place from a `.safetensors` file called `what`. Changes nothing when it throws: `StateError` with all
 * missing, unexpected and misshapen tensors, or `FormatError` for a broken file.
 */
export function decodeState(tensors: NamedTensors, bytes: Uint8Array, what: string): void {
  checkTensors('decodeState', tensors);
  const { tensors: entries } = decodeSafetensors(bytes, what);
  const difference = {
    missing: [...tensors.keys()].filter((name) => !entries.has(name)),
    unexpected: [...entries.keys()].filter((name) => !tensors.has(name)),
    misshapen: [...tensors].flatMap(([name, tensor]) => misfit(name, tensor, entries.get(name))),
  };
  if (Object.values(difference).some((list) => list.length > 0))
    throw new StateError('decodeState', what, difference);
  for (const [name, tensor] of tensors) tensor.device.write(tensor, entries.get(name)?.data as Float32Array);
}

function checkTensors(op: string, tensors: NamedTensors): void {
  const fits = tensors instanceof Map && [...tensors.values()].every((tensor) => tensor instanceof Tensor);
  need(fits, op, 'a Map of tensors by name, such as namedState()', tensors);
}

function misfit(
  name: string,
  tensor: Tensor,
  stored: StoredTensor | undefined,
): StateDifference['misshapen'] {
  if (!stored || (stored.dtype === 'F32' && sameShape(stored.shape, tensor.shape))) return [];
  return [{ name, found: describe(stored), expected: `F32 ${formatShape(tensor.shape)}` }];
}
