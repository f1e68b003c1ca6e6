import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { InflatedResNet, inflateWeights } from '../../src/models/inflated-resnet.ts';
import { ResNet } from '../../src/models/resnet.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import type { Device } from '../../src/tensor/device.ts';
import { expectClose, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { atFullWidth, input, inputGradientHolds, isReproducible, learns, stageShapes } from './network.ts';
import { settle } from './settle.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

describe('ResNet', () => {
  test.each([
    [18, 11_689_512],
    [34, 21_797_672],
    [50, 25_557_032],
  ] as const)('ResNet-%i has the %i parameters of torchvision at 1000 classes', async (depth, expected) => {
    const { count } = await atFullWidth((init) => new ResNet(init, { depth, classes: 1000 }));
    expect(count).toBe(expected);
  });

  test('children have the names of torchvision', async () => {
    const { names } = await atFullWidth((init) => new ResNet(init, { depth: 50, classes: 10, width: 4 }));
    const of = (module: string) => names.filter((name) => name.startsWith(`${module}.`)).length;
    for (const conv of ['conv1', 'layer1.0.conv1', 'layer1.0.downsample.0', 'layer3.5.conv3'])
      expect([conv, of(conv)]).toEqual([conv, 1]);
    for (const norm of ['bn1', 'layer1.0.bn3', 'layer1.0.downsample.1', 'layer4.2.bn2'])
      expect([norm, of(norm)]).toEqual([norm, 4]);
    expect(of('fc')).toBe(2);
    expect(of('layer1.1.downsample')).toBe(0);
    // 53 convolutions, as many norms of four tensors each, and the head.
    expect(names.length).toBe(53 + 53 * 4 + 2);
  });

  const tiny = (depth: 18 | 34 | 50, seed = 1) => {
    const made = new ResNet(new Initialiser(device, seed), { depth, classes: 3, width: 2 });
    settle(made, 20);
    return made;
  };

  test.each([
    [18, [2, 4, 8, 16]],
    [50, [8, 16, 32, 64]],
  ] as const)('ResNet-%i: a quarter of the size, then half of it three times', (depth, channels) => {
    const shapes = stageShapes(tiny(depth), input(device, [1, 64, 32, 3], 1));
    expect(shapes).toEqual(
      [
        [16, 8],
        [8, 4],
        [4, 2],
        [2, 1],
      ].map((size, i) => [1, ...size, channels[i]]),
    );
  });

  test('the published size: 224² → 56² → 28² → 14² → 7²', () => {
    const shapes = stageShapes(tiny(18), input(device, [1, 224, 224, 3], 1));
    expect(shapes.map((shape) => shape.slice(1, 3))).toEqual([56, 28, 14, 7].map((size) => [size, size]));
  });

  test('learns, and its input gradient is the difference quotient', async () => {
    const x = input(device, [4, 32, 32, 3], 2);
    await inputGradientHolds(tiny(18), x);
    await inputGradientHolds(tiny(50), x, { probes: 4 });
    await learns(tiny(18), x);
    await isReproducible((seed) => tiny(18, seed), x);
  });

  test.each([34, 50] as const)('ResNet-%i learns', async (depth) => {
    await learns(tiny(depth), input(device, [4, 32, 32, 3], 2), { steps: 40, learningRate: 0.01 });
  });

  test('without classes it is a backbone, and says so when asked for logits', () => {
    const net = new ResNet(new Initialiser(device, 1), { width: 2 });
    const x = input(device, [1, 32, 32, 3], 1);
    expect(net.features(x, EVALUATION).shape).toEqual([1, 1, 1, 16]);
    expect(() => net.forward(x, EVALUATION)).toThrow(ShapeError);
  });
});

describe('InflatedResNet', () => {
  const tiny = () => new InflatedResNet(new Initialiser(device, 1), { classes: 3, width: 2 });

  test('has the parameters of ResNet-50 with the 3×3 filters three times', async () => {
    // Σ blocks · 9 · planes², which the inflation adds twice.
    const square = 9 * (3 * 64 ** 2 + 4 * 128 ** 2 + 6 * 256 ** 2 + 3 * 512 ** 2);
    const { count, names } = await atFullWidth((init) => new InflatedResNet(init, { classes: 1000 }));
    expect(count).toBe(25_557_032 + 2 * square);
    const flat = await atFullWidth((init) => new ResNet(init, { depth: 50, classes: 1000 }));
    expect(names).toEqual(flat.names);
  });

  test('halves space like ResNet and never time; the channels are those MMTM asks for', async () => {
    const net = tiny();
    settle(net, 30);
    const x = input(device, [2, 3, 32, 32, 3], 1);
    expect(stageShapes(net, x)).toEqual([
      [2, 3, 8, 8, 8],
      [2, 3, 4, 4, 16],
      [2, 3, 2, 2, 32],
      [2, 3, 1, 1, 64],
    ]);
    await inputGradientHolds(net, x, { probes: 4 });
    await learns(tiny(), x);
    const full = [1, 2, 4, 8].map((times) => times * 256);
    expect(full.slice(1)).toEqual([512, 1024, 2048]);
    expect(net.channels.map((channels) => channels * 32)).toEqual(full);
  });

  test('inflated by the centre it is the image network frame by frame', async () => {
    const image = new ResNet(new Initialiser(device, 5), { depth: 50, classes: 3, width: 2 });
    settle(image, 40);
    const clip = tiny();
    const own = clip.namedState();
    for (const [name, tensor] of image.namedState()) {
      const target = own.get(name);
      if (!target) throw new Error(name);
      const frames = target.size / tensor.size;
      device.write(target, inflateWeights(Float32Array.from(await values(tensor)), frames));
    }
    const x = input(device, [2, 32, 32, 3], 3);
    const frames = image.features(x, EVALUATION);
    const together = clip.features(
      device.tensor(Float32Array.from(await values(x)), [1, 2, 32, 32, 3]),
      EVALUATION,
    );
    await expectClose(together, await values(frames), 1e-4);
  });

  test('a repeated filter is divided by the frames', () => {
    expect([...inflateWeights(Float32Array.of(3, 6), 3, 'mean')]).toEqual([1, 2, 1, 2, 1, 2]);
    expect([...inflateWeights(Float32Array.of(3, 6), 3)]).toEqual([0, 0, 3, 6, 0, 0]);
  });
});
