import type { ActionInputs, ActionNetwork, Modality } from '../amr/action-network.ts';
import { finiteBudget } from '../attacks/norms.ts';
import type { ActionDataset } from '../data/dataset.ts';
import { signAscent } from '../kernels/attack-step.ts';
import { add, clamp } from '../kernels/elementwise.ts';
import { zeros, zerosLike } from '../kernels/fill.ts';
import { concat, slice } from '../kernels/layout.ts';
import { accumulateUpdate } from '../kernels/update.ts';
import type { NamedTensors } from '../nn/module.ts';
import type { Device } from '../tensor/device.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkEpsilons, type Epsilons, RANGES } from './attack-network.ts';

/**
 * The perturbation of free adversarial training: δ of each attacked modality, kept from batch to batch, with
 * `δ ← clip(δ + ε sign g, −ε, ε)` after each (Shafahi et al. 2019, algorithm 1).
 */
export class FreePerturbation {
  readonly modalities: readonly Modality[];
  readonly #epsilons: Epsilons;
  readonly #deltas: ReadonlyMap<Modality, Tensor>;

  /** Zeros of the shape of a batch of `size` samples. Throws `ShapeError` for ε < 0 or beyond the range. */
  constructor(
    device: Device,
    network: ActionNetwork,
    dataset: ActionDataset,
    options: { readonly epsilons: Epsilons; readonly size: number },
  ) {
    const { epsilons, size } = options;
    checkEpsilons('freeTraining', epsilons, network.modalities);
    this.modalities = network.modalities.filter((modality) => (epsilons[modality] ?? 0) > 0);
    const finite = this.modalities.map((modality) => {
      const budget = { epsilon: epsilons[modality] ?? 0, range: RANGES[modality] };
      return [modality, finiteBudget('freeTraining', budget, 1, `${modality}: `).epsilon] as const;
    });
    this.#epsilons = Object.fromEntries(finite);
    const shapes = { rgb: dataset.video?.shape, skeleton: dataset.skeleton?.shape };
    const make = (modality: Modality) =>
      device.keep(device.scope(() => zeros(device, [size, ...(shapes[modality] ?? [])])));
    this.#deltas = new Map(this.modalities.map((modality) => [modality, make(modality)]));
  }

  /** The first `size` rows of each δ. */
  rows(size: number): Tensor[] {
    return this.#all.map((delta) => slice(delta, { size: [size] }));
  }

  /** `clip(x + δ)` to the range of each attacked modality, the others as they are. */
  apply(inputs: ActionInputs, rows: readonly Tensor[]): ActionInputs {
    const moved = this.modalities.map((modality, i) => {
      const sum = add(inputs[modality] as Tensor, rows[i] as Tensor);
      const range = RANGES[modality];
      return [modality, range ? clamp(sum, range[0], range[1]) : sum] as const;
    });
    return { ...inputs, ...Object.fromEntries(moved) };
  }

  /** Moves the rows that a batch used by its gradients; the others stay. */
  advance(rows: readonly Tensor[], grads: readonly Tensor[]): void {
    for (const [i, delta] of this.#all.entries()) {
      const [row, epsilon] = [rows[i] as Tensor, this.#epsilons[this.modalities[i] as Modality] ?? 0];
      const moved = signAscent(row, grads[i] as Tensor, zerosLike(row), { stepSize: epsilon, epsilon });
      const used = row.shape[0] ?? 0;
      const whole = used === delta.shape[0];
      const next = whole ? moved : concat([moved, slice(delta, { begin: [used] })], { axis: 0 });
      accumulateUpdate(delta, next, { fresh: 1 });
    }
  }

  /** What a checkpoint must hold. */
  namedState(): NamedTensors {
    return new Map([...this.#deltas].map(([modality, delta]) => [`perturbation.${modality}`, delta]));
  }

  /** Frees δ. */
  dispose(): void {
    for (const delta of this.#all) delta.dispose();
  }

  get #all(): Tensor[] {
    return [...this.#deltas.values()];
  }
}
