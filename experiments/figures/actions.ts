import type { Rng } from '../../src/data/rng.ts';
import type { Vector } from './vector.ts';

/** A pose of the body; pairs are left, right. */
export interface Pose {
  /** Hips lowered by this share of the leg length. */
  crouch: number;
  /** Forward, sideways (to the body's left) and turning of the trunk, in radians. */
  lean: number;
  tilt: number;
  twist: number;
  /** Wrist from its shoulder: outwards, up, to the front, in arm lengths. */
  hands: [Vector, Vector];
  /** Ankle from the floor below its hip: outwards, up, to the front, in leg lengths. */
  feet: [Vector, Vector];
}

/** What the hand or hands of an action hold. */
export type Held = 'none' | 'ball' | 'barbell' | 'umbrella' | 'flag';

/** How one sample is performed: everything about it that does not depend on the action. */
export interface Style {
  /** The posture from which every action starts: random, so that no mean posture tells the action. */
  rest: Pose;
  /** Size of the motion relative to a typical one. */
  size: number;
  /** Shift of the centre of a hand motion: outwards, up, to the front, in arm lengths. */
  centre: Vector;
  /** Left and right exchanged. */
  mirrored: boolean;
  /** Position in the cycle at the first instant, in radians, and cycles in the clip. */
  phase: number;
  cycles: number;
}

/** An action: the pose at a phase of its cycle (2π), as the changes to the style's resting posture. */
export interface Action {
  name: string;
  held: Held;
  move(phase: number, style: Style): Partial<Pose>;
}

const { cos, sin } = Math;

/** From 0 at phase 0 to 1 at π and back. */
function swing(phase: number): number {
  return (1 - cos(phase)) / 2;
}

function shift([out, up, front]: Vector, [a, b, c]: Vector): Vector {
  return [out + a, up + b, front + c];
}

function wave(phase: number, { rest, size, centre }: Style): Partial<Pose> {
  const hand = shift([0.3 + 0.42 * size * sin(phase), 0.3, 0.3], centre);
  return { hands: [hand, rest.hands[1]] };
}

function jumpingJack(phase: number, { rest, size, centre }: Style): Partial<Pose> {
  const angle = 1.5 + 1.15 * size * cos(phase);
  const front = 2 * centre[2];
  const hand: Vector = [0.9 * sin(angle), -0.9 * cos(angle), front];
  const spread = 0.3 * size * swing(phase);
  return {
    hands: [hand, hand],
    feet: [shift(rest.feet[0], [spread, 0, 0]), shift(rest.feet[1], [spread, 0, 0])],
  };
}

function squat(phase: number, { rest, size }: Style): Partial<Pose> {
  const depth = swing(phase) * size;
  return { crouch: 0.02 + 0.4 * depth, lean: rest.lean + 0.45 * depth };
}

function march(phase: number, { rest, size }: Style): Partial<Pose> {
  const foot = (at: Vector, side: number) => {
    const lift = Math.max(0, side * sin(phase)) * size;
    return shift(at, [0, 0.36 * lift, 0.12 * lift]);
  };
  return { feet: [foot(rest.feet[0], 1), foot(rest.feet[1], -1)] };
}

function lift(phase: number, { size, centre }: Style): Partial<Pose> {
  const hand = shift([-0.02, 0.15 - 0.55 * size * cos(phase), 0.42], [0, centre[1], centre[2]]);
  return { hands: [hand, hand] };
}

function pump(phase: number, { rest, size, centre }: Style): Partial<Pose> {
  const hand = shift([0.25, -0.38 * size * cos(phase), 0.45], centre);
  return { hands: [hand, rest.hands[1]] };
}

/** Straight arms turning beside the body; seen from the front both directions look alike. */
function armCircles(direction: number) {
  return (phase: number, { size, centre }: Style): Partial<Pose> => {
    const reach = 0.75 * size;
    const hand: Vector = [0.45 + 1.5 * centre[0], reach * cos(phase), direction * reach * sin(phase)];
    return { hands: [hand, hand] };
  };
}

/** One hand turning a crank in front of the body; seen from the front both directions look alike. */
function crank(direction: number) {
  return (phase: number, { rest, size, centre }: Style): Partial<Pose> => {
    const r = 0.35 * size;
    const hand = shift([0.15, 0.05 + r * cos(phase), 0.5 + direction * r * sin(phase)], centre);
    return { hands: [hand, rest.hands[1]] };
  };
}

/** The twelve actions; a class label is an index into this list. */
export const ACTIONS: readonly Action[] = [
  { name: 'wave', held: 'none', move: wave },
  { name: 'jumping jack', held: 'none', move: jumpingJack },
  { name: 'squat', held: 'none', move: squat },
  { name: 'march', held: 'none', move: march },
  { name: 'lift ball', held: 'ball', move: lift },
  { name: 'lift barbell', held: 'barbell', move: lift },
  { name: 'pump umbrella', held: 'umbrella', move: pump },
  { name: 'pump flag', held: 'flag', move: pump },
  { name: 'arm circles forward', held: 'none', move: armCircles(1) },
  { name: 'arm circles backward', held: 'none', move: armCircles(-1) },
  { name: 'crank forward', held: 'none', move: crank(1) },
  { name: 'crank backward', held: 'none', move: crank(-1) },
];

/** A style drawn around a subject's own pace (cycles per clip) and size of motion. */
export function randomStyle(rng: Rng, pace: number, size: number): Style {
  return {
    rest: randomRest(rng),
    size: size * rng.uniform(0.85, 1.1),
    centre: [rng.uniform(-0.15, 0.15), rng.uniform(-0.3, 0.3), rng.uniform(-0.15, 0.15)],
    mirrored: rng.uniform() < 0.5,
    phase: rng.uniform(0, 2 * Math.PI),
    cycles: pace * rng.uniform(0.85, 1.2),
  };
}

function randomRest(rng: Rng): Pose {
  const stance = rng.uniform(0, 0.22);
  const foot = (): Vector => [stance, 0, rng.uniform(-0.08, 0.08)];
  return {
    crouch: rng.uniform(0.01, 0.3),
    lean: rng.uniform(-0.05, 0.3),
    tilt: rng.uniform(-0.12, 0.12),
    twist: rng.uniform(-0.15, 0.15),
    hands: [restingHand(rng), restingHand(rng)],
    feet: [foot(), foot()],
  };
}

/** A hand that takes no part: anywhere from hanging to raised, mostly in front or at the side. */
function restingHand(rng: Rng): Vector {
  const angle = rng.uniform(0.1, 2.6);
  const turn = rng.uniform(-0.3, 1.6);
  const reach = rng.uniform(0.65, 0.95);
  return [reach * sin(angle) * sin(turn) + 0.08, -reach * cos(angle), reach * sin(angle) * cos(turn)];
}

/** The pose at `time` in [0, 1] of the clip. */
export function poseAt(action: Action, style: Style, time: number): Pose {
  const pose = { ...style.rest, ...action.move(style.phase + 2 * Math.PI * style.cycles * time, style) };
  return style.mirrored ? mirror(pose) : pose;
}

function mirror(pose: Pose): Pose {
  const swap = <T>([a, b]: [T, T]): [T, T] => [b, a];
  return { ...pose, tilt: -pose.tilt, twist: -pose.twist, hands: swap(pose.hands), feet: swap(pose.feet) };
}
