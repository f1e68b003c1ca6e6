import { valueAndGrad } from '../autograd/grad.ts';
import { check, need } from '../errors.ts';
import { slice } from '../kernels/layout.ts';
import { type Captured, canCapture } from '../tensor/capture.ts';
import { captureShapes } from '../tensor/capture-shapes.ts';
import { Tensor } from '../tensor/tensor.ts';
import { ascend, type Budget, checkBall, randomStart } from './norms.ts';
import { checkReached } from './reach.ts';

/** What an attack sees at one iterate. Tensors hold until `observe` returns; copy what must last (`slice`). */
export interface Iterate<R> {
  /** 0 for the start; `steps` for the final point, which has no gradients. */
  readonly step: number;
  readonly inputs: readonly Tensor[];
  /** What the loss function returned. */
  readonly value: R;
  readonly grads: readonly Tensor[] | undefined;
}

/** How far one input may move, and by how much at each step. */
export interface PgdBudget extends Budget {
  readonly stepSize: number;
}

export interface PgdRunOptions<R> {
  readonly steps: number;
  readonly randomStart?: boolean;
  readonly seed?: number;
  /** Points to start from, one for each input, instead of a random start. */
  readonly from?: readonly Tensor[] | undefined;
  /** Called at every iterate, the final one included. */
  readonly observe?: ((iterate: Iterate<R>) => void) | undefined;
}

type Valued = Tensor | { readonly loss: Tensor };

/** What one step gives: the points moved, and what was found at the points before. */
interface Step<R> {
  readonly next: readonly Tensor[];
  readonly value: R;
  readonly grads: readonly Tensor[];
}

/**
 * A PGD attack that runs on batch after batch: its step is captured at its first run and replayed at later ones. The loss is
 * a function of the points and of what else changes from batch to batch (labels, inputs that stay clean); numbers it uses are
 * fixed at its first call, unless they are `Scalar`s.
 */
export class PgdAttack<R extends Valued> {
  readonly #loss: (points: readonly Tensor[], fixed: readonly Tensor[]) => R;
  readonly #moved: readonly PgdBudget[];
  readonly #captured: Captured<readonly Tensor[], Step<R>> | undefined;

  /** Throws `ShapeError` for ε < 0 or (in ℓ∞) beyond the range, a negative step size and a range that does not ascend. */
  constructor(
    loss: (points: readonly Tensor[], fixed: readonly Tensor[]) => R,
    moved: readonly PgdBudget[],
    { captured = true }: { readonly captured?: boolean } = {},
  ) {
    need(typeof loss === 'function', 'pgd', 'a loss, a function of the points', loss);
    need(Array.isArray(moved), 'pgd', 'a list of budgets', moved);
    for (const budget of moved) checkBall('pgd', budget);
    this.#loss = loss;
    this.#moved = moved;
    if (captured)
      this.#captured = captureShapes((...all: readonly Tensor[]) => this.#advance(all), {
        moving: moved.length,
      });
  }

  /**
   * The final points for `inputs`, one for each budget. Runs eagerly inside a captured step and where a gradient is being
   * taken. Throws `ShapeError` for steps that are no count.
   */
  run(inputs: readonly Tensor[], fixed: readonly Tensor[], options: PgdRunOptions<R>): Tensor[] {
    const { steps, observe } = options;
    checkSteps(steps);
    const device = (inputs[0] as Tensor).device;
    const captured = canCapture(device) ? this.#captured : undefined;
    return device.scope(() => {
      let points: readonly Tensor[] = inputs.map((x, i) => this.#start(x, i, options));
      for (let step = 0; step < steps; step++) {
        const before = points;
        points = device.scope(() => {
          const all = [...before, ...inputs, ...fixed];
          const found = captured ? captured(...all) : this.#advance(all);
          observe?.({ step, inputs: before, value: found.value, grads: found.grads });
          return found.next;
        });
        for (const point of before) device.release(point);
      }
      // The points of a captured step are overwritten by its next run.
      const found = points.map(copy);
      if (observe) {
        const value = () => this.#loss(found, fixed);
        device.scope(() => observe({ step: steps, inputs: found, value: value(), grads: undefined }));
      }
      return found;
    });
  }

  /** Frees the captured step. */
  dispose(): void {
    this.#captured?.dispose();
  }

  #start(x: Tensor, i: number, { randomStart: random = true, seed = 0, from }: PgdRunOptions<R>): Tensor {
    if (from) return copy(from[i] as Tensor);
    return random ? randomStart(x, this.#moved[i] as PgdBudget, seed, i) : copy(x);
  }

  /** `points`, the `inputs` they started from, and what else the loss needs, one after the other. */
  #advance(all: readonly Tensor[]): Step<R> {
    const n = this.#moved.length;
    const [points, inputs, fixed] = [all.slice(0, n), all.slice(n, 2 * n), all.slice(2 * n)];
    const { value, grads } = valueAndGrad(() => {
      const found = this.#loss(points, fixed);
      checkReached('pgd', found instanceof Tensor ? found : found?.loss);
      return found;
    }, points);
    const next = points.map((point, i) => {
      const budget = this.#moved[i] as PgdBudget;
      return ascend(point, grads[i] as Tensor, inputs[i] as Tensor, budget, budget.stepSize);
    });
    return { next, value, grads };
  }
}

/** Throws `ShapeError` for a number of steps that is no count. */
export function checkSteps(steps: number): void {
  check(Number.isInteger(steps) && steps >= 0, 'pgd', () => `steps must be a count; got ${steps}`);
}

function copy(x: Tensor): Tensor {
  return slice(x, { size: x.shape });
}
