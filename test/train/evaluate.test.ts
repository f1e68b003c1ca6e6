import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ActionInputs, ActionNetwork, type ActionOutput } from '../../src/amr/action-network.ts';
import { actionLoss } from '../../src/amr/loss.ts';
import type { ActionDataset } from '../../src/data/dataset.ts';
import { ShapeError } from '../../src/errors.ts';
import { add, mul, relu, sqrt, sub } from '../../src/kernels/elementwise.ts';
import { concat, reshape } from '../../src/kernels/layout.ts';
import { mean } from '../../src/kernels/reduce.ts';
import { capture } from '../../src/tensor/capture.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { attackNetwork, type NetworkAttack } from '../../src/train/attack-network.ts';
import { uploadBatch } from '../../src/train/batch.ts';
import { evaluateAttack, evaluateClean } from '../../src/train/evaluate.ts';
import { allBits, bits } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { tinyDataset, tinyNetwork } from './tiny.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

/** Calls a clip bright when its mean pixel m is above a half: logits ∓ gain · (m − ½). */
class Brightness extends ActionNetwork {
  readonly modalities = ['rgb'] as const;
  readonly gain: number;
  constructor(gain: number) {
    super();
    this.gain = gain;
  }
  forward({ rgb }: ActionInputs): ActionOutput {
    const m = mul(sub(mean(rgb as Tensor, { axes: [1, 2, 3], keepDims: false }), 0.5), this.gain);
    return { logits: concat([mul(m, -1), m], { axis: -1 }), auxiliary: [], weights: [] };
  }
}

const LEVELS = [0.2, 0.4, 0.6, 0.8, 0.8];
const LABELS = [0, 0, 1, 1, 0];
const DATASET: ActionDataset = {
  name: 'levels',
  title: 'Levels',
  classes: ['dark', 'bright'],
  labels: Int32Array.from(LABELS),
  subjects: LABELS.map(() => 'one'),
  samples: 5,
  video: {
    data: Uint8Array.from(LEVELS.flatMap((level) => new Array<number>(8).fill(level * 255))),
    shape: [2, 2, 2, 1],
    kind: 'depth',
  },
  splits: { train: [], validation: [], test: [0, 1, 2, 3, 4] },
};
const ALL = DATASET.splits.test;
/** Of another order, over two and a half batches. */
const SHUFFLED = [3, 1, 4, 0, 2];
const BATCHES = { batchSize: 2 };
const ATTACK: NetworkAttack = {
  epsilons: { rgb: 0.15 },
  steps: 3,
  relativeStep: 0.5,
  randomStart: false,
  seed: 1,
};

/** Cross-entropy of a sample moved by `by` away from its class. */
function lossOf(sample: number, gain: number, by = 0): number {
  const toward = LABELS[sample] === 1 ? -1 : 1;
  const margin = 2 * gain * ((LEVELS[sample] ?? 0) + toward * by - 0.5) * -toward;
  return Math.log1p(Math.exp(-margin));
}

/** Gives no numbers for clips brighter than three quarters. */
class Broken extends Brightness {
  override forward(inputs: ActionInputs): ActionOutput {
    const { logits, ...rest } = super.forward(inputs);
    const m = mean(inputs.rgb as Tensor, { axes: [1, 2, 3], keepDims: false });
    const root = sqrt(sub(0.75, m)); // no number above
    return { ...rest, logits: add(logits, mul(reshape(root, [-1, 1]), 0)) };
  }
}

test('logits that are no numbers are neither right nor robust, whatever class the largest of them seems to be', async () => {
  const samples = [0, 1, 3, 4];
  const clean = await evaluateClean(device, new Broken(4), DATASET, samples, BATCHES);
  expect(clean.correct).toEqual([true, true, false, false]);
  const attack = { ...ATTACK, epsilons: { rgb: 0.01 } };
  const { robust, zeroGradients } = await evaluateAttack(
    device,
    new Broken(4),
    DATASET,
    samples,
    attack,
    BATCHES,
  );
  expect(robust).toEqual([true, true, false, false]);
  expect(zeroGradients).toBe(0.5);
});

/** Right logits, with a gradient that is no number for clips above 0.7. */
class Steep extends Brightness {
  override forward(inputs: ActionInputs): ActionOutput {
    const { logits, ...rest } = super.forward(inputs);
    const m = mean(inputs.rgb as Tensor, { axes: [1, 2, 3], keepDims: false });
    const kink = sqrt(mul(relu(sub(m, 0.7)), 0)); // 0, with an infinite slope times 0
    return { ...rest, logits: add(logits, reshape(kink, [-1, 1])) };
  }
}

test('a sample whose gradients are no numbers is not called robust: nothing has attacked it', async () => {
  const attack = { ...ATTACK, epsilons: { rgb: 0.01 } };
  const found = await evaluateAttack(device, new Steep(4), DATASET, [0, 1, 3], attack, BATCHES);
  expect(found.losses.every(Number.isFinite)).toBe(true);
  expect(found.robust).toEqual([true, true, false]);
});

