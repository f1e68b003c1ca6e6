import { type ActionNetwork, SingleStreamNetwork } from '../../src/amr/action-network.ts';
import { amr } from '../../src/amr/amr.ts';
import { TwoStreamNetwork } from '../../src/amr/two-stream.ts';
import type { ActionDataset } from '../../src/data/dataset.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import type { Device } from '../../src/tensor/device.ts';
import {
  fastTraining,
  freeTraining,
  martTraining,
  naturalTraining,
  pgdTraining,
  type TrainingMethod,
  tradesTraining,
} from '../../src/train/methods.ts';
import type { TrainMetrics, TrainOptions } from '../../src/train/train-options.ts';
import type { Trainer } from '../../src/train/trainer.ts';
import { Chain } from '../amr/chain.ts';
import { random } from '../ops/nd.ts';

/** Clips of two frames of 4×4 grey pixels, skeletons of two frames of three joints. */
export const VIDEO_SHAPE: [number, number, number, number] = [2, 4, 4, 1];
export const SKELETON_SHAPE: [number, number, 3] = [2, 3, 3];

/** `samples` clips in two classes, told apart by brightness and by where the joints are, with noise. */
export function tinyDataset(samples: number): ActionDataset {
  const next = random(11);
  const labels = Int32Array.from({ length: samples }, (_, i) => i % 2);
  const classOf = (flat: number, size: number) => labels[Math.floor(flat / size)] ?? 0;
  const video = Uint8Array.from({ length: samples * 32 }, (_, k) => 70 + 90 * classOf(k, 32) + 50 * next());
  const skeleton = Float32Array.from({ length: samples * 18 }, (_, k) => classOf(k, 18) - 0.5 + 0.8 * next());
  return {
    name: 'tiny',
    title: 'Tiny',
    classes: ['dark', 'bright'],
    labels,
    subjects: Array.from(labels, () => 'anyone'),
    samples,
    video: { data: video, shape: VIDEO_SHAPE, kind: 'depth' },
    skeleton: { data: skeleton, shape: SKELETON_SHAPE, joints: ['a', 'b', 'c'], parents: [-1, 0, 1] },
    splits: { train: Array.from(labels.keys()), validation: [], test: [] },
  };
}

/** Training on that data which learns. */
export const TINY_OPTIONS: TrainOptions = {
  epochs: 3,
  batchSize: 8,
  learningRate: 0.03,
  weightDecay: 0.01,
  clip: 5,
  labelSmoothing: 0,
  auxiliaryWeight: 1,
  augmentation: { turn: 0.1, scale: 0.1, crop: 0.2, shift: 1, brightness: 0.1 },
  seed: 3,
};

const epsilons = { rgb: 0.1, skeleton: 0.1 };
export const METHODS: readonly (readonly [string, TrainingMethod])[] = [
  ['natural', naturalTraining()],
  ['pgd', pgdTraining({ epsilons, steps: 2 })],
  ['trades', tradesTraining({ epsilons, steps: 2 })],
  ['mart', martTraining({ epsilons, steps: 2 })],
  ['free', freeTraining({ epsilons, replays: 2 })],
  ['fast', fastTraining({ epsilons })],
];

/** What so many epochs gave. */
export async function trained(made: Trainer, epochs: number): Promise<TrainMetrics[]> {
  const found: TrainMetrics[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) found.push(await made.epoch());
  return found;
}

/** A network of two stages a stream, with dropout. */
export function tinyNetwork(device: Device, kind: 'skeleton' | 'amr', seed = 1): ActionNetwork {
  const init = new Initialiser(device, seed);
  const options = { classes: 2, dropout: 0.1 };
  if (kind === 'skeleton')
    return new SingleStreamNetwork(init, 'skeleton', new Chain(init, 3, [4, 4]), options);
  const backbones = [new Chain(init, 1, [4, 4]), new Chain(init, 3, [4, 4])] as const;
  return new TwoStreamNetwork(init, ...backbones, { ...options, fusion: amr() });
}
