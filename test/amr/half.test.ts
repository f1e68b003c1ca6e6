import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ActionInputs, SingleStreamNetwork } from '../../src/amr/action-network.ts';
import { amr } from '../../src/amr/amr.ts';
import { FeatureMemory } from '../../src/amr/feature-memory.ts';
import type { Fusion } from '../../src/amr/fusion.ts';
import { concatenation } from '../../src/amr/heads.ts';
import { actionLoss } from '../../src/amr/loss.ts';
import { type SimMinHead, simMin } from '../../src/amr/sim-min.ts';
import { type TwoStreamNetwork, twoStream } from '../../src/amr/two-stream.ts';
import { DeviceError } from '../../src/errors.ts';
import { cast } from '../../src/kernels/elementwise.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { EVALUATION, type Mode } from '../../src/nn/module.ts';
import type { Device } from '../../src/tensor/device.ts';
import { holdsInHalf } from '../models/half.ts';
import { bits, numbers } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { Chain, randomise } from './chain.ts';
import { FUSIONS } from './every-fusion.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const N = 3;

function inputs() {
  return {
    rgb: device.tensor(numbers(N * 2 * 4 * 4 * 3, 1), [N, 2, 4, 4, 3]),
    skeleton: device.tensor(numbers(N * 4 * 5 * 3, 2), [N, 4, 5, 3]),
  };
}

/** As if trained: gates, scores and heads are not zero. */
function network(fusion: Fusion): TwoStreamNetwork {
  const chain = (seed: number, last: number) => new Chain(new Initialiser(device, seed), 3, [4, 5, last]);
  const net = twoStream({ rgb: chain(3, 8), skeleton: chain(4, 6), classes: 3, fusion });
  for (const [i, part] of [...net.fusion, net.head].entries()) randomise(part.namedParameters(), 50 * i + 50);
  return net;
}

function caseOf(net: TwoStreamNetwork | SingleStreamNetwork) {
  const labels = device.tensor(Int32Array.of(0, 2, 1));
  const forward = (given: ActionInputs, mode: Mode) => {
    const output = net.forward(given, mode);
    const tensors = [output.logits, ...output.auxiliary, ...output.weights, output.penalty ?? output.logits];
    expect(tensors.filter(({ dtype }) => dtype !== 'f32')).toEqual([]);
    const loss = actionLoss(output, labels, { auxiliaryWeight: 1, labelSmoothing: 0 });
    return { logits: output.logits, loss };
  };
  return { parameters: net.parameters(), inputs: inputs(), forward };
}

const ALL = { ...FUSIONS, 'amr without weights': () => amr({ weights: false }) };
test.each(Object.entries(ALL))('%s takes f16 inputs, and gives f32', async (_, fusion) => {
  await holdsInHalf(caseOf(network(fusion())), 0.05);
});

test('SimMin takes f16 inputs through a feature memory', async () => {
  const net = network(simMin());
  const head = net.head as SimMinHead;
  const { rgb, skeleton } = head.project(net.features(inputs(), EVALUATION));
  head.remember({ rgb: await FeatureMemory.of(rgb), skeleton: await FeatureMemory.of(skeleton) });
  await holdsInHalf(caseOf(net), 0.05);
});

test('a network of one stream takes f16 inputs', async () => {
  const init = new Initialiser(device, 1);
  const net = new SingleStreamNetwork(init, 'skeleton', new Chain(init, 3, [4, 8]), { classes: 3 });
  const { inputs: both, ...rest } = caseOf(net);
  await holdsInHalf({ ...rest, inputs: { skeleton: both.skeleton } }, 0.05);
});

test('a fresh AMR changes nothing of f16 inputs, bit for bit', async () => {
  const chain = (seed: number) => new Chain(new Initialiser(device, seed), 3, [4, 5, 6]);
  const backbones = { rgb: chain(3), skeleton: chain(4), classes: 3 };
  const features = (fusion: Fusion) => {
    const given = { rgb: cast(inputs().rgb, 'f16'), skeleton: cast(inputs().skeleton, 'f16') };
    return bits(twoStream({ ...backbones, fusion }).features(given, EVALUATION).rgb);
  };
  if (!device.traits.f16) return expect(async () => features(amr())).rejects.toThrow(DeviceError);
  expect(await features(amr())).toEqual(await features(concatenation()));
});
