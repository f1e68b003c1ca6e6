// What the page and the worker that computes say to each other.
import type { Outcome } from './attack.ts';
import type { PairedDataset } from './data.ts';
import type { AttackRequest } from './request.ts';
import type { DemoSize } from './sizes.ts';
import type { TrainingChoice } from './training.ts';

export interface StepMetrics {
  /** In epochs. */
  readonly at: number;
  readonly loss: number;
  readonly accuracy: number;
}

export interface EpochMetrics {
  readonly at: number;
  readonly accuracy: number;
}

/** What the page asks for, and what it gets; everything is answered. */
export interface Calls {
  /** Opens a device, and gives its name. */
  open(): string;
  load(given: { readonly dataset: PairedDataset; readonly size: DemoSize }): void;
  /** Starts over with a fresh network. */
  renew(choice: TrainingChoice): { readonly epochs: number; readonly stepsPerEpoch: number };
  run(): void;
  pause(): void;
  stop(): void;
  attack(request: AttackRequest): Outcome;
}

export type Call = { [K in keyof Calls]: { ask: K; with: Parameters<Calls[K]>[0] } }[keyof Calls];

/** What the worker tells unasked. */
export interface Events {
  onStep(metrics: StepMetrics, samplesPerSecond: number): void;
  onEpoch(metrics: EpochMetrics): void;
  onDone(): void;
  onError(error: Failure): void;
  onLost(reason: string): void;
}

/** An error as it can be posted. */
export interface Failure {
  readonly name: string;
  readonly message: string;
}

export type Reply =
  | { readonly answer: number; readonly value: unknown }
  | { readonly answer: number; readonly failure: Failure }
  | { readonly event: keyof Events; readonly with: readonly unknown[] };

export function failureOf(error: unknown): Failure {
  return error instanceof Error
    ? { name: error.name, message: error.message }
    : { name: 'Error', message: String(error) };
}
