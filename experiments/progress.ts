import { Presets, SingleBar } from 'cli-progress';
import { Interrupted } from './errors.ts';

/** What the line shows besides the bar. */
export interface Status {
  readonly loss?: number;
  readonly accuracy?: number;
}

/** Where progress is shown. */
type ProgressStream = NodeJS.WritableStream & { readonly isTTY?: boolean };

const FORMAT = '{phase} {bar} {percentage}% | loss {loss} | acc {accuracy} | {rate} samples/s | {left} left';

/**
 * The progress of a whole run, in units of one forward pass of one sample. On a terminal a bar, elsewhere a line per
 * phase. Every report is also where an interruption takes effect.
 */
export class Progress {
  readonly #total: number;
  readonly #bar: SingleBar | undefined;
  readonly #signal: AbortSignal;
  readonly #stream: ProgressStream;
  readonly #start = performance.now();
  #done = 0;
  /** Units that were found finished when a run is resumed: they took no time. */
  #skipped = 0;
  #phase = '';
  #phaseStart = performance.now();
  #samples = 0;

  constructor(total: number, signal: AbortSignal, stream: ProgressStream = process.stderr) {
    this.#total = total;
    this.#signal = signal;
    this.#stream = stream;
    if (stream.isTTY) {
      this.#bar = new SingleBar(
        { format: FORMAT, stream, hideCursor: true, barsize: 20 },
        Presets.shades_classic,
      );
      this.#bar.start(Math.round(total), 0, { phase: '', loss: '–', accuracy: '–', rate: '–', left: '–' });
    }
  }

  phase(name: string): void {
    this.check();
    this.#phase = name;
    this.#phaseStart = performance.now();
    this.#samples = 0;
    if (!this.#bar) this.#stream.write(`${this.#percent()} ${name}\n`);
  }

  /** `samples` more samples, `units` of work each. Throws `Interrupted` when the run is to stop. */
  async advance(samples: number, units: number, status: Status = {}): Promise<void> {
    this.#done += samples * units;
    this.#samples += samples;
    const rate = this.#samples / ((performance.now() - this.#phaseStart) / 1000);
    this.#bar?.update(Math.min(Math.round(this.#done), Math.round(this.#total)), {
      phase: this.#phase.padEnd(30),
      loss: status.loss?.toFixed(3) ?? '–',
      accuracy: status.accuracy === undefined ? '–' : `${Math.round(100 * status.accuracy)} %`,
      rate: rate.toFixed(rate < 10 ? 1 : 0),
      left: this.#left(),
    });
    await new Promise((resolve) => setImmediate(resolve)); // lets Ctrl-C in
    this.check();
  }

  /** Work that an interrupted run had finished. */
  skip(units: number): void {
    this.#done += units;
    this.#skipped += units;
  }

  check(): void {
    if (this.#signal.aborted) throw new Interrupted();
  }

  stop(): void {
    this.#bar?.stop();
  }

  #percent(): string {
    return `${Math.min(100, Math.round((100 * this.#done) / this.#total))} %`.padStart(5);
  }

  #left(): string {
    const worked = this.#done - this.#skipped;
    if (worked <= 0) return '–';
    const seconds =
      ((performance.now() - this.#start) / 1000 / worked) * Math.max(0, this.#total - this.#done);
    return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
  }
}
