import { buildNetwork } from '../experiments/networks.ts';
import {
  type ActionNetwork,
  type Device,
  evaluateClean,
  pgdTraining,
  Trainer,
  type TrainMetrics,
  type TrainOptions,
} from '../src/index.ts';
import type { PairedDataset } from './data.ts';
import type { EpochMetrics, StepMetrics } from './protocol.ts';
import type { DemoSize } from './sizes.ts';

export interface TrainingChoice {
  readonly how: 'natural' | 'adversarial';
  readonly learningRate: number;
}

/** What has been trained so far; `at` counts epochs. */
export interface History {
  readonly steps: StepMetrics[];
  readonly validation: EpochMetrics[];
  samplesPerSecond: number;
}

/** How far a training has come. */
export interface Progress {
  readonly history: History;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
}

/** Told while training goes on. */
export interface TrainingEvents {
  onStep(metrics: StepMetrics): void;
  onEpoch(metrics: EpochMetrics): void;
  onDone(): void;
  onError(error: unknown): void;
}

/** Thrown inside the loop to leave it. */
class Stopped extends Error {}

/** A fresh two-stream network and its training, which can be paused and stopped between steps. */
export class Training implements Progress {
  readonly network: ActionNetwork;
  readonly history: History = { steps: [], validation: [], samplesPerSecond: 0 };
  readonly #device: Device;
  readonly #dataset: PairedDataset;
  readonly #size: DemoSize;
  readonly #events: TrainingEvents;
  readonly #trainer: Trainer;
  #running: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #paused = false;
  #stopped = false;
  #lastStep = 0;
  #secondsPerSample = 0;

  constructor(
    device: Device,
    dataset: PairedDataset,
    size: DemoSize,
    choice: TrainingChoice,
    events: TrainingEvents,
  ) {
    this.#device = device;
    this.#dataset = dataset;
    this.#size = size;
    this.#events = events;
    this.network = buildNetwork(device, 'amr', dataset, size.network, 1);
    this.#trainer = new Trainer(device, this.network, dataset, dataset.splits.train, optionsOf(size, choice));
  }

  get epochs(): number {
    return this.#size.epochs;
  }

  get stepsPerEpoch(): number {
    return Math.ceil(this.#dataset.splits.train.length / this.#size.batchSize);
  }

  /** Begins, or goes on after a pause. */
  run(): void {
    this.#paused = false;
    this.#lastStep = performance.now();
    this.#wake?.();
    this.#running ??= this.#loop();
  }

  pause(): void {
    this.#paused = true;
  }

  /** Leaves the loop for good; resolves when it has been left. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake?.();
    await this.#running;
  }

  /** Frees the network; only when the loop does not run. */
  dispose(): void {
    this.#trainer.dispose();
    this.network.dispose();
  }

  async #loop(): Promise<void> {
    try {
      await this.#trainer.warm();
      await this.#gate();
      for (let epoch = 0; epoch < this.epochs; epoch++) {
        await this.#trainer.epoch((metrics) => this.#afterStep(metrics));
        this.#events.onEpoch(await this.#validate());
      }
      this.#events.onDone();
    } catch (error) {
      if (!(error instanceof Stopped)) this.#events.onError(error);
    }
  }

  async #afterStep({ loss, accuracy, samples }: TrainMetrics): Promise<void> {
    const seconds = (performance.now() - this.#lastStep) / 1000;
    this.#secondsPerSample +=
      (seconds / samples - this.#secondsPerSample) / Math.min(this.history.steps.length + 1, 10);
    this.history.samplesPerSecond = 1 / this.#secondsPerSample;
    const metrics = { at: (this.history.steps.length + 1) / this.stepsPerEpoch, loss, accuracy };
    this.history.steps.push(metrics);
    this.#events.onStep(metrics);
    await this.#gate();
  }

  /** Waits while training is paused. */
  async #gate(): Promise<void> {
    while (this.#paused && !this.#stopped) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#stopped) throw new Stopped();
    this.#lastStep = performance.now();
  }

  async #validate(): Promise<EpochMetrics> {
    const { batchSize } = this.#size;
    const indices = this.#dataset.splits.validation;
    const onBatch = () => this.#gate();
    const options = { batchSize, onBatch };
    const { correct } = await evaluateClean(this.#device, this.network, this.#dataset, indices, options);
    const accuracy = correct.filter((right) => right).length / indices.length;
    const metrics = { at: this.#trainer.epochs, accuracy };
    this.history.validation.push(metrics);
    return metrics;
  }
}

function optionsOf(size: DemoSize, { how, learningRate }: TrainingChoice): TrainOptions {
  const attack = {
    epsilons: { rgb: 8 / 255, skeleton: 0.02 },
    steps: size.attackSteps,
    relativeStep: 2 / (size.attackSteps + 1),
    randomStart: true,
  };
  return {
    epochs: size.epochs,
    batchSize: size.batchSize,
    learningRate,
    weightDecay: 0.02,
    clip: 1,
    labelSmoothing: 0.05,
    auxiliaryWeight: 1,
    augmentation: { turn: 0.2, scale: 0.1, crop: 0.1, shift: 1, brightness: 0.1 },
    method: how === 'adversarial' ? pgdTraining(attack) : undefined,
    seed: 1,
  };
}
