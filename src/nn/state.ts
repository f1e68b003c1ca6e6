import { FormatError } from '../errors.ts';
import { decodeSafetensors, encodeSafetensors } from '../formats/safetensors.ts';
import { formatShape, sameShape } from '../tensor/shape.ts';
import type { NamedTensors } from './module.ts';

/** The tensors as a `.safetensors` file (little-endian f32; metadata as strings). Equal tensors give equal bytes. */
export async function encodeState(
  tensors: NamedTensors,
  metadata: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
  const entries = new Map();
  for (const [name, tensor] of tensors) {
    entries.set(name, { dtype: 'F32', shape: [...tensor.shape], data: await tensor.read() });
  }
  return encodeSafetensors(entries, metadata);
}

/**
 * Fills `tensors` in place from a `.safetensors` file called `what`. Throws `FormatError` and changes nothing when a
 * tensor is missing, left over, or of another shape: a checkpoint of another architecture.
 */
export function decodeState(tensors: NamedTensors, bytes: Uint8Array, what: string): void {
  const { tensors: entries } = decodeSafetensors(bytes, what);
  const missing = [...tensors.keys()].filter((name) => !entries.has(name));
  const extra = [...entries.keys()].filter((name) => !tensors.has(name));
  if (missing.length + extra.length > 0) {
    const part = (label: string, names: string[]) =>
      names.length > 0 ? ` ${label} ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}` : '';
    throw new FormatError(
      what,
      `is a checkpoint of another network:${part('lacks', missing)}${part('has', extra)}`,
    );
  }
  for (const [name, tensor] of tensors) {
    const entry = entries.get(name);
    if (entry?.dtype !== 'F32' || !sameShape(entry.shape, tensor.shape)) {
      throw new FormatError(
        what,
        `${name} is ${entry?.dtype} ${formatShape(entry?.shape ?? [])}; expected F32 ${formatShape(tensor.shape)}`,
      );
    }
  }
  for (const [name, tensor] of tensors) tensor.device.write(tensor, entries.get(name)?.data as Float32Array);
}
