import { Rng } from './rng.ts';

/** How training samples are varied. All amounts are the widest deviation of a uniform draw; 0 switches one off. */
export interface Augmentation {
  /** Turn of the skeleton about the vertical (y) axis through its first frame's mean, radians. */
  readonly turn: number;
  /** Relative change of the skeleton's size. */
  readonly scale: number;
  /** Share of a sequence that may be cut off at its ends, the rest being stretched to full length. */
  readonly crop: number;
  /** Shift of the frames in pixels, edges repeated. */
  readonly shift: number;
  /** Relative change of the frames' brightness. */
  readonly brightness: number;
}

export const NO_AUGMENTATION: Augmentation = { turn: 0, scale: 0, crop: 0, shift: 0, brightness: 0 };

/**
 * Varies skeletons [n, T, V, 3] in place: cropped in time and stretched back (linear interpolation), turned, scaled.
 * `keys[i]` alone decides how sample i is varied.
 */
export function augmentSkeletons(
  data: Float32Array,
  [frames, joints]: readonly [number, number, number],
  keys: readonly number[],
  amount: Augmentation,
): void {
  const size = frames * joints * 3;
  for (const [i, key] of keys.entries()) {
    const rng = new Rng(key, 1);
    const sample = data.subarray(i * size, (i + 1) * size);
    stretch(sample, frames, joints * 3, window(rng, amount.crop));
    turnAndScale(
      sample,
      joints,
      rng.uniform(-amount.turn, amount.turn),
      1 + rng.uniform(-amount.scale, amount.scale),
    );
  }
}

/**
 * Varies clips [n, T, H, W, C] in [0, 1] in place: cropped in time (nearest frame), shifted, brightened. The crop equals
 * that of the skeleton with the same key.
 */
export function augmentClips(
  data: Float32Array,
  shape: readonly [number, number, number, number],
  keys: readonly number[],
  amount: Augmentation,
): void {
  const size = shape.reduce((a, b) => a * b, 1);
  for (const [i, key] of keys.entries()) {
    const rng = new Rng(key, 1);
    const [start, length] = window(rng, amount.crop);
    const draw = new Rng(key, 2);
    const shift = () => Math.round(draw.uniform(-amount.shift, amount.shift));
    const sample = data.subarray(i * size, (i + 1) * size);
    resample(sample, shape, { start, length, dy: shift(), dx: shift() });
    const gain = 1 + draw.uniform(-amount.brightness, amount.brightness);
    for (let k = 0; k < size; k++) sample[k] = Math.min(1, Math.max(0, (sample[k] ?? 0) * gain));
  }
}

/** Start and length of the kept part of a sequence, as shares of it. */
function window(rng: Rng, crop: number): [start: number, length: number] {
  const length = 1 - rng.uniform(0, crop);
  return [rng.uniform(0, 1 - length), length];
}

function stretch(
  sample: Float32Array,
  frames: number,
  width: number,
  [start, length]: [number, number],
): void {
  const source = sample.slice();
  for (let t = 0; t < frames; t++) {
    const at = (start + (length * t) / Math.max(frames - 1, 1)) * (frames - 1);
    const before = Math.min(Math.floor(at), frames - 1);
    const after = Math.min(before + 1, frames - 1);
    const share = at - before;
    for (let k = 0; k < width; k++) {
      const value =
        (source[before * width + k] ?? 0) * (1 - share) + (source[after * width + k] ?? 0) * share;
      sample[t * width + k] = value;
    }
  }
}

/** About the mean of the first frame, so that the place in the room stays. */
function turnAndScale(sample: Float32Array, joints: number, angle: number, scale: number): void {
  const centre = [0, 1, 2].map((axis) => {
    let sum = 0;
    for (let v = 0; v < joints; v++) sum += sample[v * 3 + axis] ?? 0;
    return sum / joints;
  });
  const [cx = 0, cy = 0, cz = 0] = centre;
  const [cos, sin] = [Math.cos(angle) * scale, Math.sin(angle) * scale];
  for (let k = 0; k < sample.length; k += 3) {
    const x = (sample[k] ?? 0) - cx;
    const z = (sample[k + 2] ?? 0) - cz;
    sample[k] = cx + cos * x + sin * z;
    sample[k + 1] = cy + scale * ((sample[k + 1] ?? 0) - cy);
    sample[k + 2] = cz - sin * x + cos * z;
  }
}

function resample(
  sample: Float32Array,
  [frames, height, width, channels]: readonly [number, number, number, number],
  { start, length, dy, dx }: { start: number; length: number; dy: number; dx: number },
): void {
  const source = sample.slice();
  const clampTo = (value: number, most: number) => Math.min(Math.max(value, 0), most - 1);
  for (let t = 0; t < frames; t++) {
    const from = clampTo(Math.round((start + (length * t) / Math.max(frames - 1, 1)) * (frames - 1)), frames);
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
