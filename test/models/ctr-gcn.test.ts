import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import type { Network } from '../../src/models/backbone.ts';
import { CtrGcn, type CtrGcnOptions } from '../../src/models/ctr-gcn.ts';
import { NTU_PARENTS } from '../../src/models/skeleton-graph.ts';
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

describe('CtrGcn', () => {
  const made = (options: CtrGcnOptions = {}, seed = 1) =>
    new CtrGcn(new Initialiser(device, seed), {
      ...{ parents: SMALL_PARENTS, width: 4, classes: 3, persons: 2, ...options },
    });

  test('has the 1,446,672 parameters of the public code at 60 classes', async () => {
    const { count } = await atFullWidth((init) => new CtrGcn(init, { classes: 60 }));
    expect(count).toBe(1_446_672);
  });

  test('children have the names of the public code', async () => {
    const { names } = await atFullWidth((init) => new CtrGcn(init, { classes: 4, width: 8 }));
    const has = (name: string) => names.some((found) => found === name || found.startsWith(`${name}.`));
    const expected = [
      ...['data_bn', 'fc', 'l1.gcn1.PA', 'l1.gcn1.alpha', 'l1.gcn1.bn', 'l1.gcn1.down.0', 'l5.gcn1.down.1'],
      ...['l10.gcn1.convs.2.conv4', 'l2.tcn1.branches.0.3.conv', 'l2.tcn1.branches.1.3.bn'],
      ...['l2.tcn1.branches.2.4', 'l3.tcn1.branches.3.1', 'l5.residual.conv', 'l8.residual.bn'],
    ];
    expect(expected.filter((name) => !has(name))).toEqual([]);
    const absent = ['l1.residual', 'l2.residual', 'l2.gcn1.down', 'l2.tcn1.branches.2.3', 'l2.tcn1.residual'];
    expect(absent.filter(has)).toEqual([]);
    expect(names.filter((name) => name.startsWith('l4.')).length).toBe(
      // PA, α, 3 · 4 convolutions, a norm; 4 narrowing convolutions with norms, 2 over time with norms, a norm.
      2 + 24 + 4 + 4 * 6 + 2 * 6 + 4,
    );
  });

  test('halves time in the fifth and eighth unit', () => {
    const net = made();
    const shapes = stageShapes(net, skeletons([1, 2, 10, V, 3]));
    expect(net.taps.map((tap) => shapes[tap])).toEqual([
      [1, 2, 10, V, 4],
      [1, 2, 5, V, 8],
      [1, 2, 3, V, 16],
    ]);
  });

  test('the published size, 2 persons of 64 frames of 25 joints: 64 → 32 → 16', () => {
    const net = made({ parents: NTU_PARENTS });
    const shapes = stageShapes(net, skeletons([1, 2, 64, 25, 3]));
    expect(net.taps.map((tap) => shapes[tap]?.[2])).toEqual([64, 32, 16]);
  });

  test('refines a topology for each channel: y[u] = Σ_v (α ξ(tanh(φ[u] − ψ[v])) + A[u, v]) θ[v]', async () => {
    const net = made();
    const [topology] = net.l1.gcn1.convs;
    if (!topology) throw new Error('no partition');
    settle(topology, 7);
    const T = 2;
    const [x, A, alpha] = [numbers(T * V * 3, 1), numbers(V * V, 2), 0.7];
    const weights = await Promise.all(
      [topology.conv1, topology.conv2, topology.conv3, topology.conv4].map(async (conv) => ({
        w: await values(conv.weight),
        b: await values(conv.bias as Tensor),
      })),
    );
    const apply = (row: readonly number[], i: number) => {
      const { w, b } = weights[i] ?? { w: [], b: [] };
      return b.map((bias, o) => row.reduce((s, value, c) => s + value * (w[c * b.length + o] ?? 0), bias));
    };
    const at = (t: number, v: number) => [...x.subarray((t * V + v) * 3, (t * V + v) * 3 + 3)];
    const still = (v: number) => [0, 1, 2].map((c) => ((at(0, v)[c] ?? 0) + (at(1, v)[c] ?? 0)) / T);
    const expected: number[] = [];
    for (let t = 0; t < T; t++) {
      for (let u = 0; u < V; u++) {
        const y = new Array<number>(4).fill(0);
        for (let v = 0; v < V; v++) {
          const psi = apply(still(v), 1);
          const m = apply(still(u), 0).map((phi, r) => Math.tanh(phi - (psi[r] ?? 0)));
          const theta = apply(at(t, v), 2);
          apply(m, 3).forEach((xi, c) => {
            y[c] = (y[c] ?? 0) + (alpha * xi + (A[u * V + v] ?? 0)) * (theta[c] ?? 0);
          });
        }
        expected.push(...y);
      }
    }
    const input = device.tensor(x, [1, T, V, 3]);
    const mean = device.tensor(Float32Array.from(Array.from({ length: V }, (_, v) => still(v)).flat()), [
      1,
      1,
      V,
      3,
    ]);
    const y = topology.forward(
      input,
      mean,
      device.tensor(A, [1, V, V]),
      device.tensor(Float32Array.of(alpha)),
    );
    await expectClose(y, expected, 1e-5);
  });

  test('learns, and its input gradient is the difference quotient', async () => {
    const x = skeletons([4, 2, 8, V, 3]);
    await inputGradientHolds(settled(made()), x, { probes: 3 });
    await learns(made(), x, { steps: 6, learningRate: 0.05 });
    await isReproducible((seed) => settled(made({}, seed)), x);
    expect(() => made().forward(skeletons([1, 2, 8, 4, 3]), EVALUATION)).toThrow(ShapeError);
    expect(() => made().forward(skeletons([1, 8, V, 3]), EVALUATION)).toThrow(ShapeError);
  });
});
