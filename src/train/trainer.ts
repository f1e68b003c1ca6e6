import type { ActionNetwork } from '../amr/action-network.ts';
import { batches } from '../data/batches.ts';
import type { ActionDataset } from '../data/dataset.ts';
import { Rng } from '../data/rng.ts';
import { check, KernelwrightError } from '../errors.ts';
import { add, mul } from '../kernels/elementwise.ts';
import { sum } from '../kernels/reduce.ts';
import { GradientSum } from '../nn/gradient-sum.ts';
import { LossScaler } from '../nn/loss-scaler.ts';
import type { NamedTensors } from '../nn/module.ts';
import { AdamW } from '../nn/optimisers.ts';
import { cosine, type Schedule, warmUp } from '../nn/schedules.ts';
import { WeightAverage } from '../nn/weight-average.ts';
import type { Device } from '../tensor/device.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { NetworkAttacker } from './attack-network.ts';
import { type Batch, uploadBatch, type Variation } from './batch.ts';
import { checkSubjects } from './checks.ts';
import { FreePerturbation } from './free-perturbation.ts';
import { inPrecision } from './half-network.ts';
import { naturalTraining, type TrainingMethod } from './methods.ts';
import {
  checkOptions,
  checkTrainNames,
  lossScalingOf,
  summary,
  type TrainMetrics,
  type TrainOptions,
} from './train-options.ts';
import { type StepTensors, UpdateStep } from './update-step.ts';

/** A loss scale below this means that gradients are no numbers at any scale. */
const LEAST_SCALE = 2 ** -10;

/** Training of a network with AdamW, one epoch at a time, reproducible from its seed and resumable between epochs. */
export class Trainer {
  /** Epochs done; set when a checkpoint is loaded. */
  epochs = 0;
  readonly network: ActionNetwork;
  /** The average of the weights, with `averageDecay`. */
  readonly average: WeightAverage | undefined;
  readonly #device: Device;
  readonly #dataset: ActionDataset;
  readonly #indices: readonly number[];
  readonly #options: TrainOptions;
  readonly #method: TrainingMethod;
  readonly #optimiser: AdamW;
  readonly #schedule: Schedule;
  readonly #attacker: NetworkAttacker | undefined;
  readonly #free: FreePerturbation | undefined;
  readonly #sum: GradientSum | undefined;
  readonly #scaler: LossScaler | undefined;
  /** Of dropout, in each step. */
  readonly #dropout = { value: 0 };
  readonly #step: UpdateStep;

