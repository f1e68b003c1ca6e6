// Kernels that do one thing each, as fast as the adapter can: what a roof is measured with.
import { readFileSync } from 'node:fs';
import { reflect } from '../scripts/reflect.ts';
import { foldGroups, run } from '../src/kernels/run.ts';
import type { Device } from '../src/tensor/device.ts';
import type { ShaderFile } from '../src/tensor/pipelines.ts';
import type { Tensor } from '../src/tensor/tensor.ts';
import { type Job, measure, timeOf } from './measure.ts';

const FILE = 'roofline.wgsl';
const THREADS = 64;
const ROUNDS = 2;
const MOST_STEPS = 1 << 20;

const shader = reflect(FILE, readFileSync(new URL(FILE, import.meta.url), 'utf8')) as unknown as ShaderFile;

/** A job that does `work` flops or moves as many bytes. */
export interface WorkJob extends Job {
  readonly work: number;
}

interface LaunchSize {
  readonly groups: number;
  readonly count?: number;
  readonly steps?: number;
  readonly constants?: Readonly<Record<string, number>>;
}

/** The shader and the memory it works on. */
export class RoofKernels {
  readonly #device: Device;
  /** ms one call of a kernel should take. */
  readonly #callTime: number;
  readonly #source: Tensor;
  readonly #destination: Tensor;

  /** `seconds`: about how long all measurements may take; below 1 only for tests. */
  constructor(device: Device, seconds: number) {
    this.#device = device;
    this.#callTime = Math.max((1000 * seconds) / 150, 1);
    // Beyond the caches of a processor, and of a card.
    const most = device.traits.software ? 2 ** 25 : 2 ** 28;
    const bytes = seconds < 1 ? 2 ** 20 : Math.min(device.gpu.limits.maxStorageBufferBindingSize, most);
    this.#source = device.keep(device.scope(() => device.tensor(new Float32Array(bytes / 4).fill(1))));
    this.#destination = device.keep(device.scope(() => device.allocate([bytes / 4], 'f32', 'roofline')));
  }

  dispose(): void {
    this.#source.dispose();
    this.#destination.dispose();
  }

  /** The best of three ways to keep the units busy; its work is flops. */
  async multiplyAdd(): Promise<WorkJob> {
    const groups = this.#device.traits.software ? 64 : 8192;
    const jobs: WorkJob[] = [];
    for (const chains of [2, 4, 8]) {
      const launch = (steps: number) => this.launch(`fma${chains}`, { groups, steps });
      const steps = await this.calibrate(launch);
      jobs.push({ run: () => launch(steps), work: groups * THREADS * steps * chains * 4 * 4 * 2 });
    }
    return this.#best(jobs);
  }

  /** The best of a few numbers of elements a thread; its work is bytes. */
  copy(entry: 'copy' | 'copyScalar', width: number): Promise<WorkJob> {
    const count = this.#source.size / width;
    const jobs = (width === 4 ? [1, 4, 16] : [1, 4]).map((each) => {
      const size = { groups: Math.ceil(count / each / THREADS), count, constants: { PER_THREAD: each } };
      return { run: () => this.launch(entry, size), work: 2 * this.#source.bytes };
    });
    return this.#best(jobs);
  }

  /** Its work is bytes. */
  async workgroupMemory(): Promise<WorkJob> {
    const groups = this.#device.traits.software ? 4 : 1024;
    const launch = (steps: number) => this.launch('workgroupReads', { groups, steps });
    const steps = await this.calibrate(launch);
    return { run: () => launch(steps), work: groups * THREADS * 16 * steps };
  }

  /** Its work is barriers of one workgroup. */
  async barrier(): Promise<WorkJob> {
    const launch = (steps: number) => this.launch('barriers', { groups: 1, steps });
    const steps = await this.calibrate(launch);
    return { run: () => launch(steps), work: steps };
  }

  /** Its work is workgroups. */
  zeroing(): WorkJob {
    const groups = this.#device.traits.software ? 32 : 1024;
    return { run: () => this.launch('zeroed', { groups }), work: groups };
  }

  launch(entry: string, { groups, count = 0, steps = 0, constants = {} }: LaunchSize): void {
    const [source, destination] = [this.#source, this.#destination];
    const all = { source, destination, sourceScalar: source, destinationScalar: destination };
    const params = { count, steps, scale: 0.5 };
    run(shader, entry, all, params, { groups: foldGroups(groups), constants });
  }

  /** Time of one call and the wait for it, in ms. */
  async once(launch: () => void): Promise<number> {
    await this.#device.idle();
    const began = performance.now();
    launch();
    await this.#device.idle();
    return performance.now() - began;
  }

  /** Work in a ms at its best. */
  async rate(job: WorkJob): Promise<number> {
    const [rate = Number.NaN] = await this.#rates([job]);
    return rate;
  }

  /** Steps with which a call takes about as long as wanted. */
  async calibrate(launch: (steps: number) => void): Promise<number> {
    let steps = 16;
    await this.once(() => launch(steps)); // builds the pipeline
    const base = await this.once(() => launch(steps));
    for (;;) {
      steps *= 4;
      const time = (await this.once(() => launch(steps))) - base;
      if (steps >= MOST_STEPS) return MOST_STEPS;
      if (time >= this.#callTime / 2) return Math.min(Math.ceil((steps * this.#callTime) / time), MOST_STEPS);
    }
  }

  async #best(jobs: readonly WorkJob[]): Promise<WorkJob> {
    const rates = await this.#rates(jobs);
    return jobs[rates.indexOf(Math.max(...rates))] as WorkJob;
  }

  async #rates(jobs: readonly WorkJob[]): Promise<number[]> {
    const measured = await measure(this.#device, jobs, { rounds: ROUNDS, roundTime: this.#callTime });
    return measured.map((times, i) => (jobs[i]?.work ?? 0) / timeOf(times).min);
  }
}
