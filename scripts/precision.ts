// Time and memory of a training step of a video network with activations in f32 and in f16: npx tsx scripts/precision.ts
import Table from 'cli-table3';
import { Command } from 'commander';
import { SingleStreamNetwork } from '../src/amr/action-network.ts';
import { NO_AUGMENTATION } from '../src/data/augment.ts';
import type { ActionDataset } from '../src/data/dataset.ts';
import { VideoResNet } from '../src/models/video-resnet.ts';
import { Initialiser } from '../src/nn/initialisers.ts';
import { type AdapterKind, openGpu } from '../src/node/gpu.ts';
import { type Device, openDevice } from '../src/tensor/device.ts';
import { bytesOf, type FloatType, sizeOf } from '../src/tensor/shape.ts';
import { Trainer } from '../src/train/trainer.ts';

const CLIP = [8, 32, 32, 3] as const;
const STEPS = 3;

export interface PrecisionSize {
  /** Channels of the stem. */
  readonly width: number;
  readonly batch: number;
  /** Epochs of three steps that are timed. */
  readonly rounds: number;
}

/** What a training step costs. */
export interface PrecisionLine {
  readonly precision: FloatType;
  /** Of the fastest epoch, a step. */
  readonly milliseconds: number;
  /** What the captured step owns: activations, gradients, cast weights. */
  readonly bytes: number;
}

/** Clips of noise: time and memory do not depend on what is in them. */
function noise(batch: number): ActionDataset {
  const samples = batch * STEPS;
  const data = Uint8Array.from({ length: samples * sizeOf(CLIP) }, (_, i) => (i * 2_654_435_761) >>> 24);
  const indices = Array.from({ length: samples }, (_, i) => i);
  return {
    ...{ name: 'noise', title: 'Noise', classes: ['a', 'b'], samples },
    labels: Int32Array.from(indices, (i) => i % 2),
    subjects: indices.map(() => 'none'),
    video: { data, shape: [...CLIP], kind: 'rgb' },
    splits: { train: indices, validation: [], test: [] },
  };
}

function trainerOf(device: Device, precision: FloatType, { width, batch }: PrecisionSize): Trainer {
  const init = new Initialiser(device, 1);
  const backbone = VideoResNet.published(init, 'r3d', { width });
  const network = new SingleStreamNetwork(init, 'rgb', backbone, { classes: 2 });
  const dataset = noise(batch);
  const loss = { labelSmoothing: 0, auxiliaryWeight: 0, augmentation: NO_AUGMENTATION };
  const options = { epochs: 100, batchSize: batch, learningRate: 1e-3, weightDecay: 0, seed: 1, precision };
  return new Trainer(device, network, dataset, dataset.splits.train, { ...options, ...loss });
}

/** A trainer whose step is captured, and the bytes that the step owns. */
async function captured(device: Device, precision: FloatType, size: PrecisionSize) {
  const before = device.memory().live;
  const trainer = trainerOf(device, precision, size);
  await trainer.epoch();
  const tensors = [...trainer.namedState().values()];
  const state = tensors.reduce((all, tensor) => all + bytesOf(tensor.size, tensor.dtype), 0);
  return { precision, trainer, bytes: device.memory().live - before - state, times: [] as number[] };
}

/** R3D-18 in f32 and in f16, in turns, so that what else the machine does meets both. */
export async function measurePrecision(device: Device, size: PrecisionSize): Promise<PrecisionLine[]> {
  const made = [await captured(device, 'f32', size), await captured(device, 'f16', size)];
  for (let round = 0; round < size.rounds; round++)
    for (const { trainer, times } of made) {
      const start = performance.now();
      await trainer.epoch();
      times.push((performance.now() - start) / STEPS);
    }
  for (const { trainer } of made) {
    trainer.dispose();
    trainer.network.dispose();
  }
  return made.map(({ precision, bytes, times }) => ({ precision, bytes, milliseconds: Math.min(...times) }));
}

async function main(): Promise<void> {
  const options = new Command('npx tsx scripts/precision.ts')
    .description('Time and memory of a training step of R3D-18 in f32 and in f16.')
    .option('--adapter <name>', 'auto, gpu, lavapipe or swiftshader', 'auto')
    .parse()
    .opts<{ adapter: AdapterKind }>();
  const device = await openDevice(await openGpu(options));
  const size = { width: 16, batch: 16, rounds: 5 };
  const table = new Table({ head: ['precision', 'ms / step', 'MB of the step'] });
  for (const { precision, milliseconds, bytes } of await measurePrecision(device, size))
    table.push([precision, milliseconds.toFixed(1), (bytes / 1e6).toFixed(1)]);
  console.log(`R3D-18, width 16, 16 clips [${CLIP}], ${device.traits.description}\n${table}`);
  device.dispose();
}

if (process.argv[1]?.endsWith('precision.ts')) await main();
