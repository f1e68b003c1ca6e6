import { type ActionNetwork, inputOf } from '../amr/action-network.ts';
import { type ActionLossOptions, actionLoss } from '../amr/loss.ts';
import { valueAndGrad } from '../autograd/grad.ts';
import type { Augmentation } from '../data/augment.ts';
import { batches } from '../data/batches.ts';
import type { ActionDataset } from '../data/dataset.ts';
import { Rng } from '../data/rng.ts';
import { KernelwrightError } from '../errors.ts';
import { add, cast, equal, mul } from '../kernels/elementwise.ts';
import { argmax, sum } from '../kernels/reduce.ts';
import type { NamedTensors } from '../nn/module.ts';
import { AdamW, clipByGlobalNorm } from '../nn/optimisers.ts';
import { cosine, type Schedule, warmUp } from '../nn/schedules.ts';
import type { Captured } from '../tensor/capture.ts';
import { captureShapes } from '../tensor/capture-shapes.ts';
import type { Device } from '../tensor/device.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type NetworkAttack, NetworkAttacker } from './attack-network.ts';
import { type Batch, uploadBatch } from './batch.ts';

export interface TrainOptions extends ActionLossOptions {
  readonly epochs: number;
  readonly batchSize: number;
  /** Peak of a cosine schedule with one epoch of warm-up. */
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Largest joint norm of the gradients; not limited when left out. */
  readonly clip?: number | undefined;
  readonly augmentation: Augmentation;
  /** Adversarial training: each batch is replaced by what this attack makes of it (Madry et al. 2018). */
  readonly attack?: Omit<NetworkAttack, 'seed'> | undefined;
  readonly seed: number;
  /** Whether steps are captured (the default); the bits are the same. */
  readonly captured?: boolean;
}

/** What a stretch of training came to. */
export interface TrainMetrics {
  /** Mean over the samples. */
  readonly loss: number;
  readonly accuracy: number;
  readonly samples: number;
}

/** Training of a network with AdamW, one epoch at a time, reproducible from its seed and resumable between epochs. */
export class Trainer {
  /** Epochs done; set when a checkpoint is loaded. */
  epochs = 0;
  readonly network: ActionNetwork;
  readonly #device: Device;
  readonly #dataset: ActionDataset;
  readonly #indices: readonly number[];
  readonly #options: TrainOptions;
  readonly #optimiser: AdamW;
  readonly #schedule: Schedule;
  readonly #attacker: NetworkAttacker | undefined;
  /** Of dropout, in each step. */
  readonly #dropout = { value: 0 };
  readonly #step: (labels: Tensor, ...inputs: readonly Tensor[]) => StepTensors;
  readonly #captured: Captured<readonly [Tensor, ...Tensor[]], StepTensors> | undefined;

  constructor(
    device: Device,
    network: ActionNetwork,
    dataset: ActionDataset,
    indices: readonly number[],
    options: TrainOptions,
  ) {
    this.network = network;
    this.#device = device;
    this.#dataset = dataset;
    this.#indices = indices;
    this.#options = options;
    this.#optimiser = new AdamW(network.namedParameters(), { weightDecay: options.weightDecay });
    const perEpoch = Math.ceil(indices.length / options.batchSize);
    this.#schedule = warmUp(cosine(options.learningRate, perEpoch * options.epochs), perEpoch);
    const { attack, captured = true } = options;
    this.#attacker = attack && new NetworkAttacker(network, attack, captured);
    const step = (labels: Tensor, ...inputs: readonly Tensor[]) => this.#update(labels, inputs);
    this.#captured = captured ? captureShapes(step) : undefined;
    this.#step = this.#captured ?? step;
  }

