import type { Holder } from './scope.ts';
import type { Tensor } from './tensor.ts';

/** One op call as a gradient tape keeps it. */
export interface OpCall {
  readonly op: string;
  readonly inputs: Readonly<Record<string, Tensor | undefined>>;
  readonly outputs: readonly Tensor[];
  /** Those of the inputs and outputs whose elements `gradient` reads. */
  readonly reads: readonly Tensor[];
  /**
   * For the gradients of the outputs (undefined where none arrived), one thunk for each input that has a gradient.
   * Only the thunks of inputs that the tape `wants` are called. Undefined when the op has no gradient rule.
   */
  readonly gradient:
    | ((
        grads: readonly (Tensor | undefined)[],
        wants: (input: Tensor | undefined) => boolean,
      ) => Readonly<Record<string, (() => Tensor) | undefined>>)
    | undefined;
}

/** Sees every op call while it is open: a gradient tape. */
export interface Recorder extends Holder {
  record(call: OpCall): void;
  /** Whether the gradient with respect to a wanted tensor flows through `tensor`. */
  tracks(tensor: Tensor): boolean;
  /** Whether a gradient rule may read the memory of `tensor`, through whichever view: it must stay as it is. */
  needs(tensor: Tensor): boolean;
}
