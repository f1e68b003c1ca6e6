import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ActionNetwork } from '../../src/amr/action-network.ts';
import { grad } from '../../src/autograd/grad.ts';
import { DeviceError, ShapeError } from '../../src/errors.ts';
import { mul } from '../../src/kernels/elementwise.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import { decodeState, encodeState } from '../../src/nn/state.ts';
import { nullGpu } from '../../src/node/gpu.ts';
import { Device } from '../../src/tensor/device.ts';
import { uploadBatch } from '../../src/train/batch.ts';
import { evaluateClean } from '../../src/train/evaluate.ts';
import { HalfNetwork } from '../../src/train/half-network.ts';
import { freeTraining, pgdTraining } from '../../src/train/methods.ts';
import type { TrainMetrics, TrainOptions } from '../../src/train/train-options.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { allBits, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { METHODS, TINY_OPTIONS, tinyDataset, tinyNetwork, trained } from './tiny.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const DATASET = tinyDataset(22);
const OPTIONS: TrainOptions = { ...TINY_OPTIONS, epochs: 8, precision: 'f16' };

function trainer(
  options: Partial<TrainOptions> = {},
  network: ActionNetwork = tinyNetwork(device, 'amr'),
): Trainer {
  return new Trainer(device, network, DATASET, DATASET.splits.train, { ...OPTIONS, ...options });
}

/** A test where there is f16; elsewhere a trainer must be refused. */
function inHalf(name: string, check: () => Promise<void>): void {
  test(name, async () => {
    if (device.traits.f16) await check();
    else expect(() => trainer()).toThrow(DeviceError);
  });
}

inHalf('learns in f16 as well as in f32, with f32 weights and running averages', async () => {
  const learned = async (precision: 'f32' | 'f16') => {
    const network = tinyNetwork(device, 'amr');
    const made = trainer({ precision }, network);
    const found = await trained(made, 8);
    expect([...made.namedState().values()].filter(({ dtype }) => dtype !== 'f32')).toEqual([]);
    const { splits } = DATASET;
    const { correct } = await evaluateClean(device, network, DATASET, splits.train, { batchSize: 8 });
    expect(correct.every(Boolean)).toBe(true);
    return found.at(-1) as TrainMetrics;
  };
  const [wide, narrow] = [await learned('f32'), await learned('f16')];
  expect(narrow.loss).toBeLessThan(1.2 * wide.loss + 0.02);
  expect(narrow.lossScale).toBe(2 ** 16);
  expect(wide.lossScale).toBeUndefined();
});

inHalf('skips a step that overflows, and halves the scale', async () => {
  const network = tinyNetwork(device, 'amr');
  const made = trainer({ epochs: 16, batchSize: 22, lossScaling: { initial: 2 ** 24 } }, network);
  const before = await allBits(network.namedParameters());
  expect((await made.epoch()).lossScale).toBe(2 ** 23);
  expect(await allBits(network.namedParameters())).toEqual(before);
  // The scale falls until nothing overflows, and then they move.
  const scales = (await trained(made, 15)).map(({ lossScale }) => lossScale ?? 0);
  expect(scales.at(-1)).toBeLessThan(2 ** 20);
  expect(scales.at(-1)).toBe(scales.at(-2));
  expect(await allBits(network.namedParameters())).not.toEqual(before);
});

inHalf('scales no loss where that is not wanted', async () => {
  const made = trainer({ lossScaling: false });
  expect(Object.keys(await made.epoch())).not.toContain('lossScale');
  expect([...made.namedState().keys()].filter((name) => name.startsWith('lossScale'))).toEqual([]);
});

inHalf('goes on in f16 bit for bit, and in f32, from a checkpoint of f16', async () => {
  const whole = trainer();
  await trained(whole, 1);
  const bytes = await encodeState(whole.namedState());
  const resumed = (options: Partial<TrainOptions>) => {
    const made = trainer(options, tinyNetwork(device, 'amr', 99));
    decodeState(made.namedState(), bytes, 'checkpoint');
    made.restore(1);
    return made;
  };
  const expected = await trained(whole, 2);
  expect(await trained(resumed({}), 2)).toEqual(expected);
  const [, wide] = await trained(resumed({ precision: 'f32', lossScaling: {} }), 2);
  expect(wide?.loss).toBeCloseTo(expected[1]?.loss ?? 0, 1);
  // Weights alone fit without a scale.
  const [net, network] = [tinyNetwork(device, 'amr', 99), await encodeState(whole.network.namedState())];
  decodeState(net.namedState(), network, 'weights');
  expect(await allBits(net.namedState())).toEqual(await allBits(whole.network.namedState()));
});

