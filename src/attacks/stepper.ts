import { type Captured, canCapture, capture } from '../tensor/capture.ts';
import { numberOf, type Scalar } from '../tensor/scalar.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { distinct, listTensors, mapTensors } from './tree.ts';

/** Whatever draws random numbers takes one of these: a scalar where a captured step is to draw anew at each replay. */
export type StepSeed = number | Scalar;

/** Maps a state, and what stays as it is, to the next state. Trees of tensors; launches kernels and does nothing else. */
export type Step<S, F> = (state: S, fixed: F, seed: StepSeed) => S;

interface Recorded {
  readonly key: string;
  readonly owners: readonly unknown[];
  readonly run: Captured<readonly Tensor[], readonly Tensor[]>;
}

/** Which step it is: kinds are captured apart, and `variant` says what else than shapes a recording holds for. */
export interface StepKind {
  readonly kind: string;
  readonly variant: string;
  /** What the step is made from: another attack or another model is another step. */
  readonly owners: readonly unknown[];
}

/**
 * Repeats steps: each kind is captured at its first call and replayed at later ones, with the same bits as without. Of each
 * kind it keeps the last recording; other shapes, or another variant, start anew.
 */
export class Stepper {
  readonly #enabled: boolean;
  readonly #recorded = new Map<string, Recorded>();
  readonly #seed = { value: 0 };

  constructor(captured = true) {
    this.#enabled = captured;
  }

  /**
   * One step. The state it was given is freed where the innermost scope owns it; the next one is overwritten by the next
   * call.
   */
  advance<S, F>(step: Step<S, F>, state: S, fixed: F, seed: StepSeed, kind: StepKind): S {
    const given = listTensors(state);
    const { device } = given[0] as Tensor;
    const next = device.scope(() =>
      this.#enabled && canCapture(device)
        ? this.#replay(step, state, fixed, seed, kind)
        : step(state, fixed, seed),
    );
    // A state may begin with tensors of the problem itself.
    const kept = new Set([...listTensors(next), ...listTensors(fixed)]);
    for (const tensor of given) if (!kept.has(tensor)) device.release(tensor);
    return next;
  }

  /** Frees the captured steps. */
  dispose(): void {
    for (const { run } of this.#recorded.values()) run.dispose();
    this.#recorded.clear();
  }

  #replay<S, F>(step: Step<S, F>, state: S, fixed: F, seed: StepSeed, which: StepKind): S {
    const all = listTensors(distinct([state, fixed]));
    const key = [which.variant, ...all.map(({ dtype, shape }) => `${dtype} ${shape}`)].join(', ');
    this.#seed.value = numberOf(seed);
    const known = this.#recorded.get(which.kind);
    const same = known?.key === key && known.owners.every((owner, i) => owner === which.owners[i]);
    const { run } = same ? known : this.#record(step, state, fixed, which, key);
    return rebuild(state, run(...all));
  }

  #record<S, F>(step: Step<S, F>, state: S, fixed: F, { kind, owners }: StepKind, key: string): Recorded {
    this.#recorded.get(kind)?.run.dispose();
    const once = (...all: readonly Tensor[]): readonly Tensor[] => {
      const [now, same] = rebuild([state, fixed] as const, all);
      return listTensors(distinct(step(now, same, this.#seed), all));
    };
    const run = capture(once, { moving: listTensors(state).length });
    const recorded = { key, owners, run };
    this.#recorded.set(kind, recorded);
    return recorded;
  }
}

/** A tree of the structure of `like` with these tensors. */
function rebuild<T>(like: T, tensors: readonly Tensor[]): T {
  const left = tensors.values();
  return mapTensors(like, () => left.next().value as Tensor);
}
