import { afterAll, beforeAll, expect, test } from 'vitest';
import { NetworkStream } from '../../src/amr/network-stream.ts';
import { grad } from '../../src/autograd/grad.ts';
import { NO_AUGMENTATION } from '../../src/data/augment.ts';
import { datasetOf } from '../../src/data/dataset-of.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { CifarResNet } from '../../src/models/cifar-resnet.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import { saveTorch } from '../../src/nn/save-torch.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { evaluateAttack, evaluateClean } from '../../src/train/evaluate.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { allBits, bits, expectClose } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { random } from '../ops/nd.ts';
import { METHODS, TINY_OPTIONS } from './tiny.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const SIZE = { depth: 8, width: 4, classes: 2 } as const;
const network = () => new CifarResNet(new Initialiser(device, 1), SIZE);

/** Bright and dark images of 4×4 pixels with noise. */
function images(samples: number) {
  const next = random(5);
  const labels = Int32Array.from({ length: samples }, (_, i) => i % 2);
  const data = Uint8Array.from(
    { length: samples * 48 },
    (_, k) => 70 + 90 * (Math.floor(k / 48) % 2) + 50 * next(),
  );
  return datasetOf({ classes: ['dark', 'bright'], labels, images: { data, shape: [4, 4, 3] } });
}

test('logits are those of the network, and so are its weights under the names of PyTorch', async () => {
  const stream = new NetworkStream('rgb', network(), { images: true });
  const x = device.tensor(
    Float32Array.from({ length: 96 }, (_, i) => (i % 7) / 7),
    [2, 1, 4, 4, 3],
  );
  const { logits } = stream.forward({ rgb: x }, EVALUATION);
  const own = stream.network.forward(device.tensor(await x.read(), [2, 4, 4, 3]), EVALUATION);
  expect(await bits(logits)).toEqual(await bits(own));
  expect(stream.modalities).toEqual(['rgb']);
  const saved = await saveTorch(stream.network);
  expect(saved.byteLength).toBeGreaterThan(4 * stream.parameterCount());
});

test('pixels are normalised by channel before the network sees them, and the gradient goes through', async () => {
  const normalise = { mean: [0.1, 0.2, 0.3], deviation: [0.5, 0.25, 2] };
  const stream = new NetworkStream('rgb', network(), { images: true, normalise });
  const data = Float32Array.from({ length: 96 }, (_, i) => (i % 7) / 7);
  const x = device.tensor(data, [2, 1, 4, 4, 3]);
  const by = data.map((v, i) => (v - (normalise.mean[i % 3] ?? 0)) / (normalise.deviation[i % 3] ?? 1));
  const own = (input: Tensor) => stream.network.forward(input, EVALUATION);
  const normal = device.tensor(by, [2, 4, 4, 3]);
  const through = (input: Tensor) => stream.forward({ rgb: input }, EVALUATION).logits;
  await expectClose(through(x), await own(normal).read());
  const [outer] = grad(() => sum(through(x)), [x]);
  const [inner] = grad(() => sum(own(normal)), [normal]);
  const scaled = (await inner?.read())?.map((v, i) => v / (normalise.deviation[i % 3] ?? 1));
  await expectClose(outer as Tensor, scaled as Float32Array);
  const two = { mean: [0, 0], deviation: [1, 1] };
  expect(() =>
    new NetworkStream('rgb', network(), { images: true, normalise: two }).forward({ rgb: x }, EVALUATION),
  ).toThrow('NetworkStream: normalise needs 3 means and deviations; got 2 and 2');
});

test('clips of several frames are refused by a network for images, and a missing stream by all', () => {
  const stream = new NetworkStream('rgb', network(), { images: true });
  const clips = device.tensor(new Float32Array(192), [2, 2, 4, 4, 3]);
  expect(() => stream.forward({ rgb: clips }, EVALUATION)).toThrow(
    'NetworkStream: with images it takes [N, 1, H, W, C]; got [2, 2, 4, 4, 3]',
  );
  expect(() => stream.forward({}, EVALUATION)).toThrow('ActionNetwork: needs the rgb input; got none');
});

test.each(METHODS.filter(([name]) => name !== 'natural'))(
  '%s training of an image network learns and resists',
  async (_, method) => {
    const dataset = images(32);
    const stream = new NetworkStream('rgb', network(), { images: true });
    const before = await allBits(stream.namedParameters());
    const options = { ...TINY_OPTIONS, epochs: 4, augmentation: { ...NO_AUGMENTATION, flip: 0.5 }, method };
    const trainer = new Trainer(device, stream, dataset, dataset.splits.train, options);
    const losses: number[] = [];
    for (let epoch = 0; epoch < options.epochs; epoch++) losses.push((await trainer.epoch()).loss);
    expect(losses.at(-1)).toBeLessThan(losses[0] ?? 0);
    expect(await allBits(stream.namedParameters())).not.toEqual(before);
    const clean = await evaluateClean(device, stream, dataset, dataset.splits.train, { batchSize: 16 });
    expect(clean.correct.filter(Boolean).length).toBeGreaterThan(28);
    const attack = { epsilons: { rgb: 0.05 }, steps: 5, relativeStep: 0.25, randomStart: true, seed: 1 };
    const { robust } = await evaluateAttack(device, stream, dataset, dataset.splits.train, attack, {
      batchSize: 16,
    });
    expect(robust.filter(Boolean).length).toBeGreaterThan(24);
  },
);
