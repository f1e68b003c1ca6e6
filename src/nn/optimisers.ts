import { check, ShapeError } from '../errors.ts';
import { add, div, minimum, mul, sqrt, square } from '../kernels/elementwise.ts';
import { zerosLike } from '../kernels/fill.ts';
import { sum } from '../kernels/reduce.ts';
import { type AdamwOptions, adamwUpdate, checkRate, sgdUpdate } from '../kernels/update.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { NamedTensors } from './module.ts';

/** Updates parameters in place from their gradients. */
export interface Optimiser {
  /** One update: `prepare`, then `apply`. */
  step(grads: readonly Tensor[], learningRate: number): void;
  /**
   * Counts a step and sets what `apply` goes by, at the next call and at the next replay of a captured step. Throws `ShapeError`
   * for a learning rate that is no finite number.
   */
  prepare(learningRate: number): void;
  /** Launches the update; `grads[i]` belongs to the i-th parameter. Throws `ShapeError` for another number of gradients. */
  apply(grads: readonly Tensor[]): void;
  /** Tensors a checkpoint must hold besides the parameters, by name. */
  namedState(): NamedTensors;
  /** Steps done; set when a checkpoint is loaded. */
  steps: number;
  /** Frees the state, not the parameters. */
  dispose(): void;
}

/** Keeps one zero tensor per parameter and name, outside of all scopes. */
export function slots(parameters: NamedTensors, name: string): NamedTensors {
  const make = (parameter: Tensor) =>
    parameter.device.keep(parameter.device.scope(() => zerosLike(parameter)));
  return new Map([...parameters].map(([key, parameter]) => [`${key}.${name}`, make(parameter)]));
}

function checkGrads(op: string, parameters: NamedTensors, grads: readonly Tensor[]): void {
  if (grads.length !== parameters.size) {
    throw new ShapeError(op, `needs ${parameters.size} gradients, one per parameter; got ${grads.length}`);
  }
}

/** `v ← μ v + g + λ w; w ← w − η v` (with Nesterov: `w ← w − η (g + λ w + μ v)`); Sutskever et al. 2013. */
export class Sgd implements Optimiser {
  steps = 0;
  readonly #learningRate = { value: 0 };
  readonly #parameters: NamedTensors;
  readonly #velocity: NamedTensors;
  readonly #options: { momentum: number; weightDecay: number; nesterov: boolean; skipNaN: boolean };

  constructor(
    parameters: NamedTensors,
    options: { momentum?: number; weightDecay?: number; nesterov?: boolean; skipNaN?: boolean } = {},
  ) {
    this.#options = { momentum: 0, weightDecay: 0, nesterov: false, skipNaN: false, ...options };
    this.#parameters = parameters;
    this.#velocity = this.#options.momentum === 0 ? new Map() : slots(parameters, 'velocity');
  }

  step(grads: readonly Tensor[], learningRate: number): void {
    checkGrads('Sgd', this.#parameters, grads);
    this.prepare(learningRate);
    this.apply(grads);
  }

  prepare(learningRate: number): void {
    checkRate('Sgd', learningRate);
    this.#learningRate.value = learningRate;
    this.steps++;
  }

  apply(grads: readonly Tensor[]): void {
    checkGrads('Sgd', this.#parameters, grads);
    const velocity = [...this.#velocity.values()];
    const options = { ...this.#options, learningRate: this.#learningRate };
    for (const [i, parameter] of [...this.#parameters.values()].entries())
      sgdUpdate(parameter, grads[i] as Tensor, velocity[i], options);
  }

  namedState(): NamedTensors {
    return this.#velocity;
  }

  dispose(): void {
    for (const tensor of this.#velocity.values()) tensor.dispose();
  }
}

/** Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2). */
export class AdamW implements Optimiser {
  steps = 0;
  readonly #learningRate = { value: 0 };
  readonly #step = { value: 0 };
  readonly #parameters: NamedTensors;
  readonly #first: NamedTensors;
  readonly #second: NamedTensors;
  readonly #options: Omit<AdamwOptions, 'learningRate' | 'step'>;

  constructor(parameters: NamedTensors, options: Omit<AdamwOptions, 'learningRate' | 'step'> = {}) {
    this.#options = options;
    this.#parameters = parameters;
    this.#first = slots(parameters, 'first');
    this.#second = slots(parameters, 'second');
  }

  step(grads: readonly Tensor[], learningRate: number): void {
    checkGrads('AdamW', this.#parameters, grads);
    this.prepare(learningRate);
    this.apply(grads);
  }

  prepare(learningRate: number): void {
    checkRate('AdamW', learningRate);
    this.#learningRate.value = learningRate;
    this.#step.value = ++this.steps;
  }

  apply(grads: readonly Tensor[]): void {
    checkGrads('AdamW', this.#parameters, grads);
    const [first, second] = [[...this.#first.values()], [...this.#second.values()]];
    const options = { ...this.#options, learningRate: this.#learningRate, step: this.#step };
    for (const [i, parameter] of [...this.#parameters.values()].entries())
      adamwUpdate(parameter, grads[i] as Tensor, first[i] as Tensor, second[i] as Tensor, options);
  }

  namedState(): NamedTensors {
    return new Map([...this.#first, ...this.#second]);
  }

  dispose(): void {
    for (const tensor of this.namedState().values()) tensor.dispose();
  }
}

/**
 * Scales gradients so that their joint norm is at most `most`: `g · min(1, most / ‖g‖₂)` (Pascanu et al. 2013). Stays on
 * the GPU. Returns the scaled gradients. Throws `ShapeError` without any.
 */
export function clipByGlobalNorm(grads: readonly Tensor[], most: number): Tensor[] {
  check(grads.length > 0, 'clipByGlobalNorm', () => 'needs at least one gradient');
  const squares = grads.map((grad) => sum(square(grad))).reduce((a, b) => add(a, b));
  const scale = minimum(div(most, add(sqrt(squares), 1e-6)), 1);
  return grads.map((grad) => mul(grad, scale));
}