describe('evaluateClean', () => {
  test('gives predictions, losses and hits in the order of the indices, across batches', async () => {
    const found = await evaluateClean(device, new Brightness(4), DATASET, SHUFFLED, BATCHES);
    expect(found.predictions).toEqual([1, 0, 1, 0, 1]);
    expect(found.correct).toEqual([true, true, false, true, true]);
    for (const [i, sample] of SHUFFLED.entries()) expect(found.losses[i]).toBeCloseTo(lossOf(sample, 4), 5);
    expect(found.weights).toEqual([]);
  });

  test('gives the weights of each stage and sample', async () => {
    const dataset = tinyDataset(5);
    const found = await evaluateClean(device, tinyNetwork(device, 'amr'), dataset, ALL, BATCHES);
    expect(found.weights).toEqual([ALL.map(() => [1, 1])]);
  });

  test('calls back after every batch, may be stopped there, and keeps no memory', async () => {
    const before = device.memory().live;
    const sizes: number[] = [];
    await evaluateClean(device, new Brightness(4), DATASET, ALL, {
      ...BATCHES,
      onBatch: (size) => void sizes.push(size),
    });
    expect(sizes).toEqual([2, 2, 1]);
    const stop = () => Promise.reject(new Error('stopped'));
    const stopped = evaluateClean(device, new Brightness(4), DATASET, ALL, { ...BATCHES, onBatch: stop });
    await expect(stopped).rejects.toThrow('stopped');
    expect(device.memory().live).toBe(before);
  });
});

describe('evaluateAttack', () => {
  test('tells who withstands, in the order of the indices: never one that is wrong when clean', async () => {
    const found = await evaluateAttack(device, new Brightness(4), DATASET, SHUFFLED, ATTACK, BATCHES);
    expect(found.robust).toEqual([true, false, false, true, false]);
    for (const [i, sample] of SHUFFLED.entries())
      expect(found.losses[i]).toBeCloseTo(lossOf(sample, 4, 0.15), 4);
  });

  test('gives the mean loss at the start and after each step', async () => {
    const { lossByStep } = await evaluateAttack(device, new Brightness(4), DATASET, ALL, ATTACK, BATCHES);
    const expected = [0, 0.075, 0.15, 0.15].map(
      (by) => ALL.reduce((sum, i) => sum + lossOf(i, 4, by), 0) / 5,
    );
    expect(lossByStep.length).toBe(4);
    for (const [step, value] of expected.entries()) expect(lossByStep[step]).toBeCloseTo(value, 4);
  });

  test('gives the distance moved and the range of the pixels', async () => {
    const found = await evaluateAttack(device, new Brightness(4), DATASET, ALL, ATTACK, BATCHES);
    expect(found.distance).toEqual({ rgb: expect.closeTo(0.15, 6) });
    expect(found.pixelRange).toEqual([expect.closeTo(0.35, 6), expect.closeTo(0.95, 6)]);
    const wide = { ...ATTACK, epsilons: { rgb: 0.5 } };
    const { pixelRange } = await evaluateAttack(device, new Brightness(4), DATASET, ALL, wide, BATCHES);
    expect(pixelRange).toEqual([expect.closeTo(0.1, 6), 1]);
  });

  test('shows gradient masking: saturated logits have no gradient, so that no sample moves', async () => {
    const right = [0, 1, 2, 3];
    const run = (gain: number, indices: number[]) =>
      evaluateAttack(device, new Brightness(gain), DATASET, indices, ATTACK, BATCHES);
    const masked = await run(4e4, right);
    expect(masked.zeroGradients).toBe(1);
    expect(masked.robust).toEqual([true, true, true, true]);
    expect(masked.distance.rgb).toBe(0);
    expect((await run(4e4, ALL)).zeroGradients).toBe(0.8);
    const honest = await run(4, right);
    expect(honest.zeroGradients).toBe(0);
    expect(honest.robust).toEqual([true, false, false, true]);
  });

  test.each([{}, { rgb: 0 }])('without an attack (ε %o) it is the clean evaluation', async (epsilons) => {
    const network = new Brightness(4);
    const found = await evaluateAttack(device, network, DATASET, ALL, { ...ATTACK, epsilons }, BATCHES);
    const clean = await evaluateClean(device, network, DATASET, ALL, BATCHES);
    expect(found.robust).toEqual(clean.correct);
    expect(found.losses).toEqual(clean.losses);
    expect(found.lossByStep).toEqual([expect.closeTo(clean.losses.reduce((a, b) => a + b, 0) / 5, 6)]);
    expect([found.distance, found.pixelRange, found.zeroGradients]).toEqual([{}, undefined, 0]);
  });

  test('attacks both modalities or one, reports the weights, and keeps no memory', async () => {
    const [dataset, network] = [tinyDataset(5), tinyNetwork(device, 'amr')];
    const before = device.memory().live;
    const run = (epsilons: NetworkAttack['epsilons']) =>
      evaluateAttack(device, network, dataset, ALL, { ...ATTACK, epsilons }, BATCHES);
    const both = await run({ rgb: 0.1, skeleton: 0.2 });
    expect(both.distance).toEqual({ rgb: expect.closeTo(0.1, 6), skeleton: expect.closeTo(0.2, 6) });
    expect(both.weights).toEqual([[1, 1]]);
    const one = await run({ rgb: 0, skeleton: 0.2 });
    expect(one.distance).toEqual({ skeleton: expect.closeTo(0.2, 6) });
    expect(one.pixelRange).toBeUndefined();
    expect(device.memory().live).toBe(before);
  });

  test('draws a random start by the seed', async () => {
    const run = (seed: number) =>
      evaluateAttack(
        device,
        new Brightness(4),
        DATASET,
        ALL,
        { ...ATTACK, seed, randomStart: true },
        BATCHES,
      );
    expect(await run(1)).toEqual(await run(1));
    expect((await run(2)).lossByStep[0]).not.toBe((await run(1)).lossByStep[0]);
  });
});

