import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ActionOutput, SingleStreamNetwork } from '../../src/amr/action-network.ts';
import { amr } from '../../src/amr/amr.ts';
import type { Fusion } from '../../src/amr/fusion.ts';
import { type ConcatHead, concatenation } from '../../src/amr/heads.ts';
import { actionLoss } from '../../src/amr/loss.ts';
import { TwoStreamNetwork, type TwoStreamOptions } from '../../src/amr/two-stream.ts';
import { checkGradients } from '../../src/autograd/check.ts';
import { ShapeError } from '../../src/errors.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { linear } from '../nn/reference.ts';
import { allBits, bits, expectClose, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { Chain, randomise } from './chain.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const N = 2;
const CLASSES = 3;

function twoStream(options: Partial<TwoStreamOptions> = {}, seed = 1): TwoStreamNetwork {
  const init = new Initialiser(device, seed);
  const backbones = [new Chain(init, 3, [4, 5, 6, 7]), new Chain(init, 3, [3, 4, 5, 6])] as const;
  return new TwoStreamNetwork(init, ...backbones, { classes: CLASSES, ...options });
}

function inputs() {
  return {
    rgb: device.tensor(numbers(N * 2 * 2 * 3 * 3, 1), [N, 2, 2, 3, 3]),
    skeleton: device.tensor(numbers(N * 4 * 2 * 3, 2), [N, 4, 2, 3]),
  };
}

const logits = (network: TwoStreamNetwork) => network.forward(inputs(), EVALUATION).logits;

describe('TwoStreamNetwork', () => {
  test('a fresh AMR plugged into a trained network changes no logit, bit for bit', async () => {
    const [plain, plugged] = [twoStream(), twoStream({ fusion: amr() })];
    randomise(plain.namedParameters(), 50);
    for (const [name, tensor] of plain.namedParameters()) {
      const own = plugged.namedParameters().get(name) as Tensor;
      device.write(own, Float32Array.from(await values(tensor)));
    }
    const shared = [...plugged.namedParameters()].filter(([name]) => !name.startsWith('fusion.'));
    expect(await allBits(new Map(shared))).toEqual(await allBits(plain.namedParameters()));
    expect(await bits(logits(plugged))).toEqual(await bits(logits(plain)));
    randomise(plugged.fusion[0]?.namedParameters() as never, 60);
    expect(await bits(logits(plugged))).not.toEqual(await bits(logits(plain)));
  });

  test('reweights after stages 2, 3 and 4, with two auxiliary heads each', () => {
    const out = twoStream({ fusion: amr() }).forward(inputs(), EVALUATION);
    expect(out.logits.shape).toEqual([N, CLASSES]);
    expect(out.auxiliary.map(({ shape }) => shape)).toEqual(new Array(6).fill([N, CLASSES]));
    expect(out.weights.map(({ shape }) => shape)).toEqual(new Array(3).fill([N, 2]));
  });

  test('without AMR, or with its weights off, there are none to show', () => {
    const plain = twoStream().forward(inputs(), EVALUATION);
    expect([plain.auxiliary, plain.weights]).toEqual([[], []]);
    const gated = twoStream({ fusion: amr({ weights: false }) }).forward(inputs(), EVALUATION);
    expect([gated.auxiliary.length, gated.weights.length]).toEqual([6, 0]);
  });

  test('both reweighted maps go on into their backbones and into the head', async () => {
    const network = twoStream({ fusion: amr() });
    randomise(network.namedParameters(), 70);
    let { rgb, skeleton } = inputs();
    for (const [i, stage] of network.rgb.stages.entries()) {
      rgb = stage.forward(rgb, EVALUATION);
      skeleton = (network.skeleton.stages[i] as (typeof network.skeleton.stages)[0]).forward(
        skeleton,
        EVALUATION,
      );
      const fusion = network.fusion[i - 1];
      if (fusion) ({ rgb, skeleton } = fusion.forward(rgb, skeleton, EVALUATION));
    }
    const mean = async (map: Tensor) => {
      const [data, channels] = [await values(map), map.shape.at(-1) ?? 1];
      const positions = data.length / N / channels;
      return Array.from({ length: N }, (_, n) =>
        Array.from({ length: channels }, (_, c) =>
          Array.from({ length: positions }, (_, p) => data[(n * positions + p) * channels + c] ?? 0).reduce(
            (a, b) => a + b / positions,
            0,
          ),
        ),
      );
    };
    const [r, s] = [await mean(rgb), await mean(skeleton)];
    const { linear: head } = network.head as ConcatHead;
    const [w, b] = [await values(head.weight), await values(head.bias as Tensor)];
    const expected = r.flatMap((features, n) => linear([...features, ...(s[n] ?? [])], w, b));
    await expectClose(logits(network), expected);
  });

  test('the gradient of the fused loss reaches both inputs through AMR', async () => {
    const network = twoStream({ fusion: amr() });
    const outer = [...network.namedParameters()].filter(([name]) => /^(fusion|head)/.test(name));
    randomise(new Map(outer), 80);
    const { rgb, skeleton } = inputs();
    const labels = device.tensor(Int32Array.of(0, 2));
    const loss = () => crossEntropy(network.forward({ rgb, skeleton }, EVALUATION).logits, labels);
    expect(await checkGradients(loss, [rgb, skeleton], { probes: 6 })).toBeLessThan(2e-2);
  });

  test('drops features in training only, by the seed of the mode', async () => {
    const network = twoStream({ dropout: 0.5 });
    const run = (training: boolean, seed: number) =>
      bits(network.forward(inputs(), { training, seed }).logits);
    expect(await run(false, 1)).toEqual(await run(false, 2));
    expect(await run(true, 1)).toEqual(await run(true, 1));
    expect(await run(true, 1)).not.toEqual(await run(true, 2));
  });

  test('a missing modality is a ShapeError that names it', () => {
    const { rgb, skeleton } = inputs();
    const network = twoStream();
    expect(() => network.forward({ rgb }, EVALUATION)).toThrow(ShapeError);
    expect(() => network.forward({ rgb }, EVALUATION)).toThrow('needs the skeleton input; got rgb');
    expect(() => network.forward({ skeleton }, EVALUATION)).toThrow('needs the rgb input; got skeleton');
  });

  test('AMR joins the last stages of backbones of different depth; concatenation does not mind', () => {
    const init = new Initialiser(device, 1);
    const make = (fusion: Fusion, rgb: readonly number[], skeleton: readonly number[]) => () =>
      new TwoStreamNetwork(init, new Chain(init, 3, rgb), new Chain(init, 3, skeleton), {
        classes: 2,
        fusion,
      });
    expect(make(amr(), [4, 4], [4, 4, 4])().fusion).toHaveLength(1);
    const joined = make(amr(), [4, 4, 4], [4, 4])();
    expect(joined.forward(inputs(), EVALUATION).weights).toHaveLength(1);
    const plain = make(concatenation(), [4, 4, 4], [4, 4])();
    expect(plain.forward(inputs(), EVALUATION).logits.shape).toEqual([N, 2]);
  });
});

test('SingleStreamNetwork classifies its own modality', async () => {
  const init = new Initialiser(device, 1);
  const network = new SingleStreamNetwork(init, 'skeleton', new Chain(init, 3, [4]), { classes: CLASSES });
  expect(network.modalities).toEqual(['skeleton']);
  const { skeleton, rgb } = inputs();
  const out = network.forward({ skeleton }, EVALUATION);
  expect([out.logits.shape, out.auxiliary, out.weights]).toEqual([[N, CLASSES], [], []]);
  expect(await bits(out.logits)).toEqual(await bits(network.classifier.forward(skeleton, EVALUATION)));
  expect(() => network.forward({ rgb }, EVALUATION)).toThrow('needs the skeleton input; got rgb');
});

describe('actionLoss', () => {
  const ROWS = [numbers(6, 1), numbers(6, 2), numbers(6, 3)].map((row) => row.map((value) => value * 3));
  const LABELS = [2, 0];

  /** Mean cross-entropy of two rows, smoothed. */
  function reference(data: Float32Array, smoothing: number): number {
    const losses = LABELS.map((label, n) => {
      const row = [...data.subarray(n * 3, n * 3 + 3)];
      const total = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
      return row.reduce((sum, value, c) => {
        const target = (c === label ? 1 - smoothing : 0) + smoothing / 3;
        return sum + target * (total - value);
      }, 0);
    });
    return ((losses[0] ?? 0) + (losses[1] ?? 0)) / 2;
  }

  test.each([
    { auxiliaryWeight: 1, labelSmoothing: 0 },
    { auxiliaryWeight: 0.3, labelSmoothing: 0.1 },
    { auxiliaryWeight: 0, labelSmoothing: 0.1 },
  ])('is CE + λ mean of the auxiliary CE: %o', async (options) => {
    const [fused, ...auxiliary] = ROWS.map((row) => device.tensor(row, [2, 3]));
    const output: ActionOutput = { logits: fused as Tensor, auxiliary, weights: [] };
    const [ce, first, second] = ROWS.map((row) => reference(row, options.labelSmoothing));
    const expected = (ce ?? 0) + (options.auxiliaryWeight * ((first ?? 0) + (second ?? 0))) / 2;
    const labels = device.tensor(Int32Array.from(LABELS));
    expect(await actionLoss(output, labels, options).item()).toBeCloseTo(expected, 5);
    const alone = actionLoss({ ...output, auxiliary: [] }, labels, options);
    expect(await alone.item()).toBeCloseTo(ce ?? 0, 5);
  });
});
