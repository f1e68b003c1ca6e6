/** What deflate's longest match gives for a byte: no honest stream grows by more. */
const MOST_GROWTH = 1032;

/** What a zip archive says about a compressed entry. */
export interface Deflated {
  readonly data: Uint8Array;
  readonly size: number;
  readonly crc: number;
}

/**
 * Decompresses raw deflate to exactly `size` bytes with the checksum `crc`, by the platform's `DecompressionStream`: the
 * stream is put between the header and trailer of gzip, which every platform knows and checks. No more than `size` bytes are
 * ever held. Calls `fail` for anything else.
 */
export async function inflate(deflated: Deflated, fail: (problem: string) => never): Promise<Uint8Array> {
  const { data, size } = deflated;
  if (size > data.length * MOST_GROWTH) fail(`${data.length} compressed bytes cannot hold ${size}`);
  const out = new Uint8Array(size);
  let length = 0;
  let more = false;
  const reader = gzipped(deflated).pipeThrough(new DecompressionStream('gzip')).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      // Stopping here leaves the trailer unread, so this is no success even where the buffer is full.
      more = length + value.length > size;
      if (more) break;
      out.set(value, length);
      length += value.length;
    }
  } catch {
    return fail('its compressed bytes are damaged');
  } finally {
    await reader.cancel().catch(() => {});
  }
  return length === size && !more ? out : fail(`its compressed bytes do not hold ${size} bytes`);
}

function gzipped({ data, size, crc }: Deflated): ReadableStream<Uint8Array<ArrayBuffer>> {
  const header = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
  const trailer = new Uint8Array(8);
  const view = new DataView(trailer.buffer);
  view.setUint32(0, crc, true);
  view.setUint32(4, size % 2 ** 32, true);
  return new Blob([header, data as Uint8Array<ArrayBuffer>, trailer]).stream();
}
