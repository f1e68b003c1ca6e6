import type { Network } from '../../src/models/backbone.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { type Images, upload } from './data.ts';

/** A network and the images it is attacked on. */
export interface Subject {
  readonly device: Device;
  readonly network: Network;
  readonly images: Images;
  /** Told what is being measured. */
  readonly onProgress?: ((what: string) => void) | undefined;
}

/** Images that are uploaded at once. */
const BATCH = 100;

/** Share of the images that the network gets right, each batch moved by `attack` before (or as it is). */
export async function accuracy(
  { device, network, images }: Subject,
  attack: (x: Tensor, labels: Tensor) => Tensor = (x) => x,
): Promise<number> {
  const count = images.labels.length;
  let right = 0;
  for (let begin = 0; begin < count; begin += BATCH) {
    right += await device.scope(async () => {
      const { x, labels } = upload(device, images, begin, Math.min(begin + BATCH, count));
      const logits = network.forward(attack(x, labels), EVALUATION);
      const expected = images.labels.subarray(begin, begin + BATCH);
      return (await rowsOf(logits)).filter((row, i) => largest(row) === expected[i]).length;
    });
  }
  return right / count;
}

/** A matrix as a list of rows. */
export async function rowsOf(matrix: Tensor): Promise<number[][]> {
  const [rows = 0, columns = 0] = matrix.shape;
  const data = await matrix.read();
  return Array.from({ length: rows }, (_, i) => [...data.subarray(i * columns, (i + 1) * columns)]);
}

function largest(row: readonly number[]): number {
  return row.reduce((best, value, i) => (value > (row[best] ?? Number.NaN) ? i : best), 0);
}