  /**
   * Throws `ShapeError` for numbers out of their range and for options that do not go together, `DeviceError` for f16 on a device
   * without it.
   */
  constructor(
    device: Device,
    network: ActionNetwork,
    dataset: ActionDataset,
    indices: readonly number[],
    options: TrainOptions,
  ) {
    checkSubjects('Trainer', device, network, dataset, indices);
    checkTrainNames(options);
    const { captured = true, averageDecay: decay, accumulation = 1, clip } = options;
    const { method = naturalTraining(), weightDecay, batchSize } = options;
    checkOptions(method, options, device.traits);
    check(indices.length > 0, 'Trainer', () => 'needs samples to train on; got none');
    this.network = network;
    this.#device = device;
    this.#dataset = dataset;
    this.#indices = indices;
    this.#options = options;
    this.#method = method;
    const parameters = network.namedParameters();
    const scaling = lossScalingOf(options);
    const { trained, attacked } = inPrecision(network, options.precision);
    this.#optimiser = new AdamW(parameters, { weightDecay, skipNaN: scaling !== undefined });
    const perEpoch = this.#stepsPerEpoch;
    this.#schedule = warmUp(cosine(options.learningRate, perEpoch * options.epochs), perEpoch);
    const { attack, free } = method;
    this.#attacker = attack && new NetworkAttacker(attacked, attack, captured);
    this.#free = free && new FreePerturbation(device, network, dataset, { ...free, size: batchSize });
    this.#sum = accumulation > 1 ? new GradientSum(parameters) : undefined;
    this.#scaler = scaling && new LossScaler(device, scaling);
    this.average = decay === undefined ? undefined : new WeightAverage(network, { decay });
    const parts = { free: this.#free, sum: this.#sum, scaler: this.#scaler, average: this.average };
    const rest = { optimiser: this.#optimiser, dropout: this.#dropout, loss: options, clip };
    this.#step = new UpdateStep(
      {
        network: trained,
        classes: dataset.classes.length,
        method,
        attacked: this.#attacker?.modalities ?? [],
        ...rest,
        ...parts,
      },
      captured,
    );
  }

  /** Everything a checkpoint must hold to go on from here; `epochs` besides. */
  namedState(): NamedTensors {
    const parts = [this.network, this.#optimiser, this.average, this.#scaler, this.#free];
    return new Map(parts.flatMap((part) => [...(part?.namedState() ?? [])]));
  }

  /** Sets the count of finished epochs after the tensors of `namedState` have been loaded. */
  restore(epochs: number): void {
    this.epochs = epochs;
    this.#optimiser.steps = epochs * this.#stepsPerEpoch;
  }

  /** Builds the pipelines of every step side by side, so that the first does not wait for compilers; → how many. */
  warm(): Promise<number> {
    const { batchSize } = this.#options;
    const { length } = this.#indices;
    const sizes = new Set([Math.min(batchSize, length), length % batchSize]);
    sizes.delete(0);
    return this.#device.warm(() => {
      for (const size of sizes) this.#dryStep(this.#indices.slice(0, size));
      void this.#weightSum();
    });
  }