const epsilons = { rgb: 0.1, skeleton: 0.1 };
const ALL = [...METHODS, ['pgd, adaptive', pgdTraining({ epsilons, steps: 2, adaptive: 1 })] as const];

describe.each(ALL)('%s training in f16', (_, method) => {
  inHalf('learns; captured steps give the bits of eager ones, and all memory comes back', async () => {
    const before = device.memory().live;
    const run = async (captured: boolean) => {
      const network = tinyNetwork(device, 'amr');
      const made = trainer({ method, captured }, network);
      const metrics = await trained(made, 2);
      const state = await allBits(made.namedState());
      made.dispose();
      network.dispose();
      return { metrics, state };
    };
    const captured = await run(true);
    expect(await run(false)).toEqual(captured);
    const [first, last] = captured.metrics as [TrainMetrics, TrainMetrics];
    expect(last.loss).toBeLessThan(first.loss);
    expect(device.memory().live).toBe(before);
  });

  inHalf('has the loss of f32 in its first step', async () => {
    const lossOf = async (precision: 'f32' | 'f16') => {
      const losses: number[] = [];
      await trainer({ method, precision }).epoch(({ loss }) => void losses.push(loss));
      return losses[0] as number;
    };
    expect((await lossOf('f16')) / (await lossOf('f32'))).toBeCloseTo(1, 2);
  });
});

inHalf('parts of a batch, an average, mixing and clipping go with f16', async () => {
  const made = trainer({ accumulation: 2, averageDecay: 0.9, mixing: { kind: 'mixup', alpha: 0.4 } });
  const [first, , last] = (await trained(made, 3)) as [TrainMetrics, TrainMetrics, TrainMetrics];
  expect(last.loss).toBeLessThan(first.loss);
});

inHalf('an attack in f16 keeps gradients by its f32 inputs that f16 has not', async () => {
  const network = tinyNetwork(device, 'amr');
  const { inputs } = uploadBatch(device, DATASET, [0, 1, 2], network.modalities);
  const slopes = async (net: ActionNetwork) => {
    const loss = () => mul(sum(net.forward(inputs, EVALUATION).logits), 2e-7);
    const found = grad(loss, Object.values(inputs));
    expect(found.map(({ dtype }) => dtype)).toEqual(['f32', 'f32']);
    return (await Promise.all(found.map(values))).flat();
  };
  const wide = await slopes(network);
  const error = async (gradientScale: number) => {
    const found = await slopes(new HalfNetwork(network, { gradientScale }));
    return Math.hypot(...found.map((value, i) => value - (wide[i] ?? 0))) / Math.hypot(...wide);
  };
  expect(await error(2 ** 8)).toBeLessThan(0.05);
  expect(await error(1)).toBeGreaterThan(0.2);
});

inHalf('says what to do where f16 is too narrow', async () => {
  const { skeleton, ...rest } = DATASET;
  const data = skeleton?.data.map((value) => 1e6 * value) ?? new Float32Array();
  const dataset = { ...rest, ...(skeleton && { skeleton: { ...skeleton, data } }) };
  const { splits } = dataset;
  const made = new Trainer(device, tinyNetwork(device, 'skeleton'), dataset, splits.train, OPTIONS);
  await expect(made.epoch()).rejects.toThrow('lower the learning rate, or train in f32');
});

inHalf('free training keeps its perturbation within ε where gradients are no numbers', async () => {
  const made = trainer({ method: freeTraining({ epsilons }), lossScaling: { initial: 2 ** 24 } });
  await made.epoch();
  const kept = [...made.namedState()].filter(([name]) => name.startsWith('perturbation'));
  expect(kept.length).toBe(2);
  const all = (await Promise.all(kept.map(([, tensor]) => values(tensor)))).flat();
  expect(all.every((value) => Math.abs(value) <= Math.fround(0.1))).toBe(true);
});

test('refuses another precision, and f16 on a device without it', async () => {
  const other = { precision: 'f64' as 'f32' };
  expect(() => trainer(other)).toThrow(new ShapeError('train', 'precision must be f32 or f16; got f64'));
  const adapter = (await (await nullGpu()).requestAdapter()) as GPUAdapter;
  const plain = new Device(await adapter.requestDevice(), true, false, adapter);
  const make = () => new Trainer(plain, tinyNetwork(plain, 'amr'), DATASET, DATASET.splits.train, OPTIONS);
  const refusal = "f16 needs the feature 'shader-f16', which this device lacks; use f32";
  expect(make).toThrow(new DeviceError('train', refusal));
  plain.dispose();
});
