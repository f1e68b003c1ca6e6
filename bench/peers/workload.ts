/** Where the channels of an input are: libraries that put them first permute it once, when it is uploaded. */
export type Role = 'plain' | 'image' | 'kernel';

/** An input, made from its name: the same numbers for every library. */
export interface InputSpec {
  readonly shape: readonly number[];
  /** normal: N(0, scale²); uniform: [0, scale); labels: integers below `scale`; equal: scale. */
  readonly fill: 'normal' | 'uniform' | 'labels' | 'equal';
  readonly scale: number;
  /** image: `[N, …, C]`; kernel: `[K…, C, O]`. */
  readonly role: Role;
  /** Known when the model is built, as trained weights are. */
  readonly constant: boolean;
}

/** Convolution over all axes but the first and last, the same stride on each. */
export interface Geometry {
  readonly stride: number;
  /** Zeros on both sides of each axis; `same` is half of an odd kernel. */
  readonly padding: number | 'same';
  readonly groups?: number;
}

/** Pointwise in ℓ∞: how far and how fast an attack goes. */
export interface Budget {
  readonly epsilon: number;
  readonly stepSize: number;
}

/** What AdamW keeps of a parameter, and its gradient. */
export interface AdamState<T> {
  readonly param: T;
  readonly grad: T;
  readonly mean: T;
  readonly square: T;
}

/**
 * The ops workloads are written in, once for all libraries. Shapes are channels last: x [N, …, C], w [K…, C/groups, O],
 * attention [B, L, H, D], graph convolution as x [N, T, V, C], w [P, C, O], adjacency [P, V, V].
 */
export interface Ops<T> {
  add(a: T, b: T): T;
  mul(a: T, b: T): T;
  relu(x: T): T;
  sum(x: T): T;
  /** Over leading axes too: [..., M, K] · [..., K, N]. */
  matmul(a: T, b: T): T;
  /** [M, K] · [K, N] + bias [N]. */
  linear(x: T, w: T, bias: T): T;
  conv(x: T, w: T, geometry: Geometry): T;
  softmax(x: T): T;
  layerNorm(x: T, gamma: T, beta: T): T;
  batchNorm(x: T, norm: Norm<T>): T;
  batchNormTraining(x: T, gamma: T, beta: T): T;
  attention(q: T, k: T, v: T): T;
  graphConv(x: T, w: T, adjacency: T): T;
  /** 3×3, stride 2, padding 1, of an x that is nowhere negative. */
  maxPool(x: T): T;
  /** [N, …, C] → [N, C]. */
  globalAvgPool(x: T): T;
  /** Mean over the samples: logits [N, C], labels i32 [N] → a number. */
  crossEntropy(logits: T, labels: T): T;
  /** One step with the settings `ADAMW`. */
  adamw(state: AdamState<T>): { param: T; mean: T; square: T };
}

/** Scale, shift and statistics of each channel. */
export interface Norm<T> {
  readonly gamma: T;
  readonly beta: T;
  readonly mean: T;
  readonly variance: T;
}

export const EPSILON = 1e-5;
export const ADAMW = {
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
  step: 10,
} as const;

export type Named<T> = Readonly<Record<string, T>>;

/** A number from tensors, in the ops of any library. */
export type Loss = <T>(ops: Ops<T>, inputs: Named<T>) => T;

/** What of a workload is measured. */
export type Body =
  | {
      readonly kind: 'forward';
      readonly apply: <T>(ops: Ops<T>, inputs: Named<T>) => Named<T>;
      readonly role: Role;
    }
  /** The gradients of a loss by some inputs. */
  | { readonly kind: 'gradient'; readonly loss: Loss; readonly wrt: readonly string[] }
  /** A step of gradient descent: `p − rate · dLoss/dp`. */
  | { readonly kind: 'step'; readonly loss: Loss; readonly wrt: readonly string[]; readonly rate: number }
  /** Projected gradient ascent on input x within [0, 1]; its result is the loss where it ends. */
  | { readonly kind: 'pgd'; readonly loss: Loss; readonly steps: number; readonly budget: Budget };

export interface Workload {
  readonly name: string;
  readonly inputs: Named<InputSpec>;
  readonly body: Body;
  /** Largest relative difference from our result with which a peer's figure counts. */
  readonly tolerance: number;
}

/** The inputs of a workload on the host. */
export type HostInputs = Named<Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>>;

/** A workload ready to run, its inputs on the GPU. */
export interface Prepared {
  /** Enqueues one run and drops the results. */
  run(): Promise<void> | void;
  /** One run from the inputs as given, and its results on the host, channels last. */
  results(): Promise<Named<Float32Array>>;
  dispose(): void;
}

/** One of the libraries that are compared, in a process of its own. */
export interface Library {
  readonly prepare: (workload: Workload, inputs: HostInputs) => Promise<Prepared>;
  /** Waits until the GPU has done what was enqueued. */
  readonly settle: () => Promise<unknown>;
}

/** Thrown where a library has no way to compute a workload. */
export class LacksError extends Error {}
