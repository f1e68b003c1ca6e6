import { decodeSafetensors } from './safetensors.ts';
import type { StoredTensor } from './stored.ts';

/**
 * The named arrays of a file in any format that can be told by its first bytes. `what` names the file in errors. Throws
 * `FormatError` for everything that its reader rejects.
 */
export async function decodeArrays(bytes: Uint8Array, what: string): Promise<Map<string, StoredTensor>> {
  return decodeSafetensors(bytes, what).tensors;
}
