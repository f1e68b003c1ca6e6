import { find } from './dom.ts';

/** Milliseconds a clip takes. */
const PERIOD = 2400;

/** Plays clips in step: calls `draw` with the share of the clip that has passed; a slider and a button steer it. */
export class Player {
  readonly #draw: (time: number) => void;
  readonly #button = find('play', HTMLButtonElement);
  readonly #slider = find('time', HTMLInputElement);
  #playing = !matchMedia('(prefers-reduced-motion: reduce)').matches;
  #time = 0;
  #last = 0;

  constructor(draw: (time: number) => void) {
    this.#draw = draw;
    this.#button.addEventListener('click', () => this.#play(!this.#playing));
    this.#slider.addEventListener('input', () => {
      this.#play(false);
      this.#time = this.#slider.valueAsNumber;
      this.redraw();
    });
    this.#play(this.#playing);
    requestAnimationFrame((now) => this.#tick(now));
  }

  redraw(): void {
    this.#draw(Math.min(this.#time, 0.9999));
  }

  #play(playing: boolean): void {
    this.#playing = playing;
    this.#button.textContent = playing ? 'Pause clip' : 'Play clip';
  }

  #tick(now: number): void {
    if (this.#playing) {
      this.#time = (this.#time + (now - this.#last) / PERIOD) % 1;
      this.#slider.value = String(this.#time);
      this.redraw();
    }
    this.#last = now;
    requestAnimationFrame((next) => this.#tick(next));
  }
}
