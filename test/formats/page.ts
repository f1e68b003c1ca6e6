// The module that browser.test.ts opens in a browser: files that come in by fetch.
import { decodeArrays } from '../../src/formats/decode.ts';
import { readBytes } from '../../src/formats/read-bytes.ts';

/** What came of a file: its arrays as plain values, and how far it was after each chunk. */
export interface Fetched {
  readonly arrays: readonly (readonly [name: string, dtype: string, values: readonly string[]])[];
  readonly progress: readonly (readonly [bytes: number, total: number | undefined])[];
}

/** Fetches the file of these bytes and reads it, or says why not. */
async function fetchArrays(bytes: readonly number[]): Promise<Fetched | string> {
  const address = URL.createObjectURL(new Blob([Uint8Array.from(bytes)]));
  const progress: [number, number | undefined][] = [];
  try {
    const file = await readBytes(await fetch(address), {
      onProgress: (...step) => progress.push(step),
    });
    const arrays = [...(await decodeArrays(file, 'file'))].map(
      ([name, { dtype, data }]) => [name, dtype, Array.from(data, String)] as const,
    );
    return { arrays, progress };
  } catch (error) {
    return String(error);
  }
}

const api = { fetchArrays };
export type PageApi = typeof api;
Object.assign(globalThis, api);
