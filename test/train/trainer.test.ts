import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ActionNetwork } from '../../src/amr/action-network.ts';
import { KernelwrightError } from '../../src/errors.ts';
import { decodeState, encodeState } from '../../src/nn/state.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { evaluateClean } from '../../src/train/evaluate.ts';
import { pgdTraining } from '../../src/train/methods.ts';
import type { TrainMetrics, TrainOptions } from '../../src/train/train-options.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { countCorrect } from '../../src/train/update-step.ts';
import { allBits } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { TINY_OPTIONS, tinyDataset, tinyNetwork, trained } from './tiny.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const DATASET = tinyDataset(22);
const OPTIONS = TINY_OPTIONS;
const ATTACK = {
  epsilons: { rgb: 0.1, skeleton: 0.1 },
  steps: 2,
  relativeStep: 0.6,
  randomStart: true,
};

function trainer(
  options: Partial<TrainOptions> = {},
  network: ActionNetwork = tinyNetwork(device, 'amr'),
): Trainer {
  return new Trainer(device, network, DATASET, DATASET.splits.train, { ...OPTIONS, ...options });
}

test('learns a separable problem: the loss falls, the accuracy comes to one', async () => {
  const network = tinyNetwork(device, 'amr');
  const found = await trained(trainer({ epochs: 8 }, network), 8);
  const [first, last] = [found[0], found.at(-1)] as [TrainMetrics, TrainMetrics];
  expect(last.loss).toBeLessThan(first.loss / 3);
  expect(last.accuracy).toBeGreaterThan(0.9);
  expect(last.samples).toBe(22);
  const { correct } = await evaluateClean(device, network, DATASET, DATASET.splits.train, { batchSize: 8 });
  expect(correct.every(Boolean)).toBe(true);
});

test('reports each batch, and the mean over the samples of the epoch', async () => {
  const batches: TrainMetrics[] = [];
  const total = await trainer().epoch((metrics) => {
    batches.push(metrics);
  });
  expect(batches.map(({ samples }) => samples)).toEqual([8, 8, 6]);
  const mean = (key: 'loss' | 'accuracy') =>
    batches.reduce((sum, metrics) => sum + metrics[key] * metrics.samples, 0) / 22;
  expect(total.loss).toBeCloseTo(mean('loss'), 12);
  expect(total.accuracy).toBeCloseTo(mean('accuracy'), 12);
  for (const { accuracy, samples } of batches)
    expect(accuracy * samples).toBeCloseTo(Math.round(accuracy * samples), 9);
});

describe.each([
  ['natural', undefined],
  ['adversarial', pgdTraining(ATTACK)],
] as const)('%s training', (_, method) => {
  test('is the same, bit for bit, for the same seed, and another for another', async () => {
    const run = async (seed: number) => {
      const made = trainer({ seed, method });
      const metrics = await trained(made, 2);
      return { metrics, state: await allBits(made.namedState()) };
    };
    const first = await run(3);
    expect(await run(3)).toEqual(first);
    expect((await run(4)).state).not.toEqual(first.state);
  });

  test('goes on from a checkpoint as if it had never stopped, bit for bit', async () => {
    const whole = trainer({ method });
    const [, ...expected] = await trained(whole, 3);
    const early = trainer({ method });
    await trained(early, 1);
    const bytes = await encodeState(early.namedState());
    const resumed = trainer({ method }, tinyNetwork(device, 'amr', 99));
    decodeState(resumed.namedState(), bytes, 'checkpoint');
    resumed.restore(1);
    expect(await trained(resumed, 2)).toEqual(expected);
    expect(await allBits(resumed.namedState())).toEqual(await allBits(whole.namedState()));
    expect(resumed.epochs).toBe(3);
  });

  test('warms up: no step builds a pipeline, and nothing is different afterwards', async () => {
    const fresh = await openTestDevice();
    const warmed = tinyNetwork(fresh, 'amr');
    const made = new Trainer(fresh, warmed, DATASET, DATASET.splits.train, { ...OPTIONS, method });
    expect(await made.warm()).toBeGreaterThan(10);
    const create = vi.spyOn(fresh.gpu, 'createComputePipeline');
    await made.epoch();
    expect(create).not.toHaveBeenCalled();
    const plain = tinyNetwork(device, 'amr');
    const cold = trainer({ method }, plain);
    await cold.epoch();
    expect(await allBits(made.namedState())).toEqual(await allBits(cold.namedState()));
    fresh.dispose();
  });

  test('takes no more memory from epoch to epoch, and gives back what it took', async () => {
    const before = device.memory().live;
    const network = tinyNetwork(device, 'amr');
    const made = trainer({ method }, network);
    const live: number[] = [];
    for (let epoch = 0; epoch < 3; epoch++) {
      await made.epoch();
      live.push(device.memory().live);
    }
    expect(new Set(live).size).toBe(1);
    made.dispose();
    network.dispose();
    expect(device.memory().live).toBe(before);
  });
});

