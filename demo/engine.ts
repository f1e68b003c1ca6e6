import type { Calls, EpochMetrics, Events, Failure, Reply, StepMetrics } from './protocol.ts';
import type { Progress } from './training.ts';

/** An error of the worker, under its name. */
class EngineError extends Error {
  constructor({ name, message }: Failure) {
    super(message);
    this.name = name;
  }
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The page's side of the worker that computes; keeps the curves of the training that goes on there. */
export class Engine {
  /** Of the last training that was begun. */
  progress: Progress | undefined;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #events: Events;
  #calls = 0;

  constructor(events: Events) {
    this.#events = events;
    this.#worker = new Worker(new URL('./engine-worker.ts', import.meta.url), { type: 'module' });
    this.#worker.onmessage = ({ data }: MessageEvent<Reply>) => this.#hear(data);
    this.#worker.onerror = ({ message }) => events.onError({ name: 'Error', message });
  }

  /** Rejects with an error of the name it had in the worker. */
  ask<K extends keyof Calls>(ask: K, ...given: Parameters<Calls[K]>): Promise<ReturnType<Calls[K]>> {
    const id = this.#calls++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as Pending['resolve'], reject });
      this.#worker.postMessage({ id, ask, with: given[0] });
    });
  }

  async renew(choice: Parameters<Calls['renew']>[0]): Promise<Progress> {
    const length = await this.ask('renew', choice);
    this.progress = { ...length, history: { steps: [], validation: [], samplesPerSecond: 0 } };
    return this.progress;
  }

  #hear(reply: Reply): void {
    if ('event' in reply) {
      this.#note(reply);
      (this.#events[reply.event] as (...given: readonly unknown[]) => void)(...reply.with);
      return;
    }
    const pending = this.#pending.get(reply.answer);
    this.#pending.delete(reply.answer);
    if ('failure' in reply) pending?.reject(new EngineError(reply.failure));
    else pending?.resolve(reply.value);
  }

  #note({ event, with: given }: Extract<Reply, { event: unknown }>): void {
    const history = this.progress?.history;
    if (!history) return;
    if (event === 'onStep') {
      history.steps.push(given[0] as StepMetrics);
      history.samplesPerSecond = given[1] as number;
    } else if (event === 'onEpoch') history.validation.push(given[0] as EpochMetrics);
  }
}
