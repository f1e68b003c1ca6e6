import { FormatError } from '../errors.ts';
import { decodeNpy, decodeNpz, isNpy } from './npy.ts';
import { decodeSafetensors } from './safetensors.ts';
import { checkBytes, type StoredTensor } from './stored.ts';
import { type DecodeTorchOptions, decodeTorch, isZip } from './torch-file.ts';
import { ZipArchive } from './zip.ts';

/**
 * The named arrays of a file, whatever it is by its first bytes: safetensors, PyTorch (both formats), `.npz`, or `.npy`,
 * whose one array has the name ''. `what` names the file in errors. Throws `FormatError` for all that its reader rejects.
 */
export async function decodeArrays(
  bytes: Uint8Array,
  what: string,
  options: DecodeTorchOptions = {},
): Promise<Map<string, StoredTensor>> {
  checkBytes('decodeArrays', bytes, what);
  if (isNpy(bytes)) return new Map([['', decodeNpy(bytes, what)]]);
  // The header of safetensors is JSON from its eighth byte.
  if (bytes[0] === 0x80 && bytes[8] !== 0x7b) return decodeTorch(bytes, what, options);
  if (!isZip(bytes)) {
    // The JSON of safetensors begins here, which tells an error page from a broken file.
    if (bytes[8] !== 0x7b)
      throw new FormatError('decodeArrays', `${what}: is none of safetensors, PyTorch, .npz and .npy`);
    return decodeSafetensors(bytes, what).tensors;
  }
  const isNpz = new ZipArchive(bytes, 'decodeArrays', what, options.limit).names.every((name) =>
    name.endsWith('.npy'),
  );
  return isNpz ? decodeNpz(bytes, what, options) : decodeTorch(bytes, what, options);
}
