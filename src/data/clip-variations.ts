import type { Rng } from './rng.ts';

/** [T, H, W, C] of a clip. */
type ClipShape = readonly [number, number, number, number];

interface Resampling {
  readonly start: number;
  readonly length: number;
  readonly dy: number;
  readonly dx: number;
  /** For each frame, in frames. */
  readonly times: readonly number[];
}

/** A part of a clip stretched to the whole (nearest frames, each `times` away from its place), and shifted, edges repeated. */
export function resample(
  sample: Float32Array,
  [frames, height, width, channels]: ClipShape,
  { start, length, dy, dx, times }: Resampling,
): void {
  const source = sample.slice();
  const clampTo = (value: number, most: number) => Math.min(Math.max(value, 0), most - 1);
  const places = times
    .map((away, t) => (start + (length * t) / Math.max(frames - 1, 1)) * (frames - 1) + away)
    .map((place) => clampTo(Math.round(place), frames))
    .sort((a, b) => a - b);
  for (let t = 0; t < frames; t++) {
    const from = places[t] ?? 0;
    for (let y = 0; y < height; y++) {
      const row = (from * height + clampTo(y + dy, height)) * width;
      for (let x = 0; x < width; x++) {
        const at = (row + clampTo(x + dx, width)) * channels;
        const to = ((t * height + y) * width + x) * channels;
        for (let c = 0; c < channels; c++) sample[to + c] = source[at + c] ?? 0;
      }
    }
  }
}

/** Left and right exchanged. */
export function flipClip(sample: Float32Array, [, , width, channels]: ClipShape): void {
  const row = width * channels;
  const before = sample.slice();
  for (let k = 0; k < sample.length; k++) {
    const [x, c] = [Math.floor((k % row) / channels), k % channels];
    sample[k] = before[k - (k % row) + (width - 1 - x) * channels + c] ?? 0;
  }
}

/** A drawn window of all frames enlarged to full size, bilinearly; it keeps at least `1 − cut` of each side, and its proportions. */
export function zoom(
  sample: Float32Array,
  [frames, height, width, channels]: ClipShape,
  cut: number,
  rng: Rng,
): void {
  const side = 1 - rng.uniform(0, cut);
  const [top, left] = [rng.uniform(0, 1 - side), rng.uniform(0, 1 - side)];
  const rows = places(height, top, side);
  const columns = places(width, left, side);
  const source = sample.slice();
  for (let t = 0; t < frames; t++)
    for (const [y, [y0, y1, down]] of rows.entries())
      for (const [x, [x0, x1, along]] of columns.entries())
        for (let c = 0; c < channels; c++) {
          const at = (i: number, j: number) => source[((t * height + i) * width + j) * channels + c] ?? 0;
          const above = at(y0, x0) * (1 - along) + at(y0, x1) * along;
          const below = at(y1, x0) * (1 - along) + at(y1, x1) * along;
          sample[((t * height + y) * width + x) * channels + c] = above * (1 - down) + below * down;
        }
}

/** For each of n pixels: the two that it lies between in the window, and the share of the second. Pixels are areas. */
function places(n: number, start: number, side: number): [before: number, after: number, share: number][] {
  return Array.from({ length: n }, (_, i) => {
    const at = Math.min(Math.max(start * n + (i + 0.5) * side - 0.5, 0), n - 1);
    const before = Math.floor(at);
    return [before, Math.min(before + 1, n - 1), at - before];
  });
}

interface Colours {
  readonly gain: number;
  readonly contrast: number;
  readonly saturation: number;
}

/** Contrast about the clip's mean, saturation about each pixel's mean, then brightness; what leaves [0, 1] is cut off. */
export function recolour(
  sample: Float32Array,
  channels: number,
  { gain, contrast, saturation }: Colours,
): void {
  if (contrast !== 1) spread(sample, sample.length, contrast);
  if (saturation !== 1)
    for (let k = 0; k < sample.length; k += channels)
      spread(sample.subarray(k, k + channels), channels, saturation);
  for (let k = 0; k < sample.length; k++) sample[k] = Math.min(1, Math.max(0, (sample[k] ?? 0) * gain));
}

/** `mean + factor (x − mean)`. */
function spread(values: Float32Array, count: number, factor: number): void {
  const mean = values.reduce((a, b) => a + b, 0) / count;
  for (let k = 0; k < count; k++) values[k] = mean + factor * ((values[k] ?? 0) - mean);
}
