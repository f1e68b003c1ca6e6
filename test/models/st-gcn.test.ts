import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkGradients } from '../../src/autograd/check.ts';
import { ShapeError } from '../../src/errors.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { Classifier } from '../../src/models/classifier.ts';
import { type SkeletonStream, StGcn, type StGcnSize } from '../../src/models/st-gcn.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import type { Device } from '../../src/tensor/device.ts';
import { bits, expectClose, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { settle } from './settle.ts';
import { NTU_PARENTS, SMALL_PARENTS } from './trees.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const V = SMALL_PARENTS.length;
const TINY: StGcnSize = {
  parents: SMALL_PARENTS,
  streams: ['position', 'motion', 'bone'],
  widths: [4, 4, 6],
  strides: [1, 1, 2],
  temporalKernel: 3,
};

function backbone(options: Partial<StGcnSize> = {}): StGcn {
  const made = new StGcn(new Initialiser(device, 4), { ...TINY, ...options });
  settle(made, 40);
  return made;
}

function classifier(options: Partial<StGcnSize> = {}): Classifier {
  const made = new Classifier(new Initialiser(device, 5), backbone(options), { classes: 3 });
  return made;
}

describe('shapes', () => {
  test.each([
    [
      [1, 1, 2],
      [8, 8, 4],
    ],
    [
      [2, 1, 2],
      [4, 4, 2],
    ],
    [
      [2, 2, 2],
      [4, 2, 1],
    ],
  ])('stages of strides %o leave %o of 8 frames', (strides, frames) => {
    const net = backbone({ strides });
    let x = device.tensor(numbers(2 * 8 * V * 3, 1), [2, 8, V, 3]);
    for (const [i, stage] of net.stages.entries()) {
      x = stage.forward(x, EVALUATION);
      expect(x.shape).toEqual([2, frames[i], V, net.channels[i]]);
    }
  });

  test('25 joints and one stream; odd numbers of frames are rounded up', () => {
    const net = backbone({ parents: NTU_PARENTS, streams: ['position'], strides: [2, 2, 2] });
    const x = device.tensor(numbers(7 * 25 * 3, 1), [1, 7, 25, 3]);
    expect(net.features(x, EVALUATION).shape).toEqual([1, 1, 25, 6]);
  });

  test('strides and widths of different lengths are a ShapeError', () => {
    expect(() => backbone({ strides: [1, 2] })).toThrow(ShapeError);
    expect(() => backbone({ strides: [1, 2] })).toThrow('3 widths and 2 strides');
  });
});

test.each([
  { streams: ['position'], widths: [4, 4, 6], strides: [1, 1, 2] },
  { streams: ['position', 'motion', 'bone'], widths: [5, 3, 3], strides: [2, 2, 1] },
] as const)('the number of parameters follows its formula: %o', ({ streams, widths, strides }) => {
  let from = streams.length * 3;
  let expected = 2 * V * from;
  for (const [i, to] of widths.entries()) {
    expected += 3 * from * to + to + 3 * V * V + 2 * to + 3 * to * to + 2 * to;
    if (i > 0 && (from !== to || strides[i] !== 1)) expected += from * to + 2 * to;
    from = to;
  }
  expect(backbone({ streams, widths, strides }).parameterCount()).toBe(expected);
});

test('the gradient of the input is the difference quotient', async () => {
  const net = classifier();
  const x = device.tensor(numbers(2 * 4 * V * 3, 2), [2, 4, V, 3]);
  const labels = device.tensor(Int32Array.of(0, 2));
  const worst = await checkGradients(() => crossEntropy(net.forward(x, EVALUATION), labels), [x], {
    step: 1e-3,
    tolerance: 3e-2,
    probes: 24,
  });
  expect(worst).toBeLessThan(3e-2);
});

test("a sample's logits do not depend on its batch", async () => {
  const net = classifier();
  const data = numbers(3 * 4 * V * 3, 3);
  const together = await values(net.forward(device.tensor(data, [3, 4, V, 3]), EVALUATION));
  for (let i = 0; i < 3; i++) {
    const one = device.tensor(data.slice(i * 4 * V * 3, (i + 1) * 4 * V * 3), [1, 4, V, 3]);
    await expectClose(net.forward(one, EVALUATION), together.slice(i * 3, i * 3 + 3), 1e-5);
  }
});

describe('invariance', () => {
  /** Multiples of 1/64, which sums and differences of f32 keep exactly. */
  const grid = (seed: number) => numbers(4 * V * 3, seed).map((value) => Math.round(value * 64) / 64);
  const logits = (data: Float32Array<ArrayBuffer>, streams: readonly SkeletonStream[]) =>
    bits(classifier({ streams }).forward(device.tensor(data, [1, 4, V, 3]), EVALUATION));
  const ALL = TINY.streams;

  test('moving a skeleton in the room changes no logit, bit for bit', async () => {
    const data = grid(1);
    const moved = data.map((value, i) => value + ([3, -1.5, 4.25][i % 3] ?? 0));
    expect(await logits(moved, ALL)).toEqual(await logits(data, ALL));
    expect(await logits(grid(2), ALL)).not.toEqual(await logits(data, ALL));
  });

  test('bones do not see where each frame is, motion does not see a standing pose', async () => {
    const data = grid(1);
    const drifting = data.map((value, i) => value + Math.floor(i / (V * 3)));
    expect(await logits(drifting, ['bone'])).toEqual(await logits(data, ['bone']));
    expect(await logits(drifting, ['position'])).not.toEqual(await logits(data, ['position']));
    const standing = (seed: number) => grid(seed).map((_, i, all) => all[i % (V * 3)] ?? 0);
    expect(await logits(standing(1), ['motion'])).toEqual(await logits(standing(2), ['motion']));
    expect(await logits(standing(1), ['bone'])).not.toEqual(await logits(standing(2), ['bone']));
  });
});
