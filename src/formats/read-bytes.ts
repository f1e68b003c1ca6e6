import { FormatError } from '../errors.ts';

const OP = 'readBytes';

export interface ReadBytesOptions {
  /** Called after each chunk with the bytes that are there and, where the server says, how many there will be. */
  readonly onProgress?: (bytes: number, total: number | undefined) => void;
  /** Most bytes that are taken; 4 GiB when left out. */
  readonly limit?: number;
  /** What the file is called in errors; the address of a response when left out. */
  readonly what?: string;
}

/**
 * All bytes of a stream, or of a response of `fetch`, as they come in. Memory grows with what has come, not with what the
 * server promises. Throws `FormatError` for a response that is no success, more than `limit` bytes, and fewer than the
 * server said (where they are not compressed on the way).
 */
export async function readBytes(
  source: Response | ReadableStream<Uint8Array>,
  options: ReadBytesOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const response = source instanceof Response ? source : undefined;
  const { onProgress, limit = 2 ** 32, what = response?.url || 'the stream' } = options;
  const fail = (problem: string): never => {
    throw new FormatError(OP, `${what}: ${problem}`);
  };
  if (response && !response.ok) fail(`HTTP status ${response.status} ${response.statusText}`.trim());
  const stream = response ? response.body : (source as ReadableStream<Uint8Array>);
  const total = response ? promised(response) : undefined;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunksOf(stream)) {
    length += chunk.length;
    if (length > limit) fail(`has more than ${limit} bytes`);
    chunks.push(chunk);
    onProgress?.(length, total);
  }
  if (total !== undefined && length !== total) fail(`ended after ${length} of ${total} bytes`);
  return joined(chunks, length);
}

/** What the server says that will come; unknown where it is compressed on the way. */
function promised({ headers }: Response): number | undefined {
  const length = headers.get('content-length');
  return length !== null && /^\d+$/.test(length) && !headers.get('content-encoding')
    ? Number(length)
    : undefined;
}

async function* chunksOf(stream: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  const reader = stream?.getReader();
  if (!reader) return;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // Whoever stops early wants no more of it; a stream that failed has nothing to cancel.
    await reader.cancel().catch(() => {});
  }
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}
