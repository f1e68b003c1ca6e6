import { check } from '../errors.ts';
import type { Rng } from './rng.ts';

/** How the samples of a batch are mixed in pairs, inputs and labels alike. */
export interface Mixing {
  /** `mixup`: all values (Zhang et al. 2018); `cutmix`: a box of the pixels, a stretch of the skeleton's frames (Yun et al. 2019). */
  readonly kind: 'mixup' | 'cutmix';
  /** The share λ that a sample keeps is drawn from Beta(α, α), once a batch; 1 is uniform. */
  readonly alpha: number;
}

/** The mixing of one batch: one draw of partners and of their share, for all its modalities. */
export class BatchMixer {
  /** The row that each row is mixed with. */
  readonly order: readonly number[];
  readonly #mixing: Mixing;
  readonly #rng: Rng;
  readonly #drawn: number;
  readonly #kept: number[] = [];

  /** For `size` samples. Throws `ShapeError` unless 0 < α ≤ 8. */
  constructor(mixing: Mixing, size: number, rng: Rng) {
    this.#mixing = mixing;
    this.#rng = rng;
    this.order = rng.shuffled(Array.from({ length: size }, (_, i) => i));
    this.#drawn = betaShare(rng, mixing.alpha);
  }

  /** Mixes clips [n, T, H, W, C] in place. */
  clips(data: Float32Array, shape: readonly [number, number, number, number]): void {
    const mix = this.#mixing.kind === 'cutmix' ? cutmixClips : mixup;
    this.#kept.push(mix(data, shape, this.order, this.#drawn, this.#rng));
  }

  /** Mixes skeletons [n, T, V, 3] in place. */
  skeletons(data: Float32Array, shape: readonly [number, number, number]): void {
    const mix = this.#mixing.kind === 'cutmix' ? cutmixSkeletons : mixup;
    this.#kept.push(mix(data, shape, this.order, this.#drawn, this.#rng));
  }

  /** What samples keep, in the mean over the modalities mixed: λ of the labels. */
  get share(): number {
    return this.#kept.reduce((a, b) => a + b, 0) / this.#kept.length;
  }
}

/** A draw from Beta(α, α) by Jöhnk's method, which is quick for α up to about 2. Throws `ShapeError` unless 0 < α ≤ 8. */
export function betaShare(rng: Rng, alpha: number): number {
  check(alpha > 0 && alpha <= 8, 'betaShare', () => `alpha must be in (0, 8]; got ${alpha}`);
  for (;;) {
    const [x, y] = [rng.uniform() ** (1 / alpha), rng.uniform() ** (1 / alpha)];
    if (x + y > 0 && x + y <= 1) return x / (x + y);
  }
}

/** mixup in place: `x_i ← λ x_i + (1 − λ) x_order[i]`, [n, …] with `shape` the axes after the first. Returns λ. */
export function mixup(
  data: Float32Array,
  shape: readonly number[],
  order: readonly number[],
  share: number,
): number {
  replaceRows(
    data,
    shape,
    order,
    (own, other) => share * own + (1 - share) * other,
    () => true,
  );
  return share;
}

/**
 * CutMix of clips [n, T, H, W, C] in place: in all frames, a box of (1 − λ) of the area comes from sample `order[i]`, its centre drawn
 * from `rng` and cut off at the edges. Returns the share that samples keep.
 */
export function cutmixClips(
  data: Float32Array,
  shape: readonly [number, number, number, number],
  order: readonly number[],
  share: number,
  rng: Rng,
): number {
  const [, height, width, channels] = shape;
  const [top, bottom] = span(rng, height, Math.sqrt(1 - share));
  const [left, right] = span(rng, width, Math.sqrt(1 - share));
  replaceRows(data, shape, order, takeOther, (k) => {
    const pixel = Math.floor(k / channels);
    const [y, x] = [Math.floor(pixel / width) % height, pixel % width];
    return y >= top && y < bottom && x >= left && x < right;
  });
  return 1 - ((bottom - top) * (right - left)) / (height * width);
}

/**
 * CutMix of skeletons [n, T, V, 3] in place: a stretch of (1 − λ) of the frames comes from sample `order[i]`, its centre drawn from
 * `rng` and cut off at the ends. Returns the share that samples keep.
 */
export function cutmixSkeletons(
  data: Float32Array,
  shape: readonly [number, number, number],
  order: readonly number[],
  share: number,
  rng: Rng,
): number {
  const [frames, joints] = shape;
  const [begin, end] = span(rng, frames, 1 - share);
  replaceRows(data, shape, order, takeOther, (k) => {
    const frame = Math.floor(k / (3 * joints));
    return frame >= begin && frame < end;
  });
  return 1 - (end - begin) / frames;
}

const takeOther = (_: number, other: number) => other;

/** A stretch of `share` of `n` places about a drawn centre, cut off at the ends: [begin, end). */
function span(rng: Rng, n: number, share: number): [begin: number, end: number] {
  const length = Math.round(n * share);
  const begin = rng.integer(n) - Math.floor(length / 2);
  return [Math.max(begin, 0), Math.min(begin + length, n)];
}

/** `x_i[k] ← f(x_i[k], x_order[i][k])` where `inside(k)`. */
function replaceRows(
  data: Float32Array,
  shape: readonly number[],
  order: readonly number[],
  f: (own: number, other: number) => number,
  inside: (k: number) => boolean,
): void {
  const size = shape.reduce((a, b) => a * b, 1);
  const before = data.slice();
  for (let k = 0; k < size; k++) {
    if (!inside(k)) continue;
    for (const [i, other] of order.entries())
      data[i * size + k] = f(before[i * size + k] ?? 0, before[other * size + k] ?? 0);
  }
}
