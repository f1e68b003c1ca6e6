import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkGradients } from '../../src/autograd/check.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { Classifier } from '../../src/models/classifier.ts';
import { VideoResNet, type VideoResNetSize } from '../../src/models/video-resnet.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectClose, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { settle } from './settle.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const WIDTHS = [3, 4, 4, 6] as const;

function clips(shape: readonly number[], seed: number): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return device.tensor(
    numbers(size, seed).map((value) => (value + 1) / 2),
    shape,
  );
}

describe.each([
  { kind: 'r3d', in: 3 },
  { kind: 'r3d', in: 1 },
  { kind: 'r2plus1d', in: 3 },
  { kind: 'r2plus1d', in: 1 },
] as const)('$kind with $in channels', ({ kind, in: channels }) => {
  const size: VideoResNetSize = { in: channels, widths: WIDTHS, kind };
  const made = () => {
    const net = new VideoResNet(new Initialiser(device, 6), size);
    settle(net, 60);
    return net;
  };
  const classifier = () => new Classifier(new Initialiser(device, 7), made(), { classes: 3 });

  test('each stage halves space, those after the first halve time', () => {
    const expected = [
      [2, 5, 8, 6, 3],
      [2, 3, 4, 3, 4],
      [2, 2, 2, 2, 4],
      [2, 1, 1, 1, 6],
    ];
    let x = clips([2, 5, 16, 12, channels], 1);
    const net = made();
    expect(net.channels).toEqual(WIDTHS);
    for (const [i, stage] of net.stages.entries()) {
      x = stage.forward(x, EVALUATION);
      expect(x.shape).toEqual(expected[i]);
    }
  });

  test('the number of parameters follows its formula', () => {
    const convolution = (from: number, to: number) => {
      if (kind === 'r3d') return 27 * from * to;
      const middle = Math.floor((27 * from * to) / (9 * from + 3 * to));
      return 9 * from * middle + 2 * middle + 3 * middle * to;
    };
    let expected = 9 * channels * WIDTHS[0] + 2 * WIDTHS[0];
    for (const [i, to] of WIDTHS.slice(1).entries()) {
      const from = WIDTHS[i] ?? 0;
      expected += convolution(from, to) + convolution(to, to) + from * to + 3 * 2 * to;
    }
    expect(made().parameterCount()).toBe(expected);
  });

  test('the gradient of the input is the difference quotient', async () => {
    const net = classifier();
    const x = clips([2, 3, 8, 8, channels], 2);
    const labels = device.tensor(Int32Array.of(0, 2));
    const worst = await checkGradients(() => crossEntropy(net.forward(x, EVALUATION), labels), [x], {
      step: 2e-3,
      tolerance: 3e-2,
      probes: 12,
    });
    expect(worst).toBeLessThan(3e-2);
  });

  test("a sample's logits do not depend on its batch", async () => {
    const net = classifier();
    const x = clips([2, 3, 8, 8, channels], 3);
    const together = await values(net.forward(x, EVALUATION));
    const data = Float32Array.from(await values(x));
    for (let i = 0; i < 2; i++) {
      const half = data.slice((i * data.length) / 2, ((i + 1) * data.length) / 2);
      const one = device.tensor(half, [1, ...x.shape.slice(1)]);
      await expectClose(net.forward(one, EVALUATION), together.slice(i * 3, i * 3 + 3), 1e-5);
    }
  });
});

test('what stands still cancels out: a brighter background changes no logit', async () => {
  const net = new VideoResNet(new Initialiser(device, 6), { in: 1, widths: WIDTHS, kind: 'r3d' });
  const data = numbers(4 * 8 * 8, 4).map((value) => Math.round(value * 32) / 64 + 0.5);
  const brighter = data.map((value, i) => value + ((i % 64) % 5) / 4);
  const features = (clip: Float32Array<ArrayBuffer>) =>
    net.features(device.tensor(clip, [1, 4, 8, 8, 1]), EVALUATION);
  await expectClose(features(brighter), await values(features(data)), 1e-6);
});

test('Classifier is a linear head on the averaged features', async () => {
  const net = new VideoResNet(new Initialiser(device, 6), { in: 1, widths: WIDTHS, kind: 'r3d' });
  const whole = new Classifier(new Initialiser(device, 7), net, { classes: 2 });
  const x = clips([1, 4, 32, 32, 1], 5);
  const features = net.features(x, EVALUATION);
  expect(features.shape).toEqual([1, 1, 2, 2, 6]);
  const [map, w] = [await values(features), await values(whole.head.weight)];
  const averaged = Array.from({ length: 6 }, (_, c) =>
    [0, 1, 2, 3].reduce((s, p) => s + (map[p * 6 + c] ?? 0) / 4, 0),
  );
  const expected = [0, 1].map((o) => averaged.reduce((s, value, c) => s + value * (w[c * 2 + o] ?? 0), 0));
  await expectClose(whole.forward(x, EVALUATION), expected, 1e-5);
  expect([...whole.namedParameters().keys()].filter((name) => name.startsWith('head'))).toEqual([
    'head.weight',
    'head.bias',
  ]);
});
