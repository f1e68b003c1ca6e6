import { FormatError } from '../errors.ts';
import { decodeNpy, decodeNpz, isNpy } from './npy.ts';
import { decodeSafetensors } from './safetensors.ts';
import { checkBytes, type StoredTensor } from './stored.ts';
import { type DecodeTorchOptions, decodeTorch, isZip } from './torch-file.ts';
import { ZipArchive } from './zip.ts';

/**
 * The named arrays of a file, whatever it is by its first bytes: safetensors, PyTorch (both formats), `.npz`, or `.npy`,
 * whose one array has the name ''. `what` names the file in errors. Throws `FormatError` for all that its reader rejects, and
 * for a `root` in a file that is not PyTorch's.
 */
export async function decodeArrays(
  bytes: Uint8Array,
  what: string,
  options: DecodeTorchOptions = {},
): Promise<Map<string, StoredTensor>> {
  checkBytes('decodeArrays', bytes, what);
  // The header of safetensors is JSON from its eighth byte.
  if (bytes[0] === 0x80 && bytes[8] !== 0x7b) return decodeTorch(bytes, what, options);
  const isArchive = isZip(bytes);
  if (isArchive && !isNpz(bytes, what, options)) return decodeTorch(bytes, what, options);
  // The JSON of safetensors begins there, which tells an error page from a broken file.
  if (!isArchive && !isNpy(bytes) && bytes[8] !== 0x7b)
    throw new FormatError('decodeArrays', `${what}: is none of safetensors, PyTorch, .npz and .npy`);
  checkRoot('decodeArrays', what, options.root);
  if (isArchive) return decodeNpz(bytes, what, options);
  if (isNpy(bytes)) return new Map([['', decodeNpy(bytes, what)]]);
  return decodeSafetensors(bytes, what).tensors;
}

function isNpz(bytes: Uint8Array, what: string, { limit }: DecodeTorchOptions): boolean {
  const { names } = new ZipArchive(bytes, 'decodeArrays', what, limit);
  return names.every((name) => name.endsWith('.npy'));
}

/** Throws `FormatError` for a path into what has none: arrays by name. '' is all of it. */
export function checkRoot(op: string, what: string, root: string | undefined): void {
  if (root)
    throw new FormatError(
      op,
      `${what}: only files of PyTorch have a root; leave out ${JSON.stringify(root)}`,
    );
}
