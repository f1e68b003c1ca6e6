import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { valueAndGrad } from '../../src/autograd/grad.ts';
import type { StoredTensor } from '../../src/formats/stored.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import type { Network } from '../../src/models/backbone.ts';
import { CifarResNet } from '../../src/models/cifar-resnet.ts';
import { CtrGcn } from '../../src/models/ctr-gcn.ts';
import { Hcn } from '../../src/models/hcn.ts';
import { ResNet } from '../../src/models/resnet.ts';
import { StGcn18 } from '../../src/models/st-gcn-18.ts';
import { TimeSformer } from '../../src/models/timesformer.ts';
import { VideoResNet } from '../../src/models/video-resnet.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { loadTorch } from '../../src/nn/load-torch.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

/**
 * What PyTorch 2.13 computes (torchvision 0.28, by pytorch-reference.py; the public code of HCN, ST-GCN, CTR-GCN and TimeSformer) with the weights
 * and the input of `fill`: the first 8 logits, and of the gradient of the cross-entropy of class 0 by the input its first 8
 * numbers and its norm, in our layout.
 */
interface Reference {
  readonly shape: readonly number[];
  readonly logits: readonly number[];
  readonly gradient: readonly number[];
  readonly gradientNorm: number;
}

const references: Readonly<Record<string, Reference>> = JSON.parse(
  readFileSync(new URL('pytorch.json', import.meta.url), 'utf8'),
);

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

/** The i-th of a sequence of numbers in [0, 1), the same in any language. */
function hashed(i: number, seed: number): number {
  let h = (Math.imul(i, 2654435761) + Math.imul(seed, 40503)) >>> 0;
  h = Math.imul(h ^ (h >>> 15), 2246822519) >>> 0;
  return ((h ^ (h >>> 13)) >>> 0) / 2 ** 32;
}

/** Numbers of a sane size for a tensor of PyTorch's, by its name and shape. */
function fill(name: string, shape: readonly number[], seed: number): StoredTensor {
  const size = shape.reduce((a, b) => a * b, 1);
  const bound = Math.sqrt(3 / shape.slice(1).reduce((a, b) => a * b, 1));
  const sized = (v: number) => {
    if (shape.length > 1) return (2 * v - 1) * bound;
    if (name.endsWith('running_var')) return 1 + v / 2;
    return name.endsWith('.weight') ? 0.9 + 0.2 * v : 0.2 * (v - 0.5);
  };
  const data = Float32Array.from({ length: size }, (_, i) => sized(hashed(i, seed)));
  return { dtype: 'F32', shape: [...shape], data };
}

async function fillAll(network: Network): Promise<void> {
  const entries = network.torchState().toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const state = new Map<string, StoredTensor>();
  for (const [i, entry] of entries.entries()) {
    if (!('shape' in entry)) continue;
    // The edges of ST-GCN are those of its graph.
    const data = entry.name === 'A' ? Float32Array.from(await (entry.parts[0] as Tensor).read()) : undefined;
    const stored = data && { dtype: 'F32' as const, shape: [...entry.shape], data };
    state.set(entry.name, stored ?? fill(entry.name, entry.shape, i + 1));
  }
  await loadTorch(network, state);
}

const MAKERS: Readonly<Record<string, (init: Initialiser) => Network>> = {
  resnet20: (init) => new CifarResNet(init),
  resnet18: (init) => new ResNet(init, { depth: 18, classes: 1000 }),
  resnet34: (init) => new ResNet(init, { depth: 34, classes: 1000 }),
  resnet50: (init) => new ResNet(init, { depth: 50, classes: 1000 }),
  r3d: (init) => VideoResNet.published(init, 'r3d', { classes: 400 }),
  mc3: (init) => VideoResNet.published(init, 'mc3', { classes: 400 }),
  r2plus1d: (init) => VideoResNet.published(init, 'r2plus1d', { classes: 400 }),
  hcn: (init) => new Hcn(init, { classes: 60 }),
  'st-gcn': (init) => new StGcn18(init, { classes: 60, partition: 'mmskeleton' }),
  'ctr-gcn': (init) => new CtrGcn(init, { classes: 60 }),
  timesformer: (init) =>
    new TimeSformer(init, { classes: 10, width: 32, heads: 4, depth: 2, image: 32, frames: 2 }),
};

test('every reference has its network', () => {
  expect(Object.keys(MAKERS).sort()).toEqual(Object.keys(references).sort());
});

test.each(Object.entries(MAKERS))(
  '%s gives the logits and input gradients of PyTorch',
  async (name, make) => {
    const { shape, logits, gradient, gradientNorm } = references[name] as Reference;
    const network = make(new Initialiser(device, 1));
    await fillAll(network);
    const size = shape.reduce((a, b) => a * b, 1);
    const x = device.tensor(
      Float32Array.from({ length: size }, (_, i) => hashed(i, 999)),
      shape,
    );
    const labels = device.tensor(Int32Array.of(0));
    const own = await network.forward(x, EVALUATION).read();
    const most = Math.max(...logits.map(Math.abs));
    for (const [i, value] of logits.entries())
      expect(Math.abs((own[i] ?? 0) - value)).toBeLessThan(2e-6 * most + 2e-6);
    const { grads } = valueAndGrad(() => crossEntropy(network.forward(x, EVALUATION), labels), [x]);
    const slope = await (grads[0] as Tensor).read();
    const norm = Math.hypot(...slope);
    expect(Math.abs(norm / gradientNorm - 1)).toBeLessThan(1e-3);
    for (const [i, value] of gradient.entries())
      expect(Math.abs((slope[i] ?? 0) - value)).toBeLessThan(1e-3 * gradientNorm);
    network.dispose();
  },
);
