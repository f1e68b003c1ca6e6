import { check } from '../errors.ts';
import { jointOrder } from '../kernels/bone-projection.ts';
import { add, mul, sqrt, square, sub } from '../kernels/elementwise.ts';
import { slice } from '../kernels/layout.ts';
import { matmul } from '../kernels/matmul.ts';
import { sum } from '../kernels/reduce.ts';
import type { Device } from '../tensor/device.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { rowsOf } from './norms.ts';
import type { Problem } from './problem.ts';

/** Which input is the skeleton, [N, …, T, V, 3], and how its joints hang together. */
export interface SkeletonOptions {
  /** The name of the input; `skeleton` when left out. */
  readonly modality?: string;
  /** The parent of each joint; −1 for the root. */
  readonly parents: readonly number[];
}

/** Throws `ShapeError` unless the skeleton moves and has a parent for each joint; `alone`: where something else moves. */
export function checkSkeleton(
  op: string,
  { moved, origins }: Problem,
  { modality = 'skeleton', parents }: SkeletonOptions,
  alone: boolean,
): void {
  jointOrder(parents);
  const place = moved.findIndex(({ name }) => name === modality);
  check(place >= 0, op, () => `needs a budget for ${modality}`);
  check(!alone || moved.length === 1, op, () => `moves ${modality} alone; leave out the other budgets`);
  const { shape } = origins[place] as Tensor;
  const [joints, axes] = shape.slice(-2);
  const fits = shape.length >= 4 && joints === parents.length && axes === 3;
  check(fits, op, () => `${modality} must be [N, T, ${parents.length}, 3]; got [${shape}]`);
}

/** Throws `ShapeError` where the skeleton has a range: what keeps or sets the lengths of bones cannot keep to it. */
export function checkUnranged(
  op: string,
  { moved }: Problem,
  { modality = 'skeleton' }: SkeletonOptions,
): void {
  const range = moved.find(({ name }) => name === modality)?.range;
  const message = () => `bones of ${modality} cannot keep to [${range?.join(', ')}]; declare no range for it`;
  check(range === undefined, op, message);
}

/**
 * Vectors to the joints from their parents, 0 for a root: [..., V, 3] → the same shape. Linear, with the transpose of its
 * matrix as gradient.
 */
export function boneVectors(poses: Tensor, parents: readonly number[]): Tensor {
  const entry = (v: number, u: number) => (parents[v] === u ? -1 : parents[v] !== -1 && u === v ? 1 : 0);
  return matmul(jointMatrix(poses.device, parents, entry), poses);
}

/** A matrix over joints, [V, V]. */
export function jointMatrix(
  device: Device,
  parents: readonly number[],
  entry: (v: number, u: number) => number,
): Tensor {
  const rows = parents.map((_, v) => parents.map((_, u) => entry(v, u)));
  return device.tensor(Float32Array.from(rows.flat()), [parents.length, parents.length]);
}

/** `1` where joint u is joint v or an ancestor of it. */
export function isAbove(parents: readonly number[]): (v: number, u: number) => number {
  return (v, u) => {
    for (let joint = v; joint >= 0; joint = parents[joint] ?? -1) if (joint === u) return 1;
    return 0;
  };
}

export interface PerceptualOptions {
  /** The parent of each joint; −1 for the root. */
  readonly parents: readonly number[];
  /** Weight of the bone lengths; the rest is motion. 0.7 when left out. */
  readonly bones?: number | undefined;
  /** Share of the positions in the motion; the rest is acceleration. 0.6 when left out. */
  readonly positions?: number | undefined;
  /** Frames a second; 30 when left out. */
  readonly frameRate?: number | undefined;
}

/**
 * How much a motion has changed to the eye, for each sample: `.7 Σ (L' − L)² + .3 (.6 Σ |x' − x|² / V + .4 Σ |a' − a|²)`, with
 * bone lengths L and accelerations a by second differences, summed over frames and joints (Wang et al. 2021, section 3.2). Poses
 * [N, …, T, V, 3] → [N]. Throws `ShapeError` for shapes that do not fit.
 */
export function perceptualDistance(
  poses: Tensor,
  origins: Tensor,
  { parents, bones = 0.7, positions = 0.6, frameRate = 30 }: PerceptualOptions,
): Tensor {
  const change = sub(poses, origins);
  const lengthChange = sub(boneLengths(poses, parents), boneLengths(origins, parents));
  const perSample = (squares: Tensor, weight: number) => mul(sum(rowsOf(squares), { axes: 1 }), weight);
  const motion = 1 - bones;
  const length = perSample(square(lengthChange), bones);
  const position = perSample(square(change), (motion * positions) / parents.length);
  const jerkiness = motion * (1 - positions) * frameRate ** 4;
  return add(add(length, position), perSample(square(acceleration(change)), jerkiness));
}

/** The length of each bone, a micrometre at least: [..., V, 3] → [..., V]. */
export function boneLengths(poses: Tensor, parents: readonly number[]): Tensor {
  return sqrt(add(sum(square(boneVectors(poses, parents)), { axes: -1 }), 1e-12));
}

/** Second differences in time: [N, …, T, V, 3] → [N, …, T − 2, V, 3]; nothing, for fewer than 3 frames. */
function acceleration(poses: Tensor): Tensor {
  const axis = poses.shape.length - 3;
  const frames = Math.max((poses.shape[axis] ?? 0) - 2, 0);
  const from = (first: number) => {
    const begin = poses.shape.map((_, i) => (i === axis ? first : 0));
    return slice(poses, { begin, size: poses.shape.map((n, i) => (i === axis ? frames : n)) });
  };
  if (frames === 0) return from(0);
  return add(sub(from(0), mul(from(1), 2)), from(2));
}
