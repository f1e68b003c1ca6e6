import { type ActionInputs, type ActionNetwork, inputOf, type Modality } from '../amr/action-network.ts';
import type { ActionLossOptions } from '../amr/loss.ts';
import { valueAndGrad } from '../autograd/grad.ts';
import { cast, equal } from '../kernels/elementwise.ts';
import { argmax, sum } from '../kernels/reduce.ts';
import type { GradientSum } from '../nn/gradient-sum.ts';
import type { LossScaler } from '../nn/loss-scaler.ts';
import { clipByGlobalNorm, type Optimiser } from '../nn/optimisers.ts';
import type { WeightAverage } from '../nn/weight-average.ts';
import { captureShapes } from '../tensor/capture-shapes.ts';
import type { Scalar } from '../tensor/scalar.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkLogits } from './checks.ts';
import type { FreePerturbation } from './free-perturbation.ts';
import type { TrainingMethod } from './methods.ts';
import { type Target, targetOf, targetTensors } from './target.ts';

/** What takes part in an update. */
export interface UpdateParts {
  readonly network: ActionNetwork;
  /** Of the data. */
  readonly classes: number;
  readonly method: TrainingMethod;
  readonly optimiser: Optimiser;
  /** What the method's attack moves. */
  readonly attacked: readonly Modality[];
  /** Seed of dropout, set anew for each pass. */
  readonly dropout: Scalar;
  readonly loss: ActionLossOptions;
  readonly clip: number | undefined;
  readonly free: FreePerturbation | undefined;
  readonly sum: GradientSum | undefined;
  readonly scaler: LossScaler | undefined;
  readonly average: WeightAverage | undefined;
}

/** A batch, or a part of one. */
export interface UpdateBatch {
  readonly target: Target;
  readonly clean: ActionInputs;
  readonly adversarial: ActionInputs;
}

/** Mean loss, and how many samples were right. */
export interface StepTensors {
  readonly loss: Tensor;
  readonly correct: Tensor;
}

/** Forward, backward and update of one batch after another, captured unless said otherwise. */
export class UpdateStep {
  readonly #parts: UpdateParts;
  readonly #captured: { dispose(): void }[] = [];
  readonly #whole: (...all: readonly Tensor[]) => StepTensors;
  readonly #part: (...all: readonly Tensor[]) => StepTensors;
  readonly #finish: (...loss: readonly Tensor[]) => Tensor;

  constructor(parts: UpdateParts, captured: boolean) {
    this.#parts = parts;
    this.#whole = this.#made(captured, (...all) => this.#step(all, (grads) => this.#apply(grads)));
    this.#part = this.#made(captured, (...all) => this.#step(all, (grads) => parts.sum?.add(grads)));
    // A captured step takes a tensor and returns one.
    this.#finish = this.#made(captured, (loss) => {
      this.#apply(parts.sum?.sums ?? []);
      return sum(loss as Tensor);
    });
  }

  /** An update from a batch as a whole. The tensors are overwritten by the next call. */
  whole(batch: UpdateBatch): StepTensors {
    return this.#whole(...this.#flat(batch));
  }

  /** Adds the gradient of a part of a batch to the `GradientSum`. */
  part(batch: UpdateBatch): StepTensors {
    return this.#part(...this.#flat(batch));
  }

  /** An update from the `GradientSum`; `loss` is that of the last part. */
  finish(loss: Tensor): void {
    this.#finish(loss);
  }

  /** Frees the captured steps. */
  dispose(): void {
    for (const step of this.#captured) step.dispose();
  }

  #made<R>(captured: boolean, step: (...all: readonly Tensor[]) => R): (...all: readonly Tensor[]) => R {
    if (!captured) return step;
    const made = captureShapes(step);
    this.#captured.push(made);
    return made;
  }

  #step(all: readonly Tensor[], use: (grads: readonly Tensor[]) => void): StepTensors {
    const { network, method, free, scaler, dropout, loss: options } = this.#parts;
    const batch = this.#batchOf(all);
    const { labels } = batch.target;
    const parameters = network.parameters();
    const rows = free?.rows(labels.size) ?? [];
    const { value, grads } = valueAndGrad(() => {
      const found = method.loss({
        ...batch,
        options,
        adversarial: free?.apply(batch.clean, rows) ?? batch.adversarial,
        forward: (inputs) => network.forward(inputs, { training: true, seed: dropout }),
      });
      return { ...found, mean: found.loss, loss: scaler?.scale(found.loss) ?? found.loss };
    }, [...parameters, ...rows]);
    checkLogits('train', value.logits, this.#parts.classes);
    free?.advance(rows, grads.slice(parameters.length));
    use(grads.slice(0, parameters.length));
    return { loss: value.mean, correct: countCorrect(value.logits, labels) };
  }

  #apply(grads: readonly Tensor[]): void {
    const { scaler, clip, optimiser, average } = this.#parts;
    const unscaled = scaler?.unscale(grads) ?? grads;
    optimiser.apply(clip === undefined ? unscaled : clipByGlobalNorm(unscaled, clip));
    average?.update();
  }

  /** The clean inputs in the order of the network's modalities, the attacked ones, and the target. */
  #flat({ target, clean, adversarial }: UpdateBatch): Tensor[] {
    const { network, attacked } = this.#parts;
    const inputs = network.modalities.map((modality) => inputOf(clean, modality));
    const moved = attacked.map((modality) => inputOf(adversarial, modality));
    return [...inputs, ...moved, ...targetTensors(target)];
  }

  #batchOf(all: readonly Tensor[]): UpdateBatch {
    const { network, attacked } = this.#parts;
    const [n, m] = [network.modalities.length, attacked.length];
    const named = (modalities: readonly Modality[], tensors: readonly Tensor[]): ActionInputs =>
      Object.fromEntries(modalities.map((modality, i) => [modality, tensors[i]]));
    const clean = named(network.modalities, all);
    const adversarial = { ...clean, ...named(attacked, all.slice(n, n + m)) };
    return { clean, adversarial, target: targetOf(all.slice(n + m)) };
  }
}

/** How many rows of logits [N, classes] have their largest entry at the label: → a scalar. */
export function countCorrect(logits: Tensor, labels: Tensor): Tensor {
  return sum(cast(equal(argmax(logits, { axes: -1 }), labels), 'f32'));
}
