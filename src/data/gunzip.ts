import { FormatError } from '../errors.ts';

/**
 * Decompresses gzip with the platform's `DecompressionStream`. `what` names the file in errors.
 * Throws `FormatError` if the bytes are no gzip stream, are truncated or fail their checksum.
 */
export async function gunzip(bytes: Uint8Array, what = 'input'): Promise<Uint8Array> {
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
  try {
    return new Uint8Array(
      await new Response(stream.pipeThrough(new DecompressionStream('gzip'))).arrayBuffer(),
    );
  } catch (cause) {
    throw new FormatError('gunzip', `${what}: truncated or not a gzip file`, { cause });
  }
}
