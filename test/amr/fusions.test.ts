import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { amr } from '../../src/amr/amr.ts';
import { FeatureMemory } from '../../src/amr/feature-memory.ts';
import { fim } from '../../src/amr/fim.ts';
import type { Fusion } from '../../src/amr/fusion.ts';
import { concatenation, type GatedHead, gated, late } from '../../src/amr/heads.ts';
import { actionLoss } from '../../src/amr/loss.ts';
import { cosineSimilarity, type SimMinHead, simMin } from '../../src/amr/sim-min.ts';
import { twoStream } from '../../src/amr/two-stream.ts';
import { grad } from '../../src/autograd/grad.ts';
import { ShapeError } from '../../src/errors.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { type Backbone, Network } from '../../src/models/backbone.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Linear } from '../../src/nn/layers.ts';
import { EVALUATION, type Layer } from '../../src/nn/module.ts';
import { AdamW } from '../../src/nn/optimisers.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { attackNetwork } from '../../src/train/attack-network.ts';
import { bits, expectClose, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { Chain, randomise } from './chain.ts';
import { FUSIONS } from './every-fusion.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const N = 2;
const CLASSES = 3;

/** A chain with a head of its own. */
class Headed extends Network {
  readonly chain: Chain;
  readonly fc: Linear;
  constructor(seed: number, channels: number, widths: readonly number[]) {
    super();
    const init = new Initialiser(device, seed);
    this.chain = new Chain(init, channels, widths);
    this.fc = new Linear(init, { in: widths.at(-1) ?? 0, out: CLASSES });
  }
  get stages(): readonly Layer[] {
    return this.chain.stages;
  }
  get channels(): readonly number[] {
    return this.chain.channels;
  }
  get head(): Linear {
    return this.fc;
  }
}

function inputs() {
  return {
    rgb: device.tensor(numbers(N * 2 * 2 * 3 * 3, 1), [N, 2, 2, 3, 3]),
    skeleton: device.tensor(numbers(N * 4 * 2 * 3, 2), [N, 4, 2, 3]),
  };
}

const labels = () => device.tensor(Int32Array.of(0, 2));
const chain = (widths: readonly number[], seed: number): Backbone =>
  new Chain(new Initialiser(device, seed), 3, widths);

function network(fusion: Fusion, own = false) {
  const [r, s] = [
    [4, 5, 6],
    [3, 4, 6],
  ] as const;
  const rgb = own ? new Headed(3, 3, r) : chain(r, 3);
  const skeleton = own ? new Headed(4, 3, s) : chain(s, 4);
  return twoStream({ rgb, skeleton, classes: CLASSES, fusion });
}

/** As if trained: random numbers everywhere but in the fusion. */
function trained(fusion: Fusion, own: boolean) {
  const net = network(fusion, own);
  randomise(net.rgb.namedParameters(), 50);
  randomise(net.skeleton.namedParameters(), 90);
  randomise(net.head.namedParameters(), 130);
  return net;
}

describe.each(Object.entries(FUSIONS))('%s', (name, fusion) => {
  test('trains and is attacked through both inputs', async () => {
    const net = network(fusion(), name === 'late');
    const { rgb, skeleton } = inputs();
    const loss = (training: boolean) => () => {
      const out = net.forward({ rgb, skeleton }, { training, seed: 1 });
      return actionLoss(out, labels(), { auxiliaryWeight: 1, labelSmoothing: 0 });
    };
    expect(net.forward({ rgb, skeleton }, EVALUATION).logits.shape).toEqual([N, CLASSES]);
    for (const slope of grad(loss(false), [rgb, skeleton]))
      expect(Math.max(...(await values(slope)).map(Math.abs))).toBeGreaterThan(1e-5);
    const optimiser = new AdamW(net.namedParameters(), { weightDecay: 0 });
    const before = await loss(true)().item();
    for (let i = 0; i < 5; i++) device.scope(() => optimiser.step(grad(loss(true), net.parameters()), 0.04));
    expect(await loss(true)().item()).toBeLessThan(before - 0.1);
  });
});

describe('plugged into two trained networks', () => {
  test.each([
    ['AMR into late fusion of networks with heads of their own', late(), amr({ head: 'late' }), true],
    ['AMR into concatenation', concatenation(), amr(), false],
    ['AMR without weights', concatenation(), amr({ weights: false }), false],
    ['FIM into late fusion', late(), fim({ head: 'late' }), true],
  ])('%s changes no logit, bit for bit, until it is trained', async (_, plain, plugged, own) => {
    const expected = await bits(trained(plain, own).forward(inputs(), EVALUATION).logits);
    const net = trained(plugged, own);
    expect(await bits(net.forward(inputs(), EVALUATION).logits)).toEqual(expected);
    for (const stage of net.fusion) randomise(stage.namedParameters(), 200);
    expect(await bits(net.forward(inputs(), EVALUATION).logits)).not.toEqual(expected);
  });

  test('late fusion is the mean of what both networks say alone', async () => {
    const net = trained(late(), true);
    const { rgb, skeleton } = inputs();
    const [r, s] = [net.rgb as Headed, net.skeleton as Headed];
    const [a, b] = [await values(r.forward(rgb, EVALUATION)), await values(s.forward(skeleton, EVALUATION))];
    await expectClose(
      net.forward(inputs(), EVALUATION).logits,
      a.map((value, i) => (value + (b[i] ?? 0)) / 2),
      1e-6,
    );
    expect(net.head.parameterCount()).toBe(0);
  });
});

test('gated: the gates scale the features of their stream', async () => {
  const net = network(gated());
  const plain = network(concatenation());
  const head = net.head as GatedHead;
  await expectClose(
    net.forward(inputs(), EVALUATION).logits,
    await values(plain.forward(inputs(), EVALUATION).logits),
    1e-6,
  );
  device.write(head.rgbGate, Float32Array.of(-100));
  const gone = { ...inputs(), rgb: device.tensor(new Float32Array(N * 36), [N, 2, 2, 3, 3]) };
  await expectClose(
    net.forward(inputs(), EVALUATION).logits,
    await values(net.forward(gone, EVALUATION).logits),
    1e-7,
  );
});

describe('SimMin', () => {
  test('the cosine is that of the formula, and of a zero vector 0 with a finite gradient', async () => {
    const [a, b] = [numbers(8, 1), numbers(8, 2)];
    a.set([0, 0, 0, 0], 4);
    const expected = [0, 1].map((n) => {
      const [x, y] = [a.subarray(n * 4, n * 4 + 4), b.subarray(n * 4, n * 4 + 4)];
      const dot = x.reduce((total, value, i) => total + value * (y[i] ?? 0), 0);
      return n === 1 ? 0 : dot / (Math.hypot(...x) * Math.hypot(...y));
    });
    const [x, y] = [device.tensor(a, [2, 4]), device.tensor(b, [2, 4])];
    await expectClose(cosineSimilarity(x, y), expected, 1e-6);
    const [slope] = grad(() => sum(cosineSimilarity(x, y)), [x]);
    expect((await values(slope as Tensor)).every(Number.isFinite)).toBe(true);
  });

  test('training and the adaptive attack see the penalty, the plain attack does not', async () => {
    const net = network(simMin());
    const total = async (list: Tensor) => (await values(list)).reduce((a, b) => a + b, 0);
    const out = net.forward(inputs(), EVALUATION);
    const { penalty, ...plain } = out;
    const options = { auxiliaryWeight: 1, labelSmoothing: 0 };
    const [whole, own] = [actionLoss(out, labels(), options), actionLoss(plain, labels(), options)];
    expect((await whole.item()) - (await own.item())).toBeCloseTo((await total(penalty as Tensor)) / N, 5);
    for (const adaptive of [0, 1]) {
      const seen: Promise<void>[] = [];
      const attack = {
        epsilons: { rgb: 0.1 },
        steps: 1,
        relativeStep: 1,
        randomStart: false,
        seed: 1,
        adaptive,
      };
      attackNetwork(net, inputs(), labels(), attack, ({ value }) => {
        const { loss, losses, penalty: found } = value;
        const all = [loss, losses, found as Tensor].map((tensor) => tensor.read());
        seen.push(
          Promise.all(all).then(([l, ce, p]) => {
            const sumOf = (list: ArrayLike<number> | undefined) =>
              Array.from(list ?? []).reduce((a, b) => a + b, 0);
            expect(sumOf(l)).toBeCloseTo(sumOf(ce) + adaptive * sumOf(p), 4);
          }),
        );
      });
      await Promise.all(seen);
      expect(seen.length).toBeGreaterThan(0);
    }
  });

  test('streams of unequal width are brought to the narrower one', () => {
    const net = twoStream({
      rgb: chain([4, 7], 1),
      skeleton: chain([4, 5], 2),
      classes: 3,
      fusion: simMin(),
    });
    const head = net.head as SimMinHead;
    expect(head.rgbProject?.weight.shape).toEqual([7, 5]);
    expect(head.concat.linear.weight.shape).toEqual([10, 3]);
    expect(net.forward(inputs(), EVALUATION).penalty?.shape).toEqual([N]);
  });
});

describe('ExFMem', () => {
  test('put into a network it changes the logits, and a memory of zeros or of the wrong rank is refused', async () => {
    const net = network(simMin());
    const head = net.head as SimMinHead;
    const before = await bits(net.forward(inputs(), EVALUATION).logits);
    const features = head.project(net.features(inputs(), EVALUATION));
    head.remember({
      rgb: await FeatureMemory.of(features.rgb, { iterations: 10 }),
      skeleton: await FeatureMemory.of(features.skeleton, { iterations: 10 }),
    });
    expect(await bits(net.forward(inputs(), EVALUATION).logits)).not.toEqual(before);
    await expect(FeatureMemory.of(device.tensor(new Float32Array(6), [2, 3]))).rejects.toThrow(ShapeError);
    await expect(FeatureMemory.of(device.tensor(new Float32Array(6), [6]))).rejects.toThrow('[K, C]');
  });
});

describe('taps', () => {
  test('may be chosen, and join backbones of any depth', () => {
    const net = twoStream({
      ...{ rgb: chain([4, 5, 6, 7, 8], 1), skeleton: chain([3, 4], 2), classes: 2, fusion: amr() },
      taps: { rgb: [1, 4], skeleton: [0, 1] },
    });
    expect(net.fusion.length).toBe(2);
    expect(net.forward(inputs(), EVALUATION).weights.length).toBe(2);
  });

  test.each([
    { rgb: [1], skeleton: [0, 1] },
    { rgb: [1, 0], skeleton: [0, 1] },
    { rgb: [0, 5], skeleton: [0, 1] },
  ])('that do not fit are a ShapeError: %o', (taps) => {
    const made = () =>
      twoStream({ rgb: chain([4, 5, 6], 1), skeleton: chain([3, 4], 2), classes: 2, fusion: fim(), taps });
    expect(made).toThrow(ShapeError);
    expect(made).toThrow('ascending taps');
  });
});
