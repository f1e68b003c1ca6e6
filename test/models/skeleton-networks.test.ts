import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import type { Network } from '../../src/models/backbone.ts';
import { Hcn, type HcnOptions } from '../../src/models/hcn.ts';
import { NTU_PARENTS } from '../../src/models/skeleton-graph.ts';
import { StGcn18, type StGcn18Options } from '../../src/models/st-gcn-18.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectClose, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { atFullWidth, inputGradientHolds, isReproducible, learns, stageShapes } from './network.ts';
import { settle } from './settle.ts';
import { SMALL_PARENTS } from './trees.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const V = SMALL_PARENTS.length;

function skeletons(shape: readonly number[], seed = 1): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return device.tensor(numbers(size, seed), shape);
}

const settled = <T extends Network>(network: T): T => {
  settle(network, 20);
  return network;
};

describe('StGcn18', () => {
  const made = (options: StGcn18Options = {}, seed = 1) =>
    new StGcn18(new Initialiser(device, seed), {
      ...{ parents: SMALL_PARENTS, width: 2, classes: 3, dropout: 0, ...options },
    });

  test('has the 3,098,832 parameters of mmskeleton at 60 classes', async () => {
    const options = { classes: 60, partition: 'mmskeleton' } as const;
    const { count } = await atFullWidth((init) => new StGcn18(init, options));
    expect(count).toBe(3_098_832);
  });

  test('children have the names of mmskeleton', async () => {
    const { names } = await atFullWidth((init) => new StGcn18(init, { classes: 4, width: 4 }));
    const modules = [
      ...new Set(names.map((name) => name.replace(/\.(weight|bias|gamma|beta|mean|variance)$/, ''))),
    ];
    const blocks = Array.from({ length: 10 }, (_, i) => i);
    const tcn = (i: number) =>
      ['gcn.conv', 'tcn.0', 'tcn.2', 'tcn.3'].map((name) => `st_gcn_networks.${i}.${name}`);
    const strided = [4, 7].flatMap((i) => [0, 1].map((k) => `st_gcn_networks.${i}.residual.${k}`));
    const importance = blocks.map((i) => `edge_importance.${i}`);
    const expected = ['A', 'data_bn', ...blocks.flatMap(tcn), ...strided, ...importance, 'fcn'];
    expect(modules.sort()).toEqual(expected.sort());
  });

  test.each([
    ['uniform', 1],
    ['distance', 2],
    ['spatial', 3],
    ['mmskeleton', 3],
  ] as const)('partition %s has weights for %i kinds of neighbours', (partition, kinds) => {
    const net = made({ partition });
    expect(net.A.shape).toEqual([kinds, V, V]);
    expect(net.edge_importance.map(({ shape }) => shape)).toEqual(new Array(10).fill([kinds, V, V]));
    expect(net.st_gcn_networks[0]?.gcn.conv.weight.shape).toEqual([1, 1, 3, 2 * kinds]);
  });

  test('halves time in the fifth and eighth block', () => {
    const shapes = stageShapes(settled(made()), skeletons([1, 2, 10, V, 3]));
    const [frames, channels] = [
      [10, 10, 10, 10, 5, 5, 5, 3, 3, 3],
      [2, 2, 2, 2, 4, 4, 4, 8, 8, 8],
    ];
    expect(shapes).toEqual(frames.map((t, i) => [1, 2, t, V, channels[i]]));
  });

  test('the published size, 2 persons of 300 frames of 25 joints: 300 → 150 → 75', () => {
    const net = made({ parents: NTU_PARENTS });
    const shapes = stageShapes(net, skeletons([1, 2, 300, 25, 3]));
    expect(net.taps.map((tap) => shapes[tap])).toEqual([
      [1, 2, 300, 25, 2],
      [1, 2, 150, 25, 4],
      [1, 2, 75, 25, 8],
    ]);
  });

  test('a graph convolution sends over edges what each partition makes of a joint, its bias too', async () => {
    const net = settled(made({ partition: 'spatial' }));
    const { gcn } = net.st_gcn_networks[0] as (typeof net.st_gcn_networks)[0];
    const [x, A, w, b] = [
      numbers(V * 3, 5),
      await values(net.A),
      await values(gcn.conv.weight),
      await values(gcn.conv.bias as Tensor),
    ];
    const expected = Array.from({ length: V * 2 }, (_, i) => {
      const [v, c] = [Math.floor(i / 2), i % 2];
      let total = 0;
      for (let k = 0; k < 3; k++) {
        for (let u = 0; u < V; u++) {
          const o = k * 2 + c;
          const sent = [0, 1, 2].reduce((s, a) => s + (x[u * 3 + a] ?? 0) * (w[a * 6 + o] ?? 0), b[o] ?? 0);
          total += (A[(k * V + u) * V + v] ?? 0) * sent;
        }
      }
      return total;
    });
    await expectClose(gcn.forward(device.tensor(x, [1, 1, V, 3]), net.A), expected, 1e-5);
  });

  test('persons are averaged: two of the same are as one', async () => {
    const net = settled(made());
    const one = numbers(6 * V * 3, 4);
    const alone = await values(net.forward(device.tensor(one, [1, 6, V, 3]), EVALUATION));
    const both = device.tensor(Float32Array.of(...one, ...one), [1, 2, 6, V, 3]);
    await expectClose(net.forward(both, EVALUATION), alone, 1e-5);
  });

  test('learns, and its input gradient is the difference quotient', async () => {
    const x = skeletons([4, 2, 8, V, 3]);
    await inputGradientHolds(settled(made({ width: 4 })), x, { probes: 4, step: 8e-3 });
    await learns(made(), x);
    await isReproducible((seed) => settled(made({}, seed)), x);
    expect(() => made().forward(skeletons([1, 8, 4, 3]), EVALUATION)).toThrow(ShapeError);
  });
});