  /** Everything a checkpoint must hold to go on from here; `epochs` besides. */
  namedState(): NamedTensors {
    return new Map([...this.network.namedState(), ...this.#optimiser.namedState()]);
  }

  /** Sets the count of finished epochs after the tensors of `namedState` have been loaded. */
  restore(epochs: number): void {
    this.epochs = epochs;
    this.#optimiser.steps = epochs * Math.ceil(this.#indices.length / this.#options.batchSize);
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
    const batch = uploadBatch(this.#device, this.#dataset, indices, this.network.modalities);
    const inputs = this.#attacked(batch, 0);
    this.#update(
      batch.labels,
      this.network.modalities.map((modality) => inputOf(inputs, modality)),
    );
  }

  /**
   * One pass over the samples. `onStep` may be async and may throw to stop; it gets each batch's metrics one step late.
   * Rejects with what `onStep` threw, or names the step at which the loss was no number; nothing is left running then.
   */
  async epoch(onStep: (metrics: TrainMetrics) => void | Promise<void> = () => {}): Promise<TrainMetrics> {
    const { seed, batchSize, augmentation: amount } = this.#options;
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
        pending = this.#run(indices, { amount, seed, epoch });
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
        `weights are no numbers after epoch ${this.epochs + 1}; lower the learning rate`,
      );
  }

  /** Frees the state of the optimiser and the captured steps, not the network. */
  dispose(): void {
    this.#attacker?.dispose();
    this.#captured?.dispose();
    this.#optimiser.dispose();
  }

  /** Enqueues one update and starts reading its metrics. */
  #run(
    indices: readonly number[],
    variation: { amount: Augmentation; seed: number; epoch: number },
  ): Promise<TrainMetrics> {
    const device = this.#device;
    const step = this.#optimiser.steps;
    return device.scope(() => {
      const batch = uploadBatch(device, this.#dataset, indices, this.network.modalities, variation);
      const inputs = this.#attacked(batch, step);
      this.#dropout.value = new Rng(this.#options.seed, step, 4).uint32();
      this.#optimiser.prepare(this.#schedule(step));
      const found = this.#step(
        batch.labels,
        ...this.network.modalities.map((modality) => inputOf(inputs, modality)),
      );
      // Reads are enqueued at once: the tensors may be freed or overwritten afterwards.
      return { metrics: readMetrics(found, indices.length, step) };
    }).metrics;
  }

  #attacked({ inputs, labels }: Batch, step: number): Batch['inputs'] {
    return this.#attacker?.attack(inputs, labels, new Rng(this.#options.seed, step, 3).uint32()) ?? inputs;
  }

  /** Forward, backward and update, all that is captured; `inputs` in the order of the network's modalities. */
  #update(labels: Tensor, inputs: readonly Tensor[]): StepTensors {
    const mode = { training: true, seed: this.#dropout };
    const named = Object.fromEntries(this.network.modalities.map((modality, i) => [modality, inputs[i]]));
    const { value, grads } = valueAndGrad(() => {
      const output = this.network.forward(named, mode);
      return { loss: actionLoss(output, labels, this.#options), logits: output.logits };
    }, this.network.parameters());
    const { clip } = this.#options;
    this.#optimiser.apply(clip === undefined ? grads : clipByGlobalNorm(grads, clip));
    return { loss: value.loss, correct: countCorrect(value.logits, labels) };
  }
}

interface StepTensors {
  readonly loss: Tensor;
  readonly correct: Tensor;
}

/** How many rows of logits [N, classes] have their largest entry at the label: → a scalar. */
export function countCorrect(logits: Tensor, labels: Tensor): Tensor {
  return sum(cast(equal(argmax(logits, { axes: -1 }), labels), 'f32'));
}

/** Means over the samples of all batches. */
function summary(batches: readonly TrainMetrics[]): TrainMetrics {
  const samples = batches.reduce((sum, batch) => sum + batch.samples, 0);
  const mean = (key: 'loss' | 'accuracy') =>
    batches.reduce((sum, batch) => sum + batch[key] * batch.samples, 0) / samples;
  return { loss: mean('loss'), accuracy: mean('accuracy'), samples };
}

async function readMetrics(
  { loss, correct }: StepTensors,
  samples: number,
  step: number,
): Promise<TrainMetrics> {
  const [mean, right] = await Promise.all([loss.item(), correct.item()]);
  if (Number.isFinite(mean)) return { loss: mean, accuracy: right / samples, samples };
  throw new KernelwrightError('train', `the loss became ${mean} at step ${step}; lower the learning rate`);
}
