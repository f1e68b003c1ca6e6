import type { Look } from './attack.ts';
import { find } from './dom.ts';

type Shape = readonly [frames: number, height: number, width: number, channels: number];
type Pixels = ArrayLike<number>;

/** The clip before and after the attack, and the change magnified around grey. */
export class FramesView {
  readonly #shape: Shape;
  readonly #note = find('frames-note', HTMLElement);
  #clips: [HTMLCanvasElement, Pixels][] = [];
  #drawn = -1;

  constructor(shape: Shape) {
    this.#shape = shape;
  }

  show({ rgb: clean }: Look, { rgb: attacked }: Look): void {
    const largest = largestChange(clean, attacked);
    const factor = Math.max(1, Math.floor(0.5 / largest));
    const change = Array.from(clean, (v, i) =>
      largest === 0 ? 0.5 : 0.5 + factor * ((attacked[i] ?? v) - v),
    );
    this.#note.textContent = largest === 0 ? 'no change' : `change × ${factor}`;
    this.#clips = [
      [find('frames-clean', HTMLCanvasElement), clean],
      [find('frames-attacked', HTMLCanvasElement), attacked],
      [find('frames-change', HTMLCanvasElement), change],
    ];
    this.#drawn = -1;
  }

  draw(time: number): void {
    const frame = Math.floor(time * this.#shape[0]);
    if (frame === this.#drawn) return;
    this.#drawn = frame;
    for (const [target, pixels] of this.#clips) paint(target, pixels, this.#shape, frame);
  }
}

export function largestChange(clean: Pixels, attacked: Pixels): number {
  let most = 0;
  for (let i = 0; i < clean.length; i++)
    most = Math.max(most, Math.abs((attacked[i] ?? 0) - (clean[i] ?? 0)));
  return most;
}

function paint(
  target: HTMLCanvasElement,
  pixels: Pixels,
  [, height, width, channels]: Shape,
  frame: number,
): void {
  if (target.width !== width) target.width = width;
  if (target.height !== height) target.height = height;
  const image = new ImageData(width, height);
  const start = frame * height * width * channels;
  for (let at = 0; at < height * width; at++) {
    for (let c = 0; c < 3; c++) {
      image.data[4 * at + c] = 255 * (pixels[start + at * channels + Math.min(c, channels - 1)] ?? 0);
    }
    image.data[4 * at + 3] = 255;
  }
  target.getContext('2d')?.putImageData(image, 0, 0);
}
