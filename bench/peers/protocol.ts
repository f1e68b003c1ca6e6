/** The libraries that are compared; `ours` is what the others are measured against. */
export const PEERS = ['jaxjs', 'tfjs', 'ort'] as const;
export type Peer = (typeof PEERS)[number];
export type LibraryName = 'ours' | Peer;

/** What the parent asks of a child; it answers each with a reply, in order. */
export type Request =
  /** Waits until the library has stopped working in the background. */
  | { readonly ask: 'rest' }
  /** Builds a workload, computes it once, and runs it twice to warm up. */
  | { readonly ask: 'prepare'; readonly workload: string }
  /** Times so many runs. */
  | { readonly ask: 'time'; readonly runs: number }
  | { readonly ask: 'drop' };

export type Reply =
  | { readonly told: 'ready'; readonly kind: string; readonly description: string }
  | { readonly told: 'done' }
  | { readonly told: 'prepared'; readonly samples: Samples; readonly ms: number }
  /** The library has no way to compute the workload, or no such adapter; or it failed to. */
  | { readonly told: 'lacks' | 'failed'; readonly why: string }
  /** Per run. */
  | { readonly told: 'timed'; readonly ms: number };

/** Some elements of each result, at the same places in every library. */
export type Samples = Readonly<Record<string, readonly number[]>>;
