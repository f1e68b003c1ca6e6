import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FeatureInteraction } from '../../src/amr/fim.ts';
import { MultimodalTransfer } from '../../src/amr/mmtm.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import type { Module } from '../../src/nn/module.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { linearNamed, readWeights } from '../nn/reference.ts';
import { expectClose, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { randomise } from './chain.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

describe('exchange between two maps', () => {
  const rgb = () => device.tensor(numbers(3 * 5, 1), [1, 3, 5]);
  const skeleton = () => device.tensor(numbers(2 * 3, 2), [1, 2, 1, 3]);
  const mean = (rows: readonly number[], channels: number) =>
    Array.from({ length: channels }, (_, c) => {
      const own = rows.filter((_, i) => i % channels === c);
      return own.reduce((a, b) => a + b, 0) / own.length;
    });
  const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));

  async function check(
    stage: Module & { forward(r: Tensor, s: Tensor): { rgb: Tensor; skeleton: Tensor } },
    [squeezing, rgbGate, skeletonGate]: readonly [string, string, string],
    joint: (z: number) => number,
    factor: (z: number) => number,
  ): Promise<void> {
    randomise(stage.namedParameters(), 30);
    const weights = await readWeights(stage);
    const [r, s] = [await values(rgb()), await values(skeleton())];
    const z = linearNamed([...mean(r, 5), ...mean(s, 3)], weights, squeezing).map(joint);
    const [gr, gs] = [linearNamed(z, weights, rgbGate), linearNamed(z, weights, skeletonGate)];
    const out = stage.forward(rgb(), skeleton());
    await expectClose(
      out.rgb,
      r.map((value, i) => value * factor(gr[i % 5] ?? 0)),
      1e-5,
    );
    await expectClose(
      out.skeleton,
      s.map((value, i) => value * factor(gs[i % 3] ?? 0)),
      1e-5,
    );
    expect([out.rgb.shape, out.skeleton.shape]).toEqual([rgb().shape, skeleton().shape]);
  }

  const channels = { rgb: 5, skeleton: 3 };
  const MMTM = ['fc_squeeze', 'fc_visual', 'fc_skeleton'] as const;
  const positive = (z: number) => Math.max(z, 0);

  test('MMTM is its formula, of the code and of the paper', async () => {
    const made = (version: 'code' | 'paper') =>
      new MultimodalTransfer(new Initialiser(device, 1), channels, { version });
    await check(made('code'), MMTM, positive, sigmoid);
    await check(
      made('paper'),
      MMTM,
      (z) => z,
      (z) => 2 * sigmoid(z),
    );
  });

  test('MMTM has the published widths', () => {
    const made = new MultimodalTransfer(new Initialiser(device, 1), { rgb: 512, skeleton: 128 });
    expect(made.fc_squeeze.weight.shape).toEqual([640, 320]);
    expect(made.fc_visual.weight.shape).toEqual([320, 512]);
    expect(made.fc_skeleton.weight.shape).toEqual([320, 128]);
  });

  test('FIM is its formula', async () => {
    const made = new FeatureInteraction(new Initialiser(device, 1), channels);
    await check(made, ['joint', 'rgbGate', 'skeletonGate'], positive, (z) => 1 + Math.tanh(z));
  });
});