describe('attackNetwork', () => {
  const attack = (epsilons: NetworkAttack['epsilons']) => {
    const network = tinyNetwork(device, 'amr');
    const batch = uploadBatch(device, tinyDataset(4), [0, 1, 2, 3], network.modalities);
    const moved = attackNetwork(network, batch.inputs, batch.labels, { ...ATTACK, epsilons });
    return { network, batch, moved };
  };

  test('adaptive: raises the whole loss more than an attack on the fused head alone does', async () => {
    const network = tinyNetwork(device, 'amr');
    const batch = uploadBatch(device, tinyDataset(4), [0, 1, 2, 3], network.modalities);
    const whole = async (adaptive: number) => {
      const options = { ...ATTACK, steps: 8, epsilons: { skeleton: 0.2 }, adaptive };
      const moved = attackNetwork(network, batch.inputs, batch.labels, options);
      const output = network.forward(moved, { training: false, seed: 0 });
      return actionLoss(output, batch.labels, { auxiliaryWeight: 10, labelSmoothing: 0 }).item();
    };
    expect(await whole(10)).toBeGreaterThan(await whole(0));
  });

  test('runs inside a captured step, with the same bits', async () => {
    const network = tinyNetwork(device, 'amr');
    const batch = uploadBatch(device, tinyDataset(4), [0, 1, 2, 3], network.modalities);
    const options = { ...ATTACK, epsilons: { rgb: 0.1, skeleton: 0.1 } };
    const run = (labels: Tensor, rgb: Tensor, skeleton: Tensor) =>
      attackNetwork(network, { rgb, skeleton }, labels, options).rgb as Tensor;
    const inputs = [batch.labels, batch.inputs.rgb as Tensor, batch.inputs.skeleton as Tensor] as const;
    const eager = await bits(run(...inputs));
    const step = capture(run);
    step(...inputs);
    expect(await bits(step(...inputs))).toEqual(eager);
    step.dispose();
  });

  test.each([-1, 1.5])('%s steps are a ShapeError', (steps) => {
    const network = tinyNetwork(device, 'amr');
    const batch = uploadBatch(device, tinyDataset(4), [0, 1], network.modalities);
    const options = { ...ATTACK, epsilons: { rgb: 0.1 }, steps };
    expect(() => attackNetwork(network, batch.inputs, batch.labels, options)).toThrow(
      /steps must be a count/,
    );
  });

  test('leaves a modality without ε as it is', async () => {
    const { batch, moved } = attack({ skeleton: 0.1 });
    expect(moved.rgb).toBe(batch.inputs.rgb);
    expect(await bits(moved.skeleton as Tensor)).not.toEqual(await bits(batch.inputs.skeleton as Tensor));
  });

  test('changes no weight and no running average', async () => {
    const { network } = attack({});
    const before = await allBits(network.namedState());
    const batch = uploadBatch(device, tinyDataset(4), [0, 1], network.modalities);
    attackNetwork(network, batch.inputs, batch.labels, { ...ATTACK, epsilons: { rgb: 0.1, skeleton: 0.1 } });
    expect(await allBits(network.namedState())).toEqual(before);
  });

  test.each([-0.1, Number.NaN])('ε = %f of one modality is a ShapeError', (epsilon) => {
    expect(() => attack({ rgb: epsilon, skeleton: 0.1 })).toThrow(ShapeError);
    expect(() => attack({ skeleton: epsilon })).toThrow('epsilon must be a number of at least 0');
  });

  test("a sample's attack does not depend on its batch", async () => {
    const network = tinyNetwork(device, 'amr');
    const run = (indices: number[]) => {
      const batch = uploadBatch(device, tinyDataset(4), indices, network.modalities);
      return attackNetwork(network, batch.inputs, batch.labels, { ...ATTACK, epsilons: { skeleton: 0.1 } });
    };
    const [all, one] = [run([0, 1, 2, 3]), run([2])];
    expect(await bits(one.skeleton as Tensor)).toEqual((await bits(all.skeleton as Tensor)).slice(36, 54));
  });
});
