import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzip } from '../../src/data/gunzip.ts';
import { decodeArrays } from '../../src/formats/decode.ts';
import type { StoredTensor } from '../../src/formats/stored.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { UsageError } from '../errors.ts';

/** Square RGB images, one byte a channel, and their classes. */
export interface Images {
  readonly pixels: Uint8Array;
  readonly labels: Uint8Array;
  readonly side: number;
}

/** The published ResNet-20 with real images of CIFAR-10. */
export interface CifarFolder {
  readonly weights: ReadonlyMap<string, StoredTensor>;
  /** Re-encoded as JPEG, on which the network is worse than on the originals. */
  readonly test1000: Images;
  /** Lossless. */
  readonly foolbox20: Images;
}

const SIDE = 32;

/** Reads the folder; its SOURCE.md says where the files come from. Throws `UsageError` for a file that is missing or cut. */
export async function readCifarFolder(folder: string): Promise<CifarFolder> {
  const read = (name: string) => readOr(folder, name);
  const weights = 'resnet20-12fca82f.safetensors';
  const packed = 'test1000.u8.gz';
  return {
    weights: await decodeArrays(await read(weights), join(folder, weights)),
    test1000: images(await gunzip(await read(packed), packed), await read('test1000.labels.u8'), 1000),
    foolbox20: images(await read('foolbox20.u8'), await read('foolbox20.labels.u8'), 20),
  };
}

async function readOr(folder: string, name: string): Promise<Uint8Array> {
  try {
    return await readFile(join(folder, name));
  } catch {
    throw new UsageError(`cannot read ${join(folder, name)}; give the folder that holds it by --data`);
  }
}

function images(pixels: Uint8Array, labels: Uint8Array, count: number): Images {
  const expected = count * SIDE * SIDE * 3;
  if (pixels.length !== expected || labels.length !== count)
    throw new UsageError(
      `${count} images need ${expected} bytes and ${count} labels; got ${pixels.length} and ${labels.length}`,
    );
  return { pixels, labels, side: SIDE };
}

/** Some of the images as [N, H, W, 3] in [0, 1], and their classes [N]. */
export function upload(
  device: Device,
  { pixels, labels, side }: Images,
  begin: number,
  end: number,
): { x: Tensor; labels: Tensor } {
  const size = side * side * 3;
  const part = pixels.subarray(begin * size, end * size);
  const x = device.tensor(
    Float32Array.from(part, (value) => value / 255),
    [part.length / size, side, side, 3],
  );
  return { x, labels: device.tensor(Int32Array.from(labels.subarray(begin, end))) };
}

/** The first `count` images. */
export function firstOf({ pixels, labels, side }: Images, count: number): Images {
  return { pixels: pixels.subarray(0, count * side * side * 3), labels: labels.subarray(0, count), side };
}