  /** What `#run` launches, for its pipelines alone: no step is counted. */
  #dryStep(indices: readonly number[]): void {
    const { steps } = this.#optimiser;
    this.#optimiser.prepare(0);
    this.#optimiser.steps = steps;
    const { augmentation: amount, mixing, seed } = this.#options;
    const parts = this.#upload(indices, { amount, mixing, seed, epoch: 0 });
    this.#launch(parts, indices.length, 0, () => {});
  }

  /**
   * One pass over the samples. `onStep` may be async and may throw to stop; it gets each batch's metrics one step late.
   * Rejects with what `onStep` threw, or names the step at which the loss was no number; nothing is left running then.
   */
  async epoch(onStep: (metrics: TrainMetrics) => void | Promise<void> = () => {}): Promise<TrainMetrics> {
    const { seed, batchSize, augmentation: amount, mixing } = this.#options;
    const epoch = this.epochs;
    const found: TrainMetrics[] = [];
    const settle = async (step: Promise<TrainMetrics> | undefined) => {
      if (!step) return;
      const metrics = await step;
      found.push(metrics);
      await onStep(metrics);
    };
    let pending: Promise<TrainMetrics> | undefined;
    try {
      for (const indices of batches(this.#indices, batchSize, { seed, epoch, shuffle: true })) {
        const previous = pending;
        pending = this.#run(indices, { amount, mixing, seed, epoch });
        // It is awaited a step later: a failure until then is not unhandled.
        pending.catch(() => {});
        await settle(previous);
      }
      await settle(pending);
      await this.#checkFinite();
    } finally {
      await pending?.catch(() => {});
    }
    this.epochs++;
    return summary(found);
  }

  /** Σ 0 · w: 0, or no number where a weight is none. */
  #weightSum(): Tensor {
    const none = this.#device.tensor([0], []);
    return this.network.parameters().reduce((all, weight) => add(all, sum(mul(weight, 0))), none);
  }

  /** The last update of an epoch may have ruined weights that no loss has seen. */
  async #checkFinite(): Promise<void> {
    const zero = this.#device.scope(() => this.#weightSum());
    const value = await zero.item();
    zero.dispose();
    if (value !== 0)
      throw new KernelwrightError(
        'train',
        `weights are no numbers after epoch ${this.epochs + 1}; ${this.#advice}`,
      );
  }

  /** Frees all state and the captured steps, not the network. */
  dispose(): void {
    const parts = [
      this.#attacker,
      this.#step,
      this.#optimiser,
      this.#free,
      this.#sum,
      this.#scaler,
      this.average,
    ];
    for (const part of parts) part?.dispose();
  }

  get #advice(): string {
    return `lower the learning rate${this.#options.precision === 'f16' ? ', or train in f32' : ''}`;
  }

  get #stepsPerEpoch(): number {
    const batches = Math.ceil(this.#indices.length / this.#options.batchSize);
    return batches * (this.#method.free?.replays ?? 1);
  }

  /** Enqueues the updates from one batch and starts reading their metrics. */
  #run(indices: readonly number[], variation: Variation): Promise<TrainMetrics> {
    return this.#device.scope(() => {
      const parts = this.#upload(indices, variation);
      const found: Promise<TrainMetrics>[] = [];
      for (let replay = 0; replay < (this.#method.free?.replays ?? 1); replay++) {
        const step = this.#optimiser.steps;
        this.#optimiser.prepare(this.#schedule(step));
        // Reads are enqueued at once: the tensors may be freed or overwritten afterwards.
        this.#launch(parts, indices.length, step, (tensors, size) =>
          found.push(this.#read(tensors, size, step)),
        );
      }
      return { metrics: Promise.all(found).then((all) => ({ ...summary(all), samples: indices.length })) };
    }).metrics;
  }

  /** A batch in its parts. */
  #upload(indices: readonly number[], variation: Variation): Batch[] {
    const { accumulation = 1 } = this.#options;
    const size = Math.ceil(indices.length / accumulation);
    return batches(indices, size, { ...variation, shuffle: false }).map((part) =>
      uploadBatch(this.#device, this.#dataset, part, this.network.modalities, variation),
    );
  }

  /** One update from the parts of a batch; `onPart` gets what each has found, which the next overwrites. */
  #launch(
    parts: readonly Batch[],
    samples: number,
    step: number,
    onPart: (found: StepTensors, size: number) => void,
  ): void {
    for (const [part, batch] of parts.entries()) {
      const adversarial = this.#attacked(batch, step, part);
      this.#dropout.value = this.#seed(step, 4, part);
      this.#sum?.prepare(batch.size / samples, part === 0);
      const update = { target: batch.target, clean: batch.inputs, adversarial };
      const found = this.#sum ? this.#step.part(update) : this.#step.whole(update);
      onPart(found, batch.size);
      if (this.#sum && part === parts.length - 1) this.#step.finish(found.loss);
    }
  }

  #attacked({ inputs, target }: Batch, step: number, part: number): Batch['inputs'] {
    return this.#attacker?.attack(inputs, target, this.#seed(step, 3, part)) ?? inputs;
  }

  /** Of a draw in a step; the first part of a batch draws as if there were no others. */
  #seed(step: number, draw: number, part: number): number {
    const keys = part === 0 ? [] : [part];
    return new Rng(this.#options.seed, step, draw, ...keys).uint32();
  }

  async #read({ loss, correct }: StepTensors, samples: number, step: number): Promise<TrainMetrics> {
    const [mean, right, lossScale] = await Promise.all([
      loss.item(),
      correct.item(),
      this.#scaler?.value.item(),
    ]);
    if (!Number.isFinite(mean))
      throw new KernelwrightError('train', `the loss became ${mean} at step ${step}; ${this.#advice}`);
    if (lossScale !== undefined && !(lossScale >= LEAST_SCALE))
      throw new KernelwrightError(
        'train',
        `gradients are no numbers at any loss scale (${lossScale} at step ${step}); ${this.#advice}`,
      );
    const metrics = { loss: mean, accuracy: right / samples, samples };
    return lossScale === undefined ? metrics : { ...metrics, lossScale };
  }
}