test('adversarial training sees harder samples than natural training of the same network', async () => {
  const network = tinyNetwork(device, 'amr');
  await trained(trainer({}, network), 3);
  const attack = { ...ATTACK, epsilons: { rgb: 0.3, skeleton: 0.3 } };
  const look = { learningRate: 0, auxiliaryWeight: 0 };
  const [natural] = await trained(trainer(look, network), 1);
  const [attacked] = await trained(trainer({ ...look, method: pgdTraining(attack) }, network), 1);
  expect(attacked?.loss).toBeGreaterThan(2 * (natural?.loss ?? Infinity));
});

test('without a limit on the gradient it takes other steps', async () => {
  const run = async (clip: number | undefined) => {
    const made = trainer({ clip });
    await trained(made, 1);
    return allBits(made.namedState());
  };
  expect(await run(undefined)).not.toEqual(await run(0.01));
  expect(await run(undefined)).toEqual(await run(1e30));
});

test('the state holds weights, running averages and both moments of each parameter', () => {
  const made = trainer();
  const names = [...made.namedState().keys()];
  const parameters = [...made.network.namedParameters().keys()];
  const moments = parameters.flatMap((name) => [`${name}.first`, `${name}.second`]);
  expect(names.sort()).toEqual([...made.network.namedState().keys(), ...moments].sort());
});

describe('captured steps', () => {
  test.each(['natural', 'adversarial'])('give the bits of eager ones: %s training', async (how) => {
    const attack = {
      epsilons: { rgb: 0.05, skeleton: 0.05 },
      steps: 2,
      relativeStep: 0.7,
      randomStart: true,
    };
    const run = async (captured: boolean) => {
      const options = how === 'natural' ? { captured } : { captured, method: pgdTraining(attack) };
      const made = trainer(options, tinyNetwork(device, 'amr'));
      const metrics = [await made.epoch(), await made.epoch()];
      const state = await allBits(made.namedState());
      made.dispose();
      return { metrics, state };
    };
    expect(await run(true)).toEqual(await run(false));
  });
});

describe('an epoch that fails', () => {
  test('names the step at which the loss is no number, and leaves no memory behind', async () => {
    const network = tinyNetwork(device, 'skeleton');
    const made = trainer({}, network);
    await made.epoch();
    const before = device.memory().live;
    const bias = network.namedParameters().get('classifier.head.bias') as Tensor;
    device.write(bias, Float32Array.of(Number.NaN, 0));
    const failed = made.epoch();
    await expect(failed).rejects.toThrow(KernelwrightError);
    await expect(failed).rejects.toThrow('train: the loss became NaN at step 3; lower the learning rate');
    await device.idle();
    expect(device.memory().live).toBe(before);
    expect(made.epochs).toBe(1);
  });

  test('when the caller stops it, nothing runs on behind its back', async () => {
    const made = trainer({ captured: false }, tinyNetwork(device, 'skeleton'));
    const before = device.memory().live;
    const stop = () => {
      throw new Error('stopped');
    };
    await expect(made.epoch(stop)).rejects.toThrow('stopped');
    expect(device.memory().live).toBe(before);
    expect(made.epochs).toBe(0);
  });
});

test('countCorrect counts rows whose largest logit is at the label', async () => {
  const logits = device.tensor([1, 2, 3, 3, 2, 1, 0, 5, 0], [3, 3]);
  expect(await countCorrect(logits, device.tensor(Int32Array.of(2, 1, 1))).item()).toBe(2);
});