describe('Hcn', () => {
  const made = (options: HcnOptions = {}, seed = 1) =>
    new Hcn(new Initialiser(device, seed), {
      ...{ width: 4, frames: 16, joints: 5, classes: 3, dropout: 0, ...options },
    });

  test('has the 2,647,868 parameters of HCN-pytorch at 60 classes, and its names', async () => {
    const { count, names } = await atFullWidth((init) => new Hcn(init, { classes: 60 }));
    expect(count).toBe(2_647_868);
    const stream = (m: string) => [`conv1${m}.0`, `conv2${m}`, `conv3${m}.0`, `conv4${m}.0`];
    const layers = [...stream(''), ...stream('m'), 'conv5.0', 'conv6.0', 'fc7.0', 'fc8'];
    expect(names).toEqual(layers.flatMap((layer) => [`${layer}.weight`, `${layer}.bias`]));
  });

  test('joints become channels; persons meet at fc7; conv5, conv6 and fc7 have the channels of MMTM', () => {
    const net = made();
    expect(stageShapes(net, skeletons([2, 2, 16, 5, 3]))).toEqual([
      [2, 2, 4, 4, 8],
      [2, 2, 2, 2, 8],
      [2, 2, 1, 1, 16],
      [2, 32],
    ]);
    expect(net.taps.map((tap) => (net.channels[tap] ?? 0) * 16)).toEqual([128, 256, 512]);
  });

  test('the published size: 2 persons of 64 frames of 25 joints', () => {
    const net = made({ frames: 64, joints: 25 });
    const shapes = stageShapes(net, skeletons([1, 2, 64, 25, 3]));
    expect(shapes.map((shape) => shape.slice(2, 4))).toEqual([[16, 16], [8, 8], [4, 4], []]);
  });

  test('the maximum over persons: their order and a copy of one change nothing', async () => {
    const net = settled(made());
    const [a, b] = [numbers(16 * 5 * 3, 1), numbers(16 * 5 * 3, 2)];
    const logits = (...persons: readonly Float32Array[]) =>
      net.forward(
        device.tensor(Float32Array.from(persons.flatMap((p) => [...p])), [1, persons.length, 16, 5, 3]),
        EVALUATION,
      );
    const expected = await values(logits(a, b));
    await expectClose(logits(b, a), expected, 1e-6);
    await expectClose(logits(a, b, a), expected, 1e-6);
    await expectClose(logits(a), await values(logits(a, a)), 1e-6);
  });

  test('fc7 reads its map in the order of PyTorch: channels, rows, columns', async () => {
    const net = made({ frames: 32, width: 2, joints: 3 });
    const [stage] = net.stages.slice(-1);
    const map = numbers(2 * 2 * 8, 3);
    const w = await values(net.namedParameters().get('fc7.0.weight') as Tensor);
    const expected = Array.from({ length: 16 }, (_, o) => {
      let total = 0;
      for (let p = 0; p < 4; p++)
        for (let c = 0; c < 8; c++) total += (map[p * 8 + c] ?? 0) * (w[(c * 4 + p) * 16 + o] ?? 0);
      return Math.max(total, 0);
    });
    const y = stage?.forward(device.tensor(map, [1, 1, 2, 2, 8]), EVALUATION) as Tensor;
    await expectClose(y, expected, 1e-5);
  });

  test('learns, and its input gradient is the difference quotient', async () => {
    const x = skeletons([4, 2, 16, 5, 3]);
    await inputGradientHolds(settled(made()), x, { probes: 4 });
    await learns(made(), x);
    await isReproducible((seed) => settled(made({}, seed)), x);
    const dropping = made({ dropout: 0.5 });
    const draw = async (seed: number) => values(dropping.forward(x, { training: true, seed }));
    expect(await draw(1)).not.toEqual(await draw(2));
    expect(() => made({ frames: 20 })).toThrow('multiple of 16');
    expect(() => made().forward(skeletons([1, 32, 5, 3]), EVALUATION)).toThrow('needs 16 frames; got 32');
  });
});
