import { afterAll, beforeAll, expect, test } from 'vitest';
import { NO_AUGMENTATION } from '../../src/data/augment.ts';
import { gatherSkeleton, gatherVideo } from '../../src/data/batches.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { uploadBatch } from '../../src/train/batch.ts';
import { values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { tinyDataset } from './tiny.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const DATASET = tinyDataset(6);
const BOTH = ['rgb', 'skeleton'] as const;
const AMOUNT = { turn: 1, scale: 0.3, crop: 0.5, shift: 1, brightness: 0.4 };

test('uploads the samples asked for, in order, with their labels', async () => {
  const { inputs, labels, size } = uploadBatch(device, DATASET, [5, 0], BOTH);
  expect([inputs.rgb?.shape, inputs.skeleton?.shape, size]).toEqual([[2, 2, 4, 4, 1], [2, 2, 3, 3], 2]);
  expect(await values(inputs.rgb as Tensor)).toEqual([...gatherVideo(DATASET, [5, 0])]);
  expect(await values(inputs.skeleton as Tensor)).toEqual([...gatherSkeleton(DATASET, [5, 0])]);
  expect([labels.dtype, await values(labels)]).toEqual(['i32', [1, 0]]);
});

test('uploads only the modalities asked for and there', () => {
  expect(Object.keys(uploadBatch(device, DATASET, [0], ['skeleton']).inputs)).toEqual(['skeleton']);
  const { video: _, ...blind } = DATASET;
  expect(Object.keys(uploadBatch(device, blind, [0], BOTH).inputs)).toEqual(['skeleton']);
});

test('an augmentation of nothing changes nothing', async () => {
  const plain = uploadBatch(device, DATASET, [1, 2], BOTH).inputs;
  const { inputs } = uploadBatch(device, DATASET, [1, 2], BOTH, {
    amount: NO_AUGMENTATION,
    seed: 1,
    epoch: 2,
  });
  for (const modality of BOTH)
    expect(await values(inputs[modality] as Tensor)).toEqual(await values(plain[modality] as Tensor));
});

test('a sample is varied by seed, epoch and its own index, not by its place in the batch', async () => {
  const sample = async (indices: number[], seed: number, epoch: number) => {
    const { inputs } = uploadBatch(device, DATASET, indices, BOTH, { amount: AMOUNT, seed, epoch });
    const at = indices.indexOf(3);
    const part = async (tensor: Tensor) => {
      const size = tensor.size / indices.length;
      return (await values(tensor)).slice(at * size, (at + 1) * size);
    };
    return [await part(inputs.rgb as Tensor), await part(inputs.skeleton as Tensor)];
  };
  const found = await sample([3], 1, 1);
  expect(await sample([0, 3, 4], 1, 1)).toEqual(found);
  const others = [await sample([3], 2, 1), await sample([3], 1, 2)];
  for (const other of others) for (const i of [0, 1]) expect(other[i]).not.toEqual(found[i]);
});
