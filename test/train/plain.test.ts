import { afterAll, beforeAll, expect, test } from 'vitest';
import { pgdAttack } from '../../src/attacks/first-order.ts';
import { NO_AUGMENTATION } from '../../src/data/augment.ts';
import type { Device } from '../../src/tensor/device.ts';
import { attackNetwork } from '../../src/train/attack-network.ts';
import { evaluateAttack, evaluateClean } from '../../src/train/evaluate.ts';
import {
  fastTraining,
  freeTraining,
  martTraining,
  pgdTraining,
  tradesTraining,
} from '../../src/train/methods.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { openTestDevice } from '../open.ts';
import { expectRefusals, type Refusal } from '../plain.ts';
import { TINY_OPTIONS, tinyDataset, tinyNetwork } from './tiny.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const DATASET = tinyDataset(8);
const SAMPLES = DATASET.splits.train;
const OPTIONS = { ...TINY_OPTIONS, augmentation: NO_AUGMENTATION };
const ATTACK = { epsilons: { skeleton: 0.1 }, steps: 1, relativeStep: 1, randomStart: false, seed: 1 };

/** A network of one input, as `CifarResNet` is. */
const PUBLISHED = { forward: () => undefined, namedParameters: () => new Map() };

/** What all that take a device, a network and samples say of others. */
function subjects(op: string, ...rest: readonly unknown[]): Refusal[] {
  const network = tinyNetwork(device, 'skeleton');
  const says = (what: string) => new RegExp(`${op}: needs ${what}; got`);
  return [
    [[], says('a device')],
    [[null, network, DATASET, SAMPLES, ...rest], says('a device')],
    [[device, {}, DATASET, SAMPLES, ...rest], says('a network')],
    [
      [device, PUBLISHED, DATASET, SAMPLES, ...rest],
      says('a network of modalities; wrap it in NetworkStream'),
    ],
    [[device, network, null, SAMPLES, ...rest], says('a data set')],
    [[device, network, {}, SAMPLES, ...rest], says('a data set')],
    [[device, network, DATASET, 3, ...rest], says('the indices of samples, a list')],
    [[device, network, DATASET, SAMPLES, ...rest.slice(0, -1)], /needs options .*; got undefined/],
    [[device, network, DATASET, SAMPLES, ...rest.slice(0, -1), null], /needs options .*; got null/],
  ];
}

test('plain JavaScript that trains', async () => {
  const make = (...args: readonly unknown[]) => Reflect.construct(Trainer, args);
  const wrong = (options: object) => [
    ...[device, tinyNetwork(device, 'skeleton'), DATASET, SAMPLES],
    { ...OPTIONS, ...options },
  ];
  await expectRefusals(make, [
    ...subjects('Trainer', OPTIONS),
    [wrong({ method: 'pgd' }), /Trainer: needs a method such as pgdTraining makes; got the text "pgd"/],
    [
      wrong({ augmentation: undefined }),
      /Trainer: needs augmentation, such as NO_AUGMENTATION; got undefined/,
    ],
    [wrong({ seed: '1' }), /Trainer: needs seed, a whole number; got the text "1"/],
    [wrong({ precison: 'f16' }), /Trainer: options have no 'precison'; 'precision' is meant/],
    [wrong({ method: pgdTraining({} as never) }), /attackNetwork: needs epsilons by modality; got undefined/],
    [wrong({ method: freeTraining({} as never) }), /freeTraining: needs epsilons by modality; got undefined/],
  ]);
});

test('options that serve other functions too are taken', () => {
  const sizes = { ...OPTIONS, attackSteps: 2, epsilons: { skeleton: 0.1 } };
  const trainer = new Trainer(device, tinyNetwork(device, 'skeleton'), DATASET, SAMPLES, sizes);
  expect(trainer.epochs).toBe(0);
  trainer.dispose();
});

test.each([
  ['pgdTraining', pgdTraining],
  ['fastTraining', fastTraining],
  ['freeTraining', freeTraining],
  ['tradesTraining', tradesTraining],
  ['martTraining', martTraining],
])('plain JavaScript that makes a method: %s', async (op, make) => {
  await expectRefusals(make, [
    [[], new RegExp(`${op}: needs options.*; got undefined`)],
    [[null], new RegExp(`${op}: needs options.*; got null`)],
    ...(op === 'pgdTraining' ? [] : [[[{ epsilon: {} }], /'epsilons' is meant/] as const]),
  ]);
});

test('plain JavaScript that measures', async () => {
  const sized = { batchSize: 4 };
  await expectRefusals(evaluateClean, subjects('evaluateClean', sized));
  const all = [device, tinyNetwork(device, 'skeleton'), DATASET, SAMPLES];
  await expectRefusals(evaluateAttack, [
    ...subjects('evaluateAttack', ATTACK, sized),
    [[...all, null, sized], /attackNetwork: needs options .*; got null/],
    [
      [...all, pgdAttack({ budgets: { skeleton: { epsilon: 0.1 } } }), sized],
      /attackNetwork: takes \{ epsilons, steps, .*, seed \}, not a recipe; attack and attackModel take those/,
    ],
    [[...all, {}, sized], /attackNetwork: needs epsilons by modality; got undefined/],
    [
      [...all, { ...ATTACK, adaptve: 1 }, sized],
      /attackNetwork: options have no 'adaptve'; 'adaptive' is meant/,
    ],
    [[...all, ATTACK, { batchsize: 4 }], /evaluateAttack: options have no 'batchsize'; 'batchSize' is meant/],
  ]);
  await expectRefusals(attackNetwork, [
    [[], /attackNetwork: needs options; got undefined/],
    [[PUBLISHED, {}, null, ATTACK], /attackNetwork: needs a network of modalities; wrap it in NetworkStream/],
  ]);
});
