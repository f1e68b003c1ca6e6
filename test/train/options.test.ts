import { afterAll, beforeAll, expect, test } from 'vitest';
import { NO_AUGMENTATION } from '../../src/data/augment.ts';
import { ShapeError } from '../../src/errors.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { attackNetwork } from '../../src/train/attack-network.ts';
import { uploadBatch } from '../../src/train/batch.ts';
import { evaluateClean } from '../../src/train/evaluate.ts';
import {
  freeTraining,
  martTraining,
  pgdTraining,
  type RegularisedOptions,
  type TrainingMethod,
  tradesTraining,
} from '../../src/train/methods.ts';
import type { TrainOptions } from '../../src/train/train-options.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { bits } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { TINY_OPTIONS, tinyDataset, tinyNetwork } from './tiny.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const epsilons = { rgb: 0.1, skeleton: 0.1 };
const DATASET = tinyDataset(8);
const OPTIONS: TrainOptions = { ...TINY_OPTIONS, epochs: 4, batchSize: 4, augmentation: NO_AUGMENTATION };

function make(options: Partial<TrainOptions>): Trainer {
  const network = tinyNetwork(device, 'skeleton');
  return new Trainer(device, network, DATASET, DATASET.splits.train, { ...OPTIONS, ...options });
}

test.each<[Partial<TrainOptions>, string]>([
  [{ accumulation: 0 }, 'accumulation must be a count of 1 … 4'],
  [{ accumulation: 5 }, 'accumulation must be a count of 1 … 4'],
  [{ accumulation: 2, method: freeTraining({ epsilons }) }, 'free training replays whole batches'],
  [{ method: freeTraining({ epsilons, replays: 0 }) }, 'replays must be at least 1'],
  [{ method: freeTraining({ epsilons: { rgb: -1 } }) }, 'epsilon must be a number of at least 0'],
  [{ method: martTraining({ epsilons }), mixing: { kind: 'mixup', alpha: 1 } }, 'leave out mixing'],
  [{ epochs: 0 }, 'epochs must be a count of at least 1; got 0'],
  [{ batchSize: 2.5 }, 'batchSize must be a count of at least 1; got 2.5'],
  [{ learningRate: Number.NaN }, 'learningRate must be a finite number of at least 0; got NaN'],
  [{ learningRate: -0.1 }, 'learningRate must be a finite number of at least 0; got -0.1'],
  [{ weightDecay: Number.NaN }, 'weightDecay must be a finite number of at least 0; got NaN'],
  [{ auxiliaryWeight: -1 }, 'auxiliaryWeight must be a finite number of at least 0; got -1'],
  [{ clip: Number.NaN }, 'clip must be a number above 0; got NaN'],
  [{ clip: 0 }, 'clip must be a number above 0; got 0'],
])('a trainer refuses: %#', (options, message) => {
  expect(() => make(options)).toThrow(ShapeError);
  expect(() => make(options)).toThrow(message);
});

test('a trainer refuses to train on no samples', () => {
  const network = tinyNetwork(device, 'skeleton');
  expect(() => new Trainer(device, network, DATASET, [], OPTIONS)).toThrow(
    'Trainer: needs samples to train on; got none',
  );
});

test('a network with fewer logits than the data has classes is neither trained nor evaluated', async () => {
  const network = tinyNetwork(device, 'skeleton');
  const more = { ...DATASET, classes: [...DATASET.classes, 'another'] };
  const message = new RegExp(
    `the network has ${DATASET.classes.length} logits for the ${more.classes.length} classes of the data`,
  );
  const trainer = new Trainer(device, network, more, more.splits.train, OPTIONS);
  await expect(trainer.epoch()).rejects.toThrow(message);
  await expect(evaluateClean(device, network, more, more.splits.train, { batchSize: 4 })).rejects.toThrow(
    message,
  );
});

type Regularised = (options: RegularisedOptions) => TrainingMethod;

test.each<[string, Regularised]>([
  ['tradesTraining', tradesTraining],
  ['martTraining', martTraining],
])('%s refuses a weight of the divergence that is none', (name, method) => {
  for (const beta of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
    expect(() => method({ epsilons, beta })).toThrow(ShapeError);
    expect(() => method({ epsilons, beta })).toThrow(
      `${name}: beta must be a finite number of at least 0; got ${beta}`,
    );
  }
});

test('ε = Infinity is the whole range of pixels, and refused for skeletons, which have none', async () => {
  const network = tinyNetwork(device, 'amr');
  const { inputs, labels } = uploadBatch(device, DATASET, [0, 1], network.modalities);
  const attack = { steps: 2, relativeStep: 0.5, randomStart: true, seed: 1 };
  const moved = (rgb: number) =>
    bits(attackNetwork(network, inputs, labels, { ...attack, epsilons: { rgb } }).rgb as Tensor);
  expect(await moved(Number.POSITIVE_INFINITY)).toEqual(await moved(1));
  const unbounded = { rgb: 0, skeleton: Number.POSITIVE_INFINITY };
  const message = /: skeleton: epsilon = Infinity means the whole range, and there is none/;
  expect(() => attackNetwork(network, inputs, labels, { ...attack, epsilons: unbounded })).toThrow(message);
  expect(() => make({ method: freeTraining({ epsilons: unbounded }) })).toThrow(message);
});

test('pixels that may move further than their range are refused', () => {
  const network = tinyNetwork(device, 'amr');
  const { inputs, labels } = uploadBatch(device, DATASET, [0, 1], network.modalities);
  const wide = { epsilons: { rgb: 8, skeleton: 8 }, steps: 1, relativeStep: 1, randomStart: true, seed: 1 };
  const message = /: rgb: epsilon must be at most 1, which is all of \[0,1\], or Infinity; got 8.*8\/255/;
  expect(() => attackNetwork(network, inputs, labels, wide)).toThrow(message);
  expect(() => make({ method: freeTraining(wide) })).toThrow(message);
  expect(() => make({ method: pgdTraining(wide) })).toThrow(message);
});

test('an attack on modalities alone that the network lacks is refused', () => {
  const network = tinyNetwork(device, 'skeleton');
  const { inputs, labels } = uploadBatch(device, DATASET, [0, 1], network.modalities);
  const attack = { steps: 1, relativeStep: 1, randomStart: true, seed: 1 };
  const message = 'the network has no rgb; it takes skeleton';
  const run = (rgb: number) => attackNetwork(network, inputs, labels, { ...attack, epsilons: { rgb } });
  expect(() => run(0.1)).toThrow(new ShapeError('attackNetwork', message));
  expect(() => make({ method: freeTraining({ epsilons: { rgb: 0.1 } }) })).toThrow(message);
  expect(run(0)).toBe(inputs);
});

test('an attack refuses a weight of the auxiliary heads that is no number', () => {
  const network = tinyNetwork(device, 'skeleton');
  const { inputs, labels } = uploadBatch(device, DATASET, [0, 1], network.modalities);
  const attack = { epsilons, steps: 1, relativeStep: 1, randomStart: true, seed: 1, adaptive: Number.NaN };
  expect(() => attackNetwork(network, inputs, labels, attack)).toThrow(
    'attackNetwork: adaptive must be a finite number of at least 0; got NaN',
  );
});
