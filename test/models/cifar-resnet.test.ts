import { afterAll, beforeAll, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { CifarBlock, CifarResNet } from '../../src/models/cifar-resnet.ts';
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

const small = { depth: 8, width: 4, classes: 3 };
const make = (seed: number) => new CifarResNet(new Initialiser(device, seed), small);

test.each([
  [20, 269_722],
  [32, 464_154],
  [44, 658_586],
  [56, 853_018],
  [110, 1_727_962],
])('ResNet-%i has %i parameters', async (depth, expected) => {
  const { count } = await atFullWidth((init) => new CifarResNet(init, { depth }));
  expect(count).toBe(expected);
});

test('its state_dict has the 97 tensors of the published one, in its order, and the counters of newer files', () => {
  const names = new CifarResNet(new Initialiser(device, 1), { width: 2 })
    .torchState()
    .map(({ name }) => name);
  const tensors = names.filter((name) => !name.endsWith('num_batches_tracked'));
  expect(tensors).toHaveLength(97);
  expect(names).toHaveLength(97 + 19);
  const norm = (name: string) =>
    ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'].map((one) => `${name}.${one}`);
  expect(names.slice(0, 13)).toEqual([
    'conv1.weight',
    ...norm('bn1'),
    'layer1.0.conv1.weight',
    ...norm('layer1.0.bn1'),
    'layer1.0.conv2.weight',
  ]);
  expect(names.slice(-2)).toEqual(['linear.weight', 'linear.bias']);
  expect(names).toContain('layer3.2.bn2.running_var');
});

test('each stage but the first halves the size and doubles the channels', () => {
  const shapes = stageShapes(make(1), input(device, [2, 12, 10, 3], 1));
  expect(shapes).toEqual([
    [2, 12, 10, 4],
    [2, 6, 5, 8],
    [2, 3, 3, 16],
  ]);
  expect(make(1).forward(input(device, [2, 12, 10, 3], 1), EVALUATION).shape).toEqual([2, 3]);
});

test('a shortcut takes every other pixel and puts as many zero channels on both sides', async () => {
  const block = new CifarBlock(new Initialiser(device, 1), 2, 4);
  // With nothing in the main path, what is left is the shortcut.
  device.write(block.bn2.gamma, new Float32Array(4));
  const x = input(device, [1, 3, 3, 2], 4);
  const from = await values(x);
  const kept = [0, 2, 6, 8].flatMap((pixel) => [0, from[2 * pixel] ?? 0, from[2 * pixel + 1] ?? 0, 0]);
  await expectClose(block.forward(x, EVALUATION), kept, 1e-7);
});

test('images are normalised inside by the mean and deviation of ImageNet', async () => {
  const mean = device.tensor(
    Float32Array.from({ length: 48 }, (_, i) => [0.485, 0.456, 0.406][i % 3] ?? 0),
    [1, 4, 4, 3],
  );
  const [first] = make(2).stages;
  expect(await values((first as NonNullable<typeof first>).forward(mean, EVALUATION))).toEqual(
    new Array(64).fill(0),
  );
});

test('the gradient of the input is the difference quotient', async () => {
  const net = make(3);
  settle(net, 30);
  await inputGradientHolds(net, input(device, [2, 8, 8, 3], 5));
});

test('learns two images by heart', () => learns(make(4), input(device, [2, 8, 8, 3], 6)));

test('one seed gives one network, two give two', () => isReproducible(make, input(device, [1, 8, 8, 3], 7)));

test.each([
  [{ depth: 21 }, 'depth must be 6n + 2; got 21'],
  [{ depth: 2 }, 'depth must be 6n + 2; got 2'],
  [{ width: 3 }, 'width must be even; got 3'],
])('%o is refused', (options, message) => {
  const refused = () => new CifarResNet(new Initialiser(device, 1), options);
  expect(refused).toThrow(ShapeError);
  expect(refused).toThrow(message);
});
