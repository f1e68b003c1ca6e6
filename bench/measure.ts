import type { Device } from '../src/tensor/device.ts';
import { type Timing, timingOf } from './stats.ts';

/** Something to time: `run` enqueues it once; tensors it makes are freed. */
export interface Job {
  readonly run: () => unknown;
}

export interface MeasureOptions {
  readonly rounds: number;
  /** A round repeats a job until it takes about so many ms, so that one wait is not what is measured. */
  readonly roundTime?: number;
  /** Called before each job of each round, with the share that is done. */
  readonly onProgress?: (done: number, job: Job) => void;
}

/** Times of one call in ms. */
export interface Measured {
  /** From enqueuing until the GPU is done, repeated calls behind one another. */
  readonly wall: Timing;
  /** By timestamps, the sum over its kernels; undefined without them. */
  readonly gpu: Timing | undefined;
  /** Share of a call's wall time in none of its kernels, both of one profiled call, which adds to it: a bound. Undefined without timestamps. */
  readonly outside: number | undefined;
  readonly dispatches: number;
}

const MOST_REPEATS = 500;

/** Times jobs in interleaved rounds (a, b, a, b, …), so that what slows the machine down meets all of them. */
export async function measure(
  device: Device,
  jobs: readonly Job[],
  { rounds, roundTime = 30, onProgress }: MeasureOptions,
): Promise<Measured[]> {
  const runners: Runner[] = [];
  const all = jobs.length * (rounds + 1);
  for (const [i, job] of jobs.entries()) {
    onProgress?.(i / all, job);
    runners.push(await Runner.warm(device, job, roundTime));
  }
  for (let round = 1; round <= rounds; round++) {
    for (const [i, runner] of runners.entries()) {
      onProgress?.((round * jobs.length + i) / all, runner.job);
      await runner.round();
    }
  }
  return runners.map((runner) => runner.result());
}

/** The better of both times: the GPU's own, or the wall's where it has none. */
export function timeOf({ gpu, wall }: Pick<Measured, 'gpu' | 'wall'>): Timing {
  return gpu ?? wall;
}

class Runner {
  readonly #device: Device;
  readonly job: Job;
  readonly #repeats: number;
  readonly #dispatches: number;
  readonly #wall: number[] = [];
  readonly #gpu: number[] = [];
  readonly #outside: number[] = [];

  private constructor(device: Device, job: Job, repeats: number, dispatches: number) {
    this.#device = device;
    this.job = job;
    this.#repeats = repeats;
    this.#dispatches = dispatches;
  }

  /** Builds the pipelines, fills the pool, and finds out how often to repeat the job. */
  static async warm(device: Device, job: Job, roundTime: number): Promise<Runner> {
    await callOften(device, job, 2);
    const before = device.queue.dispatches;
    const once = await callOften(device, job, 1);
    const repeats = Math.ceil(Math.min(Math.max(roundTime / once, 1), MOST_REPEATS));
    return new Runner(device, job, repeats, device.queue.dispatches - before);
  }

  async round(): Promise<void> {
    this.#wall.push((await callOften(this.#device, this.job, this.#repeats)) / this.#repeats);
    const { kernels, timed, wall } = await this.#device.profile(() => callOnce(this.#device, this.job));
    if (!timed) return;
    const gpu = kernels.reduce((sum, { time }) => sum + (time ?? 0), 0);
    this.#gpu.push(gpu);
    this.#outside.push(1 - gpu / wall);
  }

  result(): Measured {
    const timed = this.#gpu.length > 0;
    return {
      wall: timingOf(this.#wall),
      gpu: timed ? timingOf(this.#gpu) : undefined,
      outside: timed ? timingOf(this.#outside).median : undefined,
      dispatches: this.#dispatches,
    };
  }
}

function callOnce(device: Device, job: Job): void {
  device.scope(() => {
    job.run();
  });
}

/** Wall time in ms of `times` calls and of their work. */
async function callOften(device: Device, job: Job, times: number): Promise<number> {
  const began = performance.now();
  for (let i = 0; i < times; i++) callOnce(device, job);
  await device.idle();
  return performance.now() - began;
}
