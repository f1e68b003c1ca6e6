import type { Rng } from '../../src/data/rng.ts';
import { rotate, type Vector } from './vector.ts';

/** Where the person stands in front of the camera and how it looks at them. */
export interface Camera {
  /** The person's turn away from facing the camera, and the camera's pitch (downwards) and roll, in radians. */
  yaw: number;
  pitch: number;
  roll: number;
  /** Height of the camera, its distance and the person's place to the side, in metres. */
  height: number;
  distance: number;
  aside: number;
  /** Focal length in image heights. */
  focal: number;
}

/** Height of the scene, in metres, that fills the frame at a typical distance. */
const VIEW = 2.55;
const DISTANCE = 5;

/** A camera at breast height, some five metres away, with the person roughly in the middle. */
export function randomCamera(rng: Rng): Camera {
  const height = rng.uniform(1, 1.6);
  const distance = DISTANCE * rng.uniform(0.9, 1.15);
  return {
    yaw: rng.uniform(-0.35, 0.35),
    pitch: (height - 1.2) / distance + rng.uniform(-0.02, 0.02),
    roll: rng.uniform(-0.05, 0.05),
    height,
    distance,
    aside: rng.uniform(-0.18, 0.18),
    focal: DISTANCE / VIEW,
  };
}

/** A point of the body's space in camera space: metres, x to the image's right, y up, z away from the camera. */
export function toCamera(camera: Camera, point: Vector): Vector {
  const [x, y, z] = rotate(point, 1, camera.yaw);
  return look(camera, [x + camera.aside, y - camera.height, camera.distance - z]);
}

/** Turns a camera-centred, level point by the camera's pitch and roll. */
export function look(camera: Camera, point: Vector): Vector {
  return rotate(rotate(point, 0, -camera.pitch), 2, camera.roll);
}
