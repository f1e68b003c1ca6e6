import { check } from '../errors.ts';
import type { Rng } from './rng.ts';

/** A part of a sequence stretched to the whole, by linear interpolation between frames of `width` numbers. */
export function stretch(
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

/** About the vertical axis through the mean of the first frame, so that the place in the room stays. */
export function turnAndScale(sample: Float32Array, joints: number, angle: number, scale: number): void {
  const [cx, cy, cz] = centreOf(sample, joints);
  const [cos, sin] = [Math.cos(angle) * scale, Math.sin(angle) * scale];
  for (let k = 0; k < sample.length; k += 3) {
    const x = (sample[k] ?? 0) - cx;
    const z = (sample[k + 2] ?? 0) - cz;
    sample[k] = cx + cos * x + sin * z;
    sample[k + 1] = cy + scale * ((sample[k + 1] ?? 0) - cy);
    sample[k + 2] = cz - sin * x + cos * z;
  }
}

/** About both horizontal axes through the mean of the first frame, first x, then z. */
export function tilt(sample: Float32Array, joints: number, most: number, rng: Rng): void {
  const centre = centreOf(sample, joints);
  for (const [first, second] of [
    [1, 2],
    [0, 1],
  ] as const) {
    const angle = rng.uniform(-most, most);
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    for (let k = 0; k < sample.length; k += 3) {
      const a = (sample[k + first] ?? 0) - centre[first];
      const b = (sample[k + second] ?? 0) - centre[second];
      sample[k + first] = centre[first] + cos * a - sin * b;
      sample[k + second] = centre[second] + sin * a + cos * b;
    }
  }
}

/** Left and right exchanged: x mirrored about the mean of the first frame, each joint taken from the other side. */
export function mirrorPose(sample: Float32Array, mirror: readonly number[]): void {
  const joints = mirror.length;
  const [cx] = centreOf(sample, joints);
  const before = sample.slice();
  for (let k = 0; k < sample.length; k += 3) {
    const frame = k - (k % (3 * joints));
    const from = frame + 3 * (mirror[(k - frame) / 3] ?? 0);
    sample[k] = 2 * cx - (before[from] ?? 0);
    sample[k + 1] = before[from + 1] ?? 0;
    sample[k + 2] = before[from + 2] ?? 0;
  }
}

/** Noise of this standard deviation on every coordinate. */
export function addNoise(sample: Float32Array, deviation: number, rng: Rng): void {
  for (let k = 0; k < sample.length; k++) sample[k] = (sample[k] ?? 0) + deviation * rng.gaussian();
}

const SIDES: readonly (readonly [RegExp, string])[] = [
  [/left/i, 'right'],
  [/right/i, 'left'],
];

/**
 * The joint on the other side of each joint, by names such as `left hand` and `right hand`, or `lhand` and `rhand`; joints of the middle
 * are their own. Throws `ShapeError` for a left or right joint without its counterpart, and where there is no pair at all.
 */
export function mirrorJoints(names: readonly string[]): number[] {
  const places = new Map(names.map((name, v) => [name.toLowerCase(), v]));
  const mirror = names.map((name, v) => {
    const [side, other] = SIDES.find(([pattern]) => pattern.test(name)) ?? [];
    const found = side && other ? places.get(name.toLowerCase().replace(side, other)) : undefined;
    check(!side || found !== undefined, 'mirrorJoints', () => `'${name}' has no counterpart in ${names}`);
    return found ?? places.get(otherInitial(name.toLowerCase())) ?? v;
  });
  const paired = mirror.some((other, v) => other !== v);
  check(paired, 'mirrorJoints', () => `no joints of ${names} are named left and right`);
  return mirror;
}

/** `lhand` for `rhand` and the other way round. */
function otherInitial(name: string): string {
  const initial = { l: 'r', r: 'l' }[name[0] ?? ''];
  return initial ? initial + name.slice(1) : '';
}

/** The mean of the joints of the first frame. */
function centreOf(sample: Float32Array, joints: number): [x: number, y: number, z: number] {
  const mean = (axis: number) => {
    let sum = 0;
    for (let v = 0; v < joints; v++) sum += sample[v * 3 + axis] ?? 0;
    return sum / joints;
  };
  return [mean(0), mean(1), mean(2)];
}
