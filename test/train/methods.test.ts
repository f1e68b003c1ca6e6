import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ActionNetwork } from '../../src/amr/action-network.ts';
import { TwoStreamNetwork } from '../../src/amr/two-stream.ts';
import { grad } from '../../src/autograd/grad.ts';
import { NO_AUGMENTATION } from '../../src/data/augment.ts';
import { batches } from '../../src/data/batches.ts';
import { add, mul, sign, sqrt } from '../../src/kernels/elementwise.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { mean } from '../../src/kernels/reduce.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { EVALUATION, Layer } from '../../src/nn/module.ts';
import { decodeState, encodeState } from '../../src/nn/state.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { attackNetwork } from '../../src/train/attack-network.ts';
import { uploadBatch } from '../../src/train/batch.ts';
import {
  fastTraining,
  freeTraining,
  martTraining,
  type TrainingMethod,
  tradesTraining,
} from '../../src/train/methods.ts';
import type { TrainOptions } from '../../src/train/train-options.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { Chain } from '../amr/chain.ts';
import { allBits, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { affineNetwork } from './affine.ts';
import { METHODS, TINY_OPTIONS, tinyDataset, tinyNetwork, trained } from './tiny.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const epsilons = { rgb: 0.1, skeleton: 0.1 };
const DATASET = tinyDataset(8);
const OPTIONS: TrainOptions = { ...TINY_OPTIONS, epochs: 4, batchSize: 4, augmentation: NO_AUGMENTATION };

function trainer(options: Partial<TrainOptions>, network: ActionNetwork): Trainer {
  return new Trainer(device, network, DATASET, DATASET.splits.train, { ...OPTIONS, ...options });
}

describe.each(METHODS)('%s training', (name, method) => {
  test('learns; captured steps give the bits of eager ones, and all memory comes back', async () => {
    const before = device.memory().live;
    const run = async (captured: boolean) => {
      const network = twoStreams();
      // A last batch that is smaller is a case of its own for the perturbation that is kept.
      const made = trainer({ method, captured, batchSize: name === 'free' ? 5 : 4 }, network);
      const metrics = await trained(made, 2);
      const state = await allBits(made.namedState());
      made.dispose();
      network.dispose();
      return { metrics, state };
    };
    const found = await run(true);
    expect(found.metrics.at(-1)?.loss).toBeLessThan(found.metrics[0]?.loss ?? 0);
    expect(found.metrics.at(-1)?.samples).toBe(8);
    expect(await run(false)).toEqual(found);
    expect(device.memory().live).toBe(before);
    const kept = Object.keys(found.state).filter((key) => key.startsWith('perturbation'));
    expect(kept.length).toBe(name === 'free' ? 2 : 0);
  });
});

/** Pixels and poses, concatenated. */
function twoStreams(): ActionNetwork {
  const init = new Initialiser(device, 1);
  const streams = [new Chain(init, 1, [4]), new Chain(init, 3, [4])] as const;
  return new TwoStreamNetwork(init, ...streams, { classes: 2, dropout: 0.1 });
}

/** The identity, with a gradient that is no number. */
class Kink extends Layer {
  forward(x: Tensor): Tensor {
    return add(x, sqrt(mul(x, 0)));
  }
}

/** The samples of the one batch of an epoch. */
const order = (epoch: number) =>
  batches(DATASET.splits.train, 8, { seed: OPTIONS.seed, epoch, shuffle: true })[0] ?? [];

describe('what methods attack', () => {
  const attackOf = (method: TrainingMethod) => method.attack as NonNullable<TrainingMethod['attack']>;

  test('the published defaults', () => {
    const start = { randomStart: true, startNoise: 0.001 };
    expect(tradesTraining({ epsilons }).attack).toEqual({
      ...{ epsilons, steps: 10, relativeStep: 0.003 / 0.031, objective: 'divergence' },
      ...start,
    });
    expect(martTraining({ epsilons }).attack).toEqual({
      ...{ epsilons, steps: 10, relativeStep: 0.007 / 0.031 },
      ...start,
    });
    expect(fastTraining({ epsilons }).attack).toMatchObject({
      steps: 1,
      relativeStep: 1.25,
      randomStart: true,
    });
    expect(freeTraining({ epsilons }).free).toEqual({ epsilons, replays: 8 });
  });

  test('TRADES starts .001 N(0, 1) away and ascends the divergence from the clean prediction', async () => {
    const network = twoStreams();
    const { inputs, labels } = uploadBatch(device, DATASET, [0, 1, 2, 3], network.modalities);
    const attack = { ...attackOf(tradesTraining({ epsilons, steps: 4, relativeStep: 0.5 })), seed: 1 };
    const losses: Tensor[] = [];
    const starts: Tensor[] = [];
    const moved = attackNetwork(network, inputs, labels, attack, ({ step, value, inputs: points }) => {
      losses.push(device.keep(mean(value.losses)));
      if (step === 0) starts.push(...points.map((point) => device.keep(mean(point, { axes: [] }))));
    });
    const found = await Promise.all(losses.map((loss) => loss.item()));
    expect(found[0]).toBeLessThan(1e-3);
    expect(found.at(-1)).toBeGreaterThan(20 * (found[0] ?? 1));
    const [x, start, end] = await Promise.all(
      [inputs.skeleton, starts[1], moved.skeleton].map((t) => values(t as Tensor)),
    );
    const apart = (a: number[] = [], b: number[] = []) => a.map((value, i) => Math.abs(value - (b[i] ?? 0)));
    expect(Math.max(...apart(x, start))).toBeLessThan(0.006);
    expect(Math.max(...apart(x, start))).toBeGreaterThan(0.001);
    expect(Math.max(...apart(x, end))).toBeCloseTo(0.1, 5);
  });

  test('free training moves its perturbation by ε along the sign of the gradient, and keeps it', async () => {
    const network = affineNetwork(device);
    const method = freeTraining({ epsilons: { skeleton: 0.1 }, replays: 1 });
    const made = trainer({ method, batchSize: 8, learningRate: 0 }, network);
    const { inputs, labels } = uploadBatch(device, DATASET, order(0), ['skeleton']);
    const x = inputs.skeleton as Tensor;
    const loss = (skeleton: Tensor) =>
      crossEntropy(network.forward({ skeleton }, { training: true, seed: 0 }).logits, labels);
    const [slope] = grad(() => loss(x), [x]) as [Tensor];
    await made.epoch();
    const delta = made.namedState().get('perturbation.skeleton') as Tensor;
    expect(await values(delta)).toEqual(await values(mul(sign(slope), 0.1)));
    // The samples of the next batch are seen with it: their loss is that of x + δ.
    const next = uploadBatch(device, DATASET, order(1), ['skeleton']);
    const output = network.forward({ skeleton: add(next.inputs.skeleton as Tensor, delta) }, EVALUATION);
    const expected = await crossEntropy(output.logits, next.labels).item();
    expect((await made.epoch()).loss).toBeCloseTo(expected, 5);
  });

  test('one modality alone, where only it has a budget', async () => {
    const network = twoStreams();
    const method = freeTraining({ epsilons: { skeleton: 0.1 }, replays: 2 });
    const made = trainer({ method }, network);
    await made.epoch();
    const names = [...made.namedState().keys()].filter((name) => name.startsWith('perturbation'));
    expect(names).toEqual(['perturbation.skeleton']);
    const delta = await values(made.namedState().get('perturbation.skeleton') as Tensor);
    expect(Math.max(...delta.map(Math.abs))).toBeCloseTo(0.1, 6);
  });
});

describe('composed with', () => {
  const still = () => tinyNetwork(device, 'skeleton');

  test('mixup and CutMix: learns, reproducibly; captured as eager', async () => {
    const run = async (kind: 'mixup' | 'cutmix', captured: boolean) => {
      const made = trainer({ mixing: { kind, alpha: 1 }, method: METHODS[1]?.[1], captured }, twoStreams());
      return { metrics: await trained(made, 2), state: await allBits(made.namedState()) };
    };
    const found = await run('mixup', true);
    expect(await run('mixup', false)).toEqual(found);
    expect(found.metrics[1]?.loss).toBeLessThan(found.metrics[0]?.loss ?? 0);
    const cut = await run('cutmix', true);
    expect(cut.metrics[1]?.loss).toBeLessThan(cut.metrics[0]?.loss ?? 0);
    expect(cut.state).not.toEqual(found.state);
  });

  test('parts of a batch: the update of the whole one, without batch statistics', async () => {
    const run = async (accumulation: number, captured = true) => {
      const network = affineNetwork(device);
      const made = trainer({ accumulation, captured, batchSize: 7, epochs: 2 }, network);
      const metrics = await trained(made, 1);
      const state = made.namedState();
      return {
        metrics,
        bits: await allBits(state),
        weight: await values(state.get('classifier.head.weight') as Tensor),
      };
    };
    const whole = await run(1);
    const parts = await run(3);
    expect(parts.metrics[0]?.loss).toBeCloseTo(whole.metrics[0]?.loss ?? 0, 5);
    expect(parts.metrics[0]?.accuracy).toBeCloseTo(whole.metrics[0]?.accuracy ?? 0, 9);
    const apart = parts.weight.map((value, i) => Math.abs(value - (whole.weight[i] ?? 0)));
    expect(Math.max(...apart)).toBeLessThan(1e-4);
    expect((await run(3, false)).bits).toEqual(parts.bits);
  });

  test('loss scaling: the same bits, for a power of two scales without rounding', async () => {
    const run = async (initial: number | undefined) => {
      const network = still();
      const lossScaling = initial === undefined ? undefined : { initial };
      const made = trainer({ lossScaling, clip: undefined, averageDecay: 0.5 }, network);
      const metrics = await trained(made, 1);
      return { metrics, after: await allBits(network.namedParameters()) };
    };
    const scaled = await run(256);
    expect(scaled.after).toEqual((await run(undefined)).after);
    expect(scaled.metrics[0]?.lossScale).toBe(256);
  });

  test('loss scaling that finds no scale at all: an error, and weights as they were', async () => {
    const network = affineNetwork(device, [new Kink()]);
    const before = await allBits(network.namedParameters());
    const made = trainer({ lossScaling: { initial: 1, backoff: 2 ** -6 } }, network);
    await expect(made.epoch()).rejects.toThrow(
      `train: gradients are no numbers at any loss scale (${2 ** -12} at step 1); lower the learning rate`,
    );
    expect(await allBits(network.namedParameters())).toEqual(before);
  });

  test('an average, a loss scale and a perturbation, which a checkpoint holds', async () => {
    const method = freeTraining({ epsilons, replays: 2 });
    const options = { averageDecay: 0.9, lossScaling: { initial: 64, interval: 3 }, method };
    const run = async (stop: boolean) => {
      let made = trainer(options, still());
      await trained(made, 1);
      if (stop) {
        const resumed = trainer(options, tinyNetwork(device, 'skeleton', 9));
        decodeState(resumed.namedState(), await encodeState(made.namedState()), 'checkpoint');
        resumed.restore(1);
        made = resumed;
      }
      await trained(made, 1);
      return allBits(made.namedState());
    };
    const whole = await run(false);
    expect(await run(true)).toEqual(whole);
    expect(whole['average.classifier.head.weight']).not.toEqual(whole['classifier.head.weight']);
    expect(whole['average.classifier.head.weight']).toBeDefined();
    expect(Object.keys(whole)).toEqual(
      expect.arrayContaining(['lossScale', 'lossScale.good', 'perturbation.skeleton']),
    );
  });
});
