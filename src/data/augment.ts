import { check } from '../errors.ts';
import { flipClip, recolour, resample, zoom } from './clip-variations.ts';
import { Rng } from './rng.ts';
import { addNoise, mirrorPose, stretch, tilt, turnAndScale } from './skeleton-variations.ts';

/**
 * How training samples are varied. Amounts are the widest deviation of a uniform draw, unless they say otherwise; 0, or left out,
 * switches one off.
 */
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
  /** Probability that a sample is mirrored, left and right exchanged: clip and skeleton together. Not where classes tell them apart. */
  readonly flip?: number;
  /** Turn of the skeleton about each horizontal axis through its first frame's mean, radians. */
  readonly tilt?: number;
  /** Standard deviation of the noise of each coordinate of a joint in each frame, metres. */
  readonly noise?: number;
  /** How far from its place in time a frame of a clip may be taken, in frames; their order stays. */
  readonly jitter?: number;
  /** Share of the height and width of a clip that may be cut off, the rest being enlarged to full size. */
  readonly zoom?: number;
  /** Relative change of the difference of each pixel from the clip's mean. */
  readonly contrast?: number;
  /** Relative change of the difference of each channel from the pixel's mean over the channels. */
  readonly saturation?: number;
}

export const NO_AUGMENTATION: Augmentation = { turn: 0, scale: 0, crop: 0, shift: 0, brightness: 0 };

/** What each stream of a sample's generator is for. */
const STREAM = { time: 1, clip: 2, flip: 3, tilt: 4, noise: 5, jitter: 6, zoom: 7, colour: 8 } as const;

/**
 * Varies skeletons [n, T, V, 3] in place: cropped in time and stretched back (linear interpolation), mirrored, turned, scaled, with noise.
 * `keys[i]` alone decides how sample i is varied. `mirror[v]` is the joint on the other side of joint v (`mirrorJoints`). Throws
 * `ShapeError` for `flip` without one for each joint.
 */
export function augmentSkeletons(
  data: Float32Array,
  [frames, joints]: readonly [number, number, number],
  keys: readonly number[],
  amount: Augmentation,
  mirror: readonly number[] = [],
): void {
  const { flip = 0 } = amount;
  const paired = flip === 0 || mirror.length === joints;
  check(paired, 'augmentSkeletons', () => `flip needs the mirror image of each of ${joints} joints`);
  const size = frames * joints * 3;
  for (const [i, key] of keys.entries()) {
    const rng = new Rng(key, STREAM.time);
    const sample = data.subarray(i * size, (i + 1) * size);
    stretch(sample, frames, joints * 3, window(rng, amount.crop));
    if (isFlipped(key, flip)) mirrorPose(sample, mirror);
    const angle = rng.uniform(-amount.turn, amount.turn);
    turnAndScale(sample, joints, angle, 1 + rng.uniform(-amount.scale, amount.scale));
    if (amount.tilt) tilt(sample, joints, amount.tilt, new Rng(key, STREAM.tilt));
    if (amount.noise) addNoise(sample, amount.noise, new Rng(key, STREAM.noise));
  }
}

/**
 * Varies clips [n, T, H, W, C] in [0, 1] in place: cropped and jittered in time (nearest frame), shifted, mirrored, enlarged, brightened,
 * with other contrast and saturation. Crop and mirroring equal those of the skeleton with the same key.
 */
export function augmentClips(
  data: Float32Array,
  shape: readonly [number, number, number, number],
  keys: readonly number[],
  amount: Augmentation,
): void {
  const size = shape.reduce((a, b) => a * b, 1);
  const { jitter = 0, zoom: cut = 0, flip = 0, brightness, contrast = 0, saturation = 0 } = amount;
  for (const [i, key] of keys.entries()) {
    const [start, length] = window(new Rng(key, STREAM.time), amount.crop);
    const draw = new Rng(key, STREAM.clip);
    const shift = () => Math.round(draw.uniform(-amount.shift, amount.shift));
    const sample = data.subarray(i * size, (i + 1) * size);
    const late = new Rng(key, STREAM.jitter);
    const times = Array.from({ length: shape[0] }, () => late.uniform(-jitter, jitter));
    resample(sample, shape, { start, length, dy: shift(), dx: shift(), times });
    if (isFlipped(key, flip)) flipClip(sample, shape);
    if (cut > 0) zoom(sample, shape, cut, new Rng(key, STREAM.zoom));
    const colour = new Rng(key, STREAM.colour);
    const gain = 1 + draw.uniform(-brightness, brightness);
    const vary = (most: number) => 1 + colour.uniform(-most, most);
    recolour(sample, shape[3], { gain, contrast: vary(contrast), saturation: vary(saturation) });
  }
}

/** Start and length of the kept part of a sequence, as shares of it. */
function window(rng: Rng, crop: number): [start: number, length: number] {
  const length = 1 - rng.uniform(0, crop);
  return [rng.uniform(0, 1 - length), length];
}

function isFlipped(key: number, flip: number): boolean {
  return new Rng(key, STREAM.flip).uniform() < flip;
}
