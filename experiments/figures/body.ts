import type { Rng } from '../../src/data/rng.ts';
import type { Pose } from './actions.ts';
import { addScaled, cross, dot, norm, rotate, subtract, unit, type Vector } from './vector.ts';

/** The 25 joints of NTU RGB+D in their published order. */
export const JOINTS = [
  'spine base',
  'spine middle',
  'neck',
  'head',
  'left shoulder',
  'left elbow',
  'left wrist',
  'left hand',
  'right shoulder',
  'right elbow',
  'right wrist',
  'right hand',
  'left hip',
  'left knee',
  'left ankle',
  'left foot',
  'right hip',
  'right knee',
  'right ankle',
  'right foot',
  'spine shoulder',
  'left hand tip',
  'left thumb',
  'right hand tip',
  'right thumb',
];

/** Parent of each joint in the tree of NTU RGB+D, whose root is the spine between the shoulders. */
export const PARENTS = [
  1, 20, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, -1, 22, 7, 24, 11,
];

/** Lengths and radii of one person's body in metres. */
export interface Body {
  trunk: number;
  neck: number;
  head: number;
  shoulders: number;
  hips: number;
  upperArm: number;
  forearm: number;
  hand: number;
  thigh: number;
  shin: number;
  foot: number;
  /** Radius of the limbs as a multiple of a slim person's. */
  girth: number;
}

/** A person between 1.5 and 1.95 m with individual proportions. */
export function randomBody(rng: Rng): Body {
  const height = rng.uniform(1.5, 1.95);
  const part = (share: number) => height * share * rng.uniform(0.93, 1.07);
  return {
    trunk: part(0.29),
    neck: part(0.06),
    head: part(0.1),
    shoulders: part(0.115),
    hips: part(0.055),
    upperArm: part(0.17),
    forearm: part(0.145),
    hand: part(0.05),
    thigh: part(0.245),
    shin: part(0.235),
    foot: part(0.11),
    girth: rng.uniform(0.85, 1.35),
  };
}

/**
 * Places the 25 joints of a pose, in metres: the body's left is +x, up +y, its front +z, and the origin lies on the floor
 * below the hips. Bone lengths depend on the body alone.
 */
export function placeJoints(body: Body, pose: Pose): Vector[] {
  const leg = body.thigh + body.shin;
  const base: Vector = [0, leg * (0.97 - pose.crouch), 0];
  const trunk = (v: Vector) => rotate(rotate(rotate(v, 1, pose.twist), 2, -pose.tilt), 0, pose.lean);
  const up = (distance: number) => addScaled(base, trunk([0, distance, 0]));
  const chest = up(body.trunk);
  const neck = up(body.trunk + body.neck);
  const head = addScaled(neck, unit(addScaled(trunk([0, 1, 0.15]), [0, 0.4, 0])), body.head);
  const [left, right] = [1, -1].map((side) => ({
    arm: placeArm(
      body,
      addScaled(base, trunk([side * body.shoulders, body.trunk * 0.96, 0])),
      pose,
      side,
      trunk,
    ),
    leg: placeLeg(body, addScaled(base, [side * body.hips, -0.04, 0]), pose, side),
  }));
  const hands = [...left!.arm.tips, ...right!.arm.tips];
  const spine = [base, up(body.trunk / 2), neck, head];
  return [...spine, ...left!.arm.chain, ...right!.arm.chain, ...left!.leg, ...right!.leg, chest, ...hands];
}

function placeArm(body: Body, shoulder: Vector, pose: Pose, side: number, trunk: (v: Vector) => Vector) {
  const [out, up, front] = pose.hands[side > 0 ? 0 : 1];
  const length = body.upperArm + body.forearm;
  const target = addScaled(shoulder, trunk([side * out, up, front]), length);
  const hint = trunk([side * 0.7, -0.6, -0.4]);
  const [elbow, wrist] = bend(shoulder, target, body.upperArm, body.forearm, hint);
  const along = unit(subtract(wrist, elbow));
  const hand = addScaled(wrist, along, body.hand);
  const inwards = unit(cross(along, trunk([0, -side, side * 0.3])));
  const thumb = addScaled(hand, addScaled(along, inwards), body.hand * 0.6);
  return { chain: [shoulder, elbow, wrist, hand], tips: [addScaled(hand, along, body.hand * 1.2), thumb] };
}

function placeLeg(body: Body, hip: Vector, pose: Pose, side: number): Vector[] {
  const [out, up, front] = pose.feet[side > 0 ? 0 : 1];
  const length = body.thigh + body.shin;
  const target: Vector = [side * (body.hips + out * length), (up + 0.05) * length, front * length];
  const [knee, ankle] = bend(hip, target, body.thigh, body.shin, [side * 0.25, 0.1, 1]);
  const foot = addScaled(ankle, unit([side * 0.35, -0.35, 1]), body.foot);
  return [hip, knee, ankle, foot];
}

/** Two bones from `from` towards `target`, bent towards `hint`: the middle joint and the end (as far as it reaches). */
function bend(from: Vector, target: Vector, a: number, b: number, hint: Vector): [Vector, Vector] {
  const towards = subtract(target, from);
  const reach = Math.min(Math.max(norm(towards), Math.abs(a - b) + 0.02), (a + b) * 0.998);
  const along = unit(towards);
  const foot = (a * a - b * b + reach * reach) / (2 * reach);
  const height = Math.sqrt(Math.max(a * a - foot * foot, 0));
  const aside = unit(addScaled(hint, along, -dot(hint, along)));
  return [addScaled(addScaled(from, along, foot), aside, height), addScaled(from, along, reach)];
}
